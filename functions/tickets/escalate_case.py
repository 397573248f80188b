"""Escalate a case to the next tier, which has clocks and people of its own; behind the top tier the
execution fails, and the ticket says so.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import count, logger, step
from shared.times import format_time, now
from tickets.outbox import send_notices
from tickets.queues_table import queue_of_ticket
from tickets.rules.lifecycle import escalated
from tickets.turns import own_change
from tickets.watching import stop_watching


class Input(TypedDict):
    ticket_id: str
    run: int


class Output(TypedDict):
    """`error` and `cause` are what the execution fails with where `exhausted`."""

    exhausted: bool
    error: str
    cause: str


@step
def handler(event: Input, context: LambdaContext) -> Output:
    ticket_id, run = event["ticket_id"], event["run"]
    ticket = own_change(
        ticket_id, run, lambda it: escalated(it, queue_of_ticket(it.queue), format_time(now()))
    )
    if ticket is None:
        return {"exhausted": False, "error": "", "cause": ""}
    send_notices(ticket)
    exhausted = ticket.state == "EXHAUSTED"
    if exhausted:
        stop_watching(ticket, run)
    count("EscalationExhausted" if exhausted else "CaseEscalated")
    logger.info("case escalated", tier=ticket.tier, exhausted=exhausted)
    return {"exhausted": exhausted, "error": "EscalationExhausted", "cause": ticket.cause or ""}
