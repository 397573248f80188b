"""Keep a recording that nobody can read apart, with the reason beside it.

The object moves from `recordings/` to `quarantine/` under the same name, with metadata and tags;
`<name>.reason.json` says why. The copy lands before the original version is deleted, so that a
crash between the two leaves both, and a second run does the same again.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from post_call.model import S3Pointer
from post_call.recording_object import RecordingObject, quoted_etag, version_argument
from shared.clients import error_code, s3, transient_failures
from shared.documents import write_json
from shared.failures import Failure, plain_cause
from shared.observability import count, logger, step

_SOURCE_PREFIX = "recordings/"
_QUARANTINE_PREFIX = "quarantine/"

_IN_ONE_PIECE = TransferConfig(multipart_threshold=5 * 1024**3)
"""S3 copies up to 5 GB at once, with the object's tags; a copy in parts loses them."""


class Input(TypedDict):
    call_id: str
    recording: RecordingObject
    failure: Failure


class Output(TypedDict):
    quarantined: S3Pointer


@step
def handler(event: Input, context: LambdaContext) -> Output:
    recording, failure = event["recording"], event["failure"]
    target = _QUARANTINE_PREFIX + recording["key"].removeprefix(_SOURCE_PREFIX)
    reason = {"call_id": event["call_id"], "error": failure["Error"], "cause": plain_cause(failure)}
    write_json(recording["bucket"], f"{target}.reason.json", reason)
    if _copy(recording, target):
        _delete(recording)
    count("RecordingQuarantined")
    logger.info("recording quarantined", error=failure["Error"])
    return {"quarantined": {"bucket": recording["bucket"], "key": target}}


def _copy(recording: RecordingObject, target: str) -> bool:
    """Copy the version; False when an earlier run has moved it already."""
    source = {
        "Bucket": recording["bucket"],
        "Key": recording["key"],
        **version_argument(recording),
    }
    try:
        with transient_failures():
            s3().copy(
                source,  # type: ignore[arg-type]
                recording["bucket"],
                target,
                ExtraArgs={"CopySourceIfMatch": quoted_etag(recording)},
                Config=_IN_ONE_PIECE,
            )
    except ClientError as error:
        if error_code(error) in {"NoSuchKey", "NoSuchVersion", "PreconditionFailed", "404", "412"}:
            with transient_failures():
                s3().head_object(Bucket=recording["bucket"], Key=target)
            return False
        raise
    return True


def _delete(recording: RecordingObject) -> None:
    with transient_failures():
        s3().delete_object(
            Bucket=recording["bucket"], Key=recording["key"], **version_argument(recording)
        )
