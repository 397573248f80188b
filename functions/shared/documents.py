"""JSON documents in S3: what steps hand each other, because a state's payload ends at 256 KiB."""

import json
from collections.abc import Mapping
from typing import Any

from shared.clients import s3, transient_failures


def read_json(bucket: str, key: str) -> Any:
    """Read one JSON document."""
    with transient_failures():
        return json.loads(s3().get_object(Bucket=bucket, Key=key)["Body"].read())


def write_json(bucket: str, key: str, document: Mapping[str, Any] | list[Any]) -> None:
    """Write one JSON document. The key derives from the step's input: a second run overwrites
    the first with the same content.
    """
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    with transient_failures():
        s3().put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
