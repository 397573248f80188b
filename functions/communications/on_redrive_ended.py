"""Tell of a redrive that broke off, and record what its machine could not.

An execution that timed out, was aborted or failed to record reaches no state that does. A rule on
`Step Functions Execution Status Change` brings every bad end of both machines here.
"""

import json
from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.redrives_table import end_run_of_ended_batches, update_batch, update_run
from shared.clients import sns, transient_failures
from shared.executions import ExecutionEnded, describe
from shared.observability import count, logger, step
from shared.times import format_time, now

ALERTS_TOPIC_ARN = environ["ALERTS_TOPIC_ARN"]
_ERRORS = {"TIMED_OUT": "States.Timeout"}


class ExecutionInput(TypedDict, total=False):
    """What both machines are given; a canary has no batch."""

    run_id: str
    batch: int


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    ended = ExecutionEnded.model_validate(event)
    execution = describe(ended.execution_arn)
    given: ExecutionInput = json.loads(execution["input"])
    run_id, batch = given["run_id"], given.get("batch")
    record(run_id, batch, execution.get("error") or _ERRORS.get(ended.status, ended.status))
    where = "" if batch is None else f", batch {batch},"
    with transient_failures():
        sns().publish(
            TopicArn=ALERTS_TOPIC_ARN,
            Subject="A redrive of communications broke off",
            Message=f"Redrive {run_id}{where} ended as {ended.status}. What it had not come to is "
            "still listed as failed. docs/runbook.md says what to do.",
        )
    count("RedriveFailed")
    logger.error("redrive broke off", run_id=run_id, status=ended.status)


def record(run_id: str, batch: int | None, error: str) -> None:
    """Write it down unless the machine has, which knows the state and the cause."""
    values = {"state": "FAILED", "error": error, "finished_at": format_time(now())}
    if batch is None:
        update_run(run_id, **values)
    else:
        update_batch(run_id, batch, **values)
        end_run_of_ended_batches(run_id)
