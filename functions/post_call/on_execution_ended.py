"""Tell the other domains that a call failed, and record what its machine could not.

An execution that timed out, was aborted, or failed while it recorded a failure reaches no Catch. A
rule on `Step Functions Execution Status Change` brings every bad end here. What the machine has
recorded is left as it is; whoever lost the call to another execution tells nothing.
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

from post_call.calls_table import attempt_columns, get_call, record_failed_call
from post_call.execution import ExecutionInput
from post_call.rules.execution_history import HistoryEvent, end_of
from shared.clients import stepfunctions, transient_failures
from shared.events import CallFailed, Detail, publish
from shared.executions import ExecutionEnded, describe
from shared.failures import root_cause
from shared.observability import batch_item, count, logger, step
from shared.times import format_time, now

EVENT_BUS_NAME = environ["EVENT_BUS_NAME"]

_processor = BatchProcessor(event_type=EventType.SQS)


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event, record_end, _processor, context)


@batch_item
def record_end(record: SQSRecord) -> None:
    """Mark the call FAILED if its execution held it or never came to, and publish CallFailed."""
    ended = ExecutionEnded.model_validate_json(record.body)
    arn = ended.execution_arn
    execution = describe(arn)
    with transient_failures():
        history = stepfunctions().get_execution_history(
            executionArn=arn, reverseOrder=True, maxResults=200
        )["events"]
    given: ExecutionInput = json.loads(execution["input"])
    events: list[HistoryEvent] = history  # type: ignore[assignment]
    end = end_of(events, ended.status)
    failure = {
        **attempt_columns(given["attempt"], given["recording"], given["created_at"]),
        **root_cause({"Error": end.error, "Cause": end.cause}),
        "failed_state": end.state,
        "failed_at": format_time(now()),
    }
    record_failed_call(given["call_id"], arn, failure, unless_recorded=True)
    call = get_call(given["call_id"])
    if call and call["state"] == "FAILED" and call["execution_arn"] == arn:
        publish(EVENT_BUS_NAME, "post_call", call_failed(ended, call))
        count("CallFailed")
        logger.error("call failed", call_id=given["call_id"], error=call["error"])


def call_failed(ended: ExecutionEnded, call: dict[str, Any]) -> Detail[CallFailed]:
    return Detail(
        event_id=f"{ended.name}-CallFailed",
        trace_id=call["call_id"],
        subject_id=call["call_id"],
        occurred_at=call["failed_at"],
        data=CallFailed(call_id=call["call_id"], error=call["error"]),
    )
