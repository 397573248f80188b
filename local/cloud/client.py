"""The deployed laptop cloud as a demo, a test or a benchmark sees it from outside."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.cloud.deployment import client

_deserialise = TypeDeserializer().deserialize


@dataclass
class Cloud:
    """Endpoint and stack outputs, with the few reads that everybody needs."""

    endpoint: str
    outputs: dict[str, str]

    @cached_property
    def s3(self) -> Any:
        return client("s3", self.endpoint)

    @cached_property
    def dynamodb(self) -> Any:
        return client("dynamodb", self.endpoint)

    @cached_property
    def stepfunctions(self) -> Any:
        return client("stepfunctions", self.endpoint)

    @cached_property
    def sqs(self) -> Any:
        return client("sqs", self.endpoint)

    def call(self, call_id: str) -> dict[str, Any] | None:
        """A call's row in the calls table."""
        reply = self.dynamodb.get_item(
            TableName=self.outputs["CallsTableName"],
            Key={"call_id": {"S": call_id}, "item": {"S": "call"}},
            ConsistentRead=True,
        )
        item = reply.get("Item")
        return {name: _deserialise(value) for name, value in item.items()} if item else None

    def document(self, bucket: str, key: str) -> Any:
        """A JSON document in S3."""
        return json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def wait_until[T](
    read: Callable[[], T | None], seconds: float, what: str, *, pause: float = 0.2
) -> T:
    """Read until there is something, or fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(pause)
