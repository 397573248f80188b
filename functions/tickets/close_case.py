"""Close a resolved case: store its summary, inform the customer, and watch it no longer."""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import count, logger, step
from shared.times import format_time, now
from tickets.outbox import send_notices
from tickets.queues_table import queue_of_ticket
from tickets.rules.lifecycle import closed
from tickets.turns import own_change
from tickets.watching import stop_watching


class Input(TypedDict):
    ticket_id: str
    run: int


class Output(TypedDict):
    closed: bool


@step
def handler(event: Input, context: LambdaContext) -> Output:
    ticket_id, run = event["ticket_id"], event["run"]
    ticket = own_change(
        ticket_id, run, lambda it: closed(it, queue_of_ticket(it.queue), format_time(now()))
    )
    if ticket is None:
        return {"closed": False}
    send_notices(ticket)
    stop_watching(ticket, run)
    count("CaseClosed")
    logger.info("case closed", number=ticket.number)
    return {"closed": ticket.state == "CLOSED"}
