"""Record a call whose execution ended without a word of its own.

An execution that timed out, was aborted, or failed before it could record so reaches no Catch. A
rule on `Step Functions Execution Status Change` brings it here. A failure that the machine itself
has recorded is left as it is.
"""

import json
from os import environ
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

from post_call.calls_table import attempt_columns, get_call, record_failed_call
from post_call.execution import ExecutionInput
from post_call.failure import plain_cause, root_failure
from post_call.rules.execution_history import HistoryEvent, end_of
from shared.clients import stepfunctions, transient_failures
from shared.events import CallFailed, Detail, publish
from shared.observability import batch_item, count, logger, step
from shared.times import format_time, now

EVENT_BUS_NAME = environ["EVENT_BUS_NAME"]
RECORDED_BY = "on_execution_ended"

_processor = BatchProcessor(event_type=EventType.SQS)


class ExecutionEnded(BaseModel):
    """The part of the status change event that matters here."""

    model_config = ConfigDict(hide_input_in_errors=True)  # Errors are logged; keys hold names.

    execution_arn: str = Field(validation_alias=AliasPath("detail", "executionArn"))
    name: str = Field(validation_alias=AliasPath("detail", "name"))


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event, record_end, _processor, context)


@batch_item
def record_end(record: SQSRecord) -> None:
    """Mark the call FAILED if its execution held it or never came to, and tell other domains."""
    ended = ExecutionEnded.model_validate_json(record.body)
    arn = ended.execution_arn
    with transient_failures():
        execution = stepfunctions().describe_execution(executionArn=arn)
        history = stepfunctions().get_execution_history(
            executionArn=arn, reverseOrder=True, maxResults=200
        )["events"]
    given: ExecutionInput = json.loads(execution["input"])
    events: list[HistoryEvent] = history  # type: ignore[assignment]
    end = end_of(events)
    real = root_failure({"Error": end.error, "Cause": end.cause})
    failure = {
        **attempt_columns(given["attempt"], given["recording"], given["created_at"]),
        "error": real["Error"],
        "cause": plain_cause(real),
        "failed_state": end.state,
        "failed_at": format_time(now()),
        "recorded_by": RECORDED_BY,
    }
    recorded = record_failed_call(given["call_id"], arn, failure, only_processing=True)
    if recorded or _recorded_before(given["call_id"], arn):
        publish(EVENT_BUS_NAME, "post_call", _call_failed(ended, given["call_id"], real["Error"]))
        count("CallFailed")
        logger.error("call ended unrecorded", call_id=given["call_id"], error=real["Error"])


def _recorded_before(call_id: str, execution_arn: str) -> bool:
    """Whether an earlier run of this step recorded the end and may have died before telling it."""
    call = get_call(call_id)
    return bool(
        call and call.get("recorded_by") == RECORDED_BY and call["execution_arn"] == execution_arn
    )


def _call_failed(ended: ExecutionEnded, call_id: str, error: str) -> Detail[CallFailed]:
    return Detail(
        event_id=f"{ended.name}-CallFailed",
        trace_id=call_id,
        subject_id=call_id,
        occurred_at=format_time(now()),
        data=CallFailed(call_id=call_id, error=error),
    )
