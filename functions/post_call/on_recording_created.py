"""Start a call's processing when its recording appears, at a bounded pace.

S3 tells EventBridge, EventBridge a queue, the queue this function. Each execution is named by the
call id, so the same event delivered again starts nothing. Where as many calls are being processed
as the parameter allows, the message goes back to the queue with a delay, as a message of its own:
waiting is no failure and must not bring it nearer to the dead-letter queue; the same holds while
Step Functions is throttled. What cannot be read or started fails by itself, is delivered again, and
in the end lies in the dead-letter queue.
"""

import os
import random
from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AliasPath, BaseModel, ConfigDict, Field

from post_call.attempts import may_be_tried_again, start_attempt
from post_call.calls_table import get_call
from post_call.execution import call_id_of
from post_call.recording_object import RecordingObject
from shared.clients import sqs, stepfunctions, transient_failures
from shared.errors import TransientError
from shared.observability import batch_item, count, logger, step
from shared.times import format_time

STATE_MACHINE_ARN = os.environ["POST_CALL_STATE_MACHINE_ARN"]
QUEUE_URL = os.environ["RECORDINGS_QUEUE_URL"]
MAX_CONCURRENT_CALLS = int(os.environ["MAX_CONCURRENT_CALLS"])

DEFER_SECONDS = (3, 12)
"""A deferred message comes back after a random delay in this range."""

_processor = BatchProcessor(event_type=EventType.SQS)


class ObjectCreated(BaseModel):
    """The part of S3's `Object Created` event that matters here."""

    model_config = ConfigDict(hide_input_in_errors=True)  # Errors are logged; keys hold names.

    time: datetime
    bucket: str = Field(validation_alias=AliasPath("detail", "bucket", "name"))
    key: str = Field(validation_alias=AliasPath("detail", "object", "key"))
    etag: str = Field(validation_alias=AliasPath("detail", "object", "etag"))
    size: int = Field(validation_alias=AliasPath("detail", "object", "size"))
    version_id: str = Field(
        default="", validation_alias=AliasPath("detail", "object", "version-id")
    )

    def recording(self) -> RecordingObject:
        return {
            "bucket": self.bucket,
            "key": self.key,
            "etag": self.etag,
            "size_bytes": self.size,
            "version_id": self.version_id,
        }


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    free = Slots()
    return process_partial_response(
        event, lambda record: start_or_defer(record, free), _processor, context
    )


class Slots:
    """How many more calls may be started now: the limit less the executions that run.

    None while Step Functions does not say how many run: the messages wait, which is no failure.
    """

    def __init__(self) -> None:
        try:
            self._free = MAX_CONCURRENT_CALLS - count_running()
        except TransientError as error:
            logger.warning("running calls are not known", error=error.code)
            self._free = 0

    def take(self) -> bool:
        self._free -= 1
        return self._free >= 0


def count_running() -> int:
    """How many executions run, counted no further than the limit."""
    pages = stepfunctions().get_paginator("list_executions")
    with transient_failures():
        running = pages.paginate(
            stateMachineArn=STATE_MACHINE_ARN,
            statusFilter="RUNNING",
            PaginationConfig={"MaxItems": MAX_CONCURRENT_CALLS},
        ).build_full_result()
    return len(running["executions"])


@batch_item
def start_or_defer(record: SQSRecord, free: Slots) -> None:
    """Start the recording's call if there is room, else send its message back for later."""
    created = ObjectCreated.model_validate_json(record.body)
    if created.key.endswith("/"):
        return  # A folder made by hand in a console; there is nothing to hear in it.
    if not free.take():
        defer(record)
        return
    try:
        start(created)
    except TransientError as error:
        logger.warning("call not started yet", error=error.code)
        defer(record)


def defer(record: SQSRecord) -> None:
    with transient_failures():
        sqs().send_message(
            QueueUrl=QUEUE_URL,
            MessageBody=record.body,
            DelaySeconds=random.randint(*DEFER_SECONDS),  # noqa: S311 - spreads load, hides nothing
        )
    count("CallDeferred")


def start(created: ObjectCreated) -> None:
    """Start the first attempt, or the next one where the last came to nothing."""
    call_id = call_id_of(created.bucket, created.key, created.etag)
    recording, created_at = created.recording(), format_time(created.time)
    if start_attempt(STATE_MACHINE_ARN, call_id, 1, recording, created_at):
        return
    call = get_call(call_id)
    if call and is_worth_another(call, recording, created_at):
        attempt = int(call["attempt"]) + 1
        if start_attempt(STATE_MACHINE_ARN, call_id, attempt, recording, created_at):
            return
    count("DuplicateEvent")
    logger.info("duplicate event", call_id=call_id)


def is_worth_another(call: dict[str, Any], recording: RecordingObject, created_at: str) -> bool:
    """Whether an event asks for another attempt.

    A call that failed is tried again for another upload, not for the event of the one that failed,
    delivered once more. One whose owner has vanished is tried again in any case.
    """
    same_upload = (call["recording_version_id"], call["uploaded_at"]) == (
        recording["version_id"],
        created_at,
    )
    return may_be_tried_again(call) and not (call["state"] == "FAILED" and same_upload)
