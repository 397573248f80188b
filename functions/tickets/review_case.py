"""Review a case: let happen what time has brought, tell whoever is to be told, say what comes next.

The machine comes here before every wait and after it, whatever ended it: a person's action, a clock
or a wait that was long enough. The record is the truth; what the wait was completed with is not.
"""

import math
from datetime import timedelta
from os import environ
from typing import Literal, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import logger, step
from shared.times import format_time, now, parse_time
from tickets.outbox import send_notices
from tickets.queues_table import queue_of_ticket
from tickets.rules.lifecycle import Next, next_of, review, wake_at
from tickets.rules.ticket import Ticket
from tickets.turns import own_change
from tickets.watching import stop_watching
from tickets.workflows_table import get_workflow, next_run

CHECK_SECONDS = int(environ["TICKET_CHECK_SECONDS"])
MOST_TURNS = int(environ["TICKET_TURNS"])
GRACE = timedelta(seconds=120)
"""How much later than its wait ends the machine may look at the ticket again."""


class Input(TypedDict):
    ticket_id: str
    run: int
    turn: int


class Output(TypedDict):
    """`version` is what was reviewed; `wait_seconds` and `attention_at` are for Work On Case."""

    next: Next | Literal["hand_over"]
    run: int
    turn: int
    version: str
    wait_seconds: int
    attention_at: str


@step
def handler(event: Input, context: LambdaContext) -> Output:
    ticket_id, run, turn = event["ticket_id"], event["run"], event["turn"] + 1
    ticket = own_change(
        ticket_id, run, lambda it: review(it, queue_of_ticket(it.queue), format_time(now()))
    )
    if ticket is None:
        return output_of("hand_over" if follows(ticket_id, run) else "end", run + 1, turn)
    send_notices(ticket)
    following = next_of(ticket)
    if following == "work" and turn >= MOST_TURNS:
        next_run(ticket_id, run, now())
        return output_of("hand_over", run + 1, turn)
    if following == "end":
        stop_watching(ticket, run)
    logger.info("case reviewed", state=ticket.state, next=following, turn=turn)
    return output_of(following, run, turn, ticket)


def follows(ticket_id: str, run: int) -> bool:
    """Whether the execution that works for the ticket is the one after this: perhaps nobody has
    started it. Starting it again starts nothing.
    """
    workflow = get_workflow(ticket_id)
    return workflow is not None and workflow.run == run + 1


def output_of(
    following: Next | Literal["hand_over"], run: int, turn: int, ticket: Ticket | None = None
) -> Output:
    moment = now()
    wait = CHECK_SECONDS
    if ticket is not None and (until := wake_at(ticket)):
        wait = min(wait, math.ceil((parse_time(until) - moment).total_seconds()))
    wait = max(wait, 1)
    return {
        "next": following,
        "run": run,
        "turn": turn,
        "version": str(ticket.version if ticket else 0),
        "wait_seconds": wait,
        "attention_at": format_time(moment + timedelta(seconds=wait) + GRACE),
    }
