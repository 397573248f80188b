"""Write into a ticket's history that its execution fails, where and why.

Every Catch of the machine leads here; the real error and cause go back to the machine, which ends
with them. The schedule starts another execution after a while, later each time.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.failures import Failure, RootCause, root_cause
from shared.observability import logger, step
from shared.times import format_time, now
from tickets.restarts import put_off_restart
from tickets.rules.lifecycle import workflow_failed
from tickets.turns import own_change


class Input(TypedDict):
    ticket_id: str
    run: int
    failed: dict[str, Failure]


@step
def handler(event: Input, context: LambdaContext) -> RootCause:
    [(failed_state, failure)] = event["failed"].items()
    output = root_cause(failure)
    ticket_id, run = event["ticket_id"], event["run"]
    own_change(
        ticket_id,
        run,
        lambda it: workflow_failed(
            it, format_time(now()), failed_state, output["error"], output["cause"]
        ),
    )
    put_off_restart(ticket_id, run)
    logger.error("case's execution failed", error=output["error"])
    return output
