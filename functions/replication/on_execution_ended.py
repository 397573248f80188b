"""Tell of a plan or a service that broke off.

An execution that timed out, was aborted or failed to record reaches no state that could. A rule on
`Step Functions Execution Status Change` brings every bad end of both machines here; the schedule
starts the service's next run, and whatever was planned stays to be retried.
"""

import json
from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.replications_table import change_state
from shared.clients import sns, transient_failures
from shared.executions import ExecutionEnded, describe
from shared.observability import count, logger, step
from shared.times import format_time, now

ALERTS_TOPIC_ARN = environ["ALERTS_TOPIC_ARN"]


class ExecutionInput(TypedDict, total=False):
    """What both machines are given; a plan has no provider, a service no plan."""

    replication_id: str
    provider: str
    plan: int


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    ended = ExecutionEnded.model_validate(event)
    execution = describe(ended.execution_arn)
    given: ExecutionInput = json.loads(execution["input"])
    replication_id, provider = given["replication_id"], given.get("provider")
    error = execution.get("error") or ended.status
    if provider is None:
        at = format_time(now())
        cause = execution.get("cause") or "It came to no state that could have said more."
        change_state(
            replication_id,
            ["PLANNING"],
            "FAILED",
            of_plan=given["plan"],  # It may be planned again by now.
            finished_at=at,
            error=error,
            cause=cause,
        )
        text = f"The plan of replication {replication_id} ended as {ended.status} with {error}."
        text += " What it had begun goes on. When the cause is mended, retry it through the API."
    else:
        text = f"The {provider} service of replication {replication_id} ended as {ended.status}"
        text += f" with {error}. Another run takes it up by itself, later each time."
    with transient_failures():
        sns().publish(
            TopicArn=ALERTS_TOPIC_ARN,
            Subject="A replication broke off",
            Message=f"{text} docs/runbook.md says what to do.",
        )
    count("ReplicationExecutionFailed")
    logger.error("execution ended badly", replication_id=replication_id, error=error)
