"""Assign a case to a representative who is there, able and has room; else it waits in its queue.

Tickets whose promise is due earlier go first.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import logger, step
from shared.times import format_time, now
from tickets.assigning import assign_own
from tickets.outbox import send_notices
from tickets.rules.lifecycle import waits
from tickets.turns import own_change, own_ticket


class Input(TypedDict):
    ticket_id: str
    run: int


class Output(TypedDict):
    assigned: bool


@step
def handler(event: Input, context: LambdaContext) -> Output:
    ticket_id, run = event["ticket_id"], event["run"]
    ticket = own_ticket(ticket_id, run)
    if ticket is not None and ticket.state == "QUEUED":
        assign_own(ticket)
        ticket = own_change(ticket_id, run, lambda it: waits(it, format_time(now())))
    if ticket is None:
        return {"assigned": False}
    send_notices(ticket)
    logger.info("assigned" if ticket.assignee else "nobody is free", state=ticket.state)
    return {"assigned": ticket.assignee is not None}
