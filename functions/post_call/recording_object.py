"""Reading a recording's object: exactly the version that the event spoke of."""

import hashlib
from pathlib import Path
from typing import TypedDict

from botocore.exceptions import ClientError

from shared.clients import error_code, s3, transient_failures
from shared.errors import RecordingMissing

_BLOCK_BYTES = 1024 * 1024


class RecordingObject(TypedDict):
    """A version of an object; `version_id` is empty where the bucket keeps no versions."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    version_id: str


class VersionArgument(TypedDict, total=False):
    VersionId: str


class Downloaded(TypedDict):
    sha256: str
    user_metadata: dict[str, str]


def version_argument(recording: RecordingObject) -> VersionArgument:
    """The argument that names the version in an S3 call; empty without versions."""
    return {"VersionId": recording["version_id"]} if recording["version_id"] else {}


def quoted_etag(recording: RecordingObject) -> str:
    """The ETag as a condition of HTTP wants it; events tell it without quotes."""
    return f'"{recording["etag"]}"'


def download(recording: RecordingObject, target: Path) -> Downloaded:
    """Write the object's bytes to a file and hash them on the way.

    Raises RecordingMissing when that version is gone or its bytes are not those of the event.
    """
    digest = hashlib.sha256()
    try:
        with transient_failures():
            reply = s3().get_object(
                Bucket=recording["bucket"],
                Key=recording["key"],
                IfMatch=quoted_etag(recording),
                **version_argument(recording),
            )
            with target.open("wb") as file:
                for block in reply["Body"].iter_chunks(_BLOCK_BYTES):
                    digest.update(block)
                    file.write(block)
    except ClientError as error:
        if error_code(error) in {"NoSuchKey", "NoSuchVersion", "PreconditionFailed", "404", "412"}:
            raise RecordingMissing(
                "The recording was deleted or replaced after its event; upload it again."
            ) from error
        raise
    return {"sha256": digest.hexdigest(), "user_metadata": reply["Metadata"]}


def read_tags(recording: RecordingObject) -> dict[str, str]:
    """Read the object's tags."""
    with transient_failures():
        reply = s3().get_object_tagging(
            Bucket=recording["bucket"], Key=recording["key"], **version_argument(recording)
        )
    return {tag["Key"]: tag["Value"] for tag in reply["TagSet"]}
