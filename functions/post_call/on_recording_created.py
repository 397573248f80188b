"""Start a call's processing when its recording appears, at a bounded pace.

S3 tells EventBridge, EventBridge a queue, the queue this function. Each execution is named by the
call id, so the same event delivered again starts nothing. Where as many calls are being processed
as the parameter allows, the message goes back to the queue with a delay, as a message of its own:
waiting is no failure and must not bring it nearer to the dead-letter queue. What cannot be read
or started fails by itself, is delivered again, and in the end lies in the dead-letter queue.
"""

import json
import os
import random
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import AliasPath, BaseModel, ConfigDict, Field

from post_call.calls_table import get_call
from post_call.execution import ExecutionInput, call_id_of, execution_name
from post_call.recording_object import RecordingObject
from shared.clients import error_code, sqs, stepfunctions, transient_failures
from shared.observability import batch_item, count, logger, step
from shared.times import format_time, now, parse_time

STATE_MACHINE_ARN = os.environ["POST_CALL_STATE_MACHINE_ARN"]
QUEUE_URL = os.environ["RECORDINGS_QUEUE_URL"]
MAX_CONCURRENT_CALLS = int(os.environ["MAX_CONCURRENT_CALLS"])

LEASE = timedelta(hours=7)
"""Longer than the machine's own timeout, after which an unfinished claim may be taken over."""

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
    version_id: str | None = Field(
        default=None, validation_alias=AliasPath("detail", "object", "version-id")
    )


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    free = Slots()
    return process_partial_response(
        event, lambda record: start_or_defer(record, free), _processor, context
    )


class Slots:
    """How many more calls may be started now: the limit less the executions that run."""

    def __init__(self) -> None:
        with transient_failures():
            running = stepfunctions().list_executions(
                stateMachineArn=STATE_MACHINE_ARN,
                statusFilter="RUNNING",
                maxResults=min(MAX_CONCURRENT_CALLS, 1000),
            )["executions"]
        self._free = MAX_CONCURRENT_CALLS - len(running)

    def take(self) -> bool:
        self._free -= 1
        return self._free >= 0


@batch_item
def start_or_defer(record: SQSRecord, free: Slots) -> None:
    """Start the recording's call if there is room, else send its message back for later."""
    created = ObjectCreated.model_validate_json(record.body)
    if created.key.endswith("/"):
        return  # A folder made by hand in a console; there is nothing to hear in it.
    if free.take():
        start(created)
    else:
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
    """Start the first attempt, or another one where the last failed before this event."""
    call_id = call_id_of(created.bucket, created.key, created.etag)
    if start_attempt(created, call_id, attempt=1):
        return
    call = get_call(call_id)
    if call and call["state"] == "FAILED" and parse_time(call["failed_at"]) < created.time:
        start_attempt(created, call_id, attempt=int(call["attempt"]) + 1)
    else:
        count("DuplicateEvent")
        logger.info("duplicate event", call_id=call_id)


def start_attempt(created: ObjectCreated, call_id: str, attempt: int) -> bool:
    """Start an execution named by the call and the attempt; False when there was one already."""
    try:
        with transient_failures():
            stepfunctions().start_execution(
                stateMachineArn=STATE_MACHINE_ARN,
                name=execution_name(call_id, attempt),
                input=json.dumps(execution_input(created, call_id, attempt, now())),
            )
    except ClientError as error:
        if error_code(error) == "ExecutionAlreadyExists":
            return False
        raise
    logger.info("call started", call_id=call_id, attempt=attempt)
    count("CallStarted")
    return True


def execution_input(
    created: ObjectCreated, call_id: str, attempt: int, started: datetime
) -> ExecutionInput:
    recording: RecordingObject = {
        "bucket": created.bucket,
        "key": created.key,
        "etag": created.etag,
        "size_bytes": created.size,
    }
    if created.version_id:
        recording["version_id"] = created.version_id
    return {
        "call_id": call_id,
        "attempt": attempt,
        "recording": recording,
        "created_at": format_time(created.time),
        "started_at": format_time(started),
        "lease_expires_at": format_time(started + LEASE),
    }
