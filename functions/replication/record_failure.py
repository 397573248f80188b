"""Say how an execution of replication fails, and note of one that plans that nothing will come.

Every Catch of the machines leads here; the real error and cause go back to the machine, which ends
with them. A worker's batch is taken up again by its service, a service by the schedule.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.replications_table import change_state
from shared.failures import Failure, RootCause, root_cause
from shared.observability import logger, step
from shared.times import format_time, now


class Input(TypedDict):
    replication_id: str
    provider: str | None
    """None of an execution that plans."""
    plan: int | None
    """Which plan it is; None of all others."""
    failed: dict[str, Failure]


@step
def handler(event: Input, context: LambdaContext) -> RootCause:
    [(failed_state, failure)] = event["failed"].items()
    output = root_cause(failure)
    if event["plan"] is not None:
        change_state(
            event["replication_id"],
            ["PLANNING"],
            "FAILED",
            of_plan=event["plan"],  # It may be planned again by now.
            finished_at=format_time(now()),
            **output,
        )
    logger.error("execution failed", failed_state=failed_state, error=output["error"])
    return output
