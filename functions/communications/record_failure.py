"""Write on the run, or on its batch, that its execution fails, where and why.

Every Catch of the two machines leads here; the real error and cause go back to the machine, which
ends with them.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.redrives_table import end_run_of_ended_batches, update_batch, update_run
from shared.failures import Failure, RootCause, root_cause
from shared.observability import logger, step
from shared.times import format_time, now


class Input(TypedDict):
    """`batch` is None where the whole run fails."""

    run_id: str
    batch: int | None
    failed: dict[str, Failure]


@step
def handler(event: Input, context: LambdaContext) -> RootCause:
    [(failed_state, failure)] = event["failed"].items()
    output = root_cause(failure)
    values = {**output, "failed_state": failed_state, "finished_at": format_time(now())}
    if event["batch"] is None:
        update_run(event["run_id"], state="FAILED", **values)
    else:
        update_batch(event["run_id"], event["batch"], state="FAILED", **values)
        end_run_of_ended_batches(event["run_id"])
    logger.error("redrive failed", run_id=event["run_id"], error=output["error"])
    return output
