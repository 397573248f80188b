"""Write into a ticket's history that its execution fails, where and why.

Every Catch of the machine leads here; the real error and cause go back to the machine, which ends
with them. The schedule starts another execution after a while, later each time.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.failures import Failure, plain_cause, root_failure
from shared.observability import logger, step
from shared.times import format_time, now
from tickets.restarts import put_off_restart
from tickets.rules.lifecycle import workflow_failed
from tickets.turns import own_change


class Input(TypedDict):
    ticket_id: str
    run: int
    failed: dict[str, Failure]


class Output(TypedDict):
    error: str
    cause: str


@step
def handler(event: Input, context: LambdaContext) -> Output:
    [(failed_state, failure)] = event["failed"].items()
    real = root_failure(failure)
    output: Output = {"error": real["Error"], "cause": plain_cause(real)}
    ticket_id, run = event["ticket_id"], event["run"]
    own_change(
        ticket_id,
        run,
        lambda it: workflow_failed(
            it, format_time(now()), failed_state, output["error"], output["cause"]
        ),
    )
    put_off_restart(ticket_id, run)
    logger.error("case's execution failed", error=real["Error"])
    return output
