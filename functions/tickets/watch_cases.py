"""Look after tickets: those that the machine should have looked at, and those that wait.

Every change says until when the machine should have looked at it. What is overdue is woken; an
execution that has ended, or never began, is followed by another one. Then waiting tickets are
assigned, because shifts begin without anybody's doing.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from shared.errors import TransientError
from shared.executions import status_of
from shared.observability import count, logger, step
from shared.times import format_time, now
from tickets.assigning import assign_waiting
from tickets.outbox import send_notices
from tickets.queues_table import queue_of_ticket
from tickets.rules.lifecycle import review
from tickets.rules.ticket import ENDED, Change, Ticket
from tickets.running import STATE_MACHINE_ARN, begin, name_of
from tickets.tickets_table import RunOver, change, get
from tickets.waking import wake
from tickets.watching import stop_watching
from tickets.workflows_table import (
    PATIENCE,
    Workflow,
    end_watch,
    get_workflow,
    look_again,
    next_run,
    overdue,
)

MOST_AT_ONCE = 100
MOST_ROUNDS = 10


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    for _ in range(MOST_ROUNDS):
        found = overdue(format_time(now()), MOST_AT_ONCE)
        for workflow in filter(None, map(get_workflow, found)):
            if is_overdue(workflow):
                look_after(workflow)
        if len(found) < MOST_AT_ONCE:
            break
    assign_waiting()


def is_overdue(workflow: Workflow) -> bool:
    """Whether it still is: the index may be behind, and others may look after the same tickets."""
    return workflow.attention_at is not None and workflow.attention_at <= format_time(now())


def look_after(workflow: Workflow) -> None:
    """Have an overdue ticket looked at. One that cannot be does not keep the others waiting: it
    comes again.
    """
    try:
        look_again(workflow.ticket_id, workflow.run, format_time(now() + PATIENCE))
        have_looked_at(workflow)
    except (ClientError, LookupError, RunOver, TransientError, ValueError) as error:
        count("CaseNotLookedAfter")
        logger.error(
            "ticket not looked after", ticket_id=workflow.ticket_id, error=type(error).__name__
        )


def have_looked_at(workflow: Workflow) -> None:
    """Have the ticket looked at in whatever way is needed."""
    ticket_id, run = workflow.ticket_id, workflow.run
    found = get(ticket_id)
    if found is None:  # Somebody has erased it, and nothing is left to do.
        end_watch(ticket_id, run)
        return
    ticket = change(ticket_id, page_of_ended, seen=found)
    if ticket.state in ENDED:
        send_notices(ticket)
        stop_watching(ticket, run)
    elif (
        not wake(ticket_id)
        and not is_running(workflow)
        and next_run(ticket_id, run, now(), restart=True)
    ):
        begin(ticket_id, run + 1)
        count("CaseRestarted")
        logger.warning("execution started again", ticket_id=ticket_id, run=run + 1)


def page_of_ended(ticket: Ticket) -> Change | None:
    """The page of a ticket that has ended, if it waited for the on-call hours."""
    if ticket.state not in ENDED:
        return None
    return review(ticket, queue_of_ticket(ticket.queue), format_time(now()))


def is_running(workflow: Workflow) -> bool:
    """Whether the execution goes on: it may be trying something again."""
    return status_of(STATE_MACHINE_ARN, name_of(workflow.ticket_id, workflow.run)) == "RUNNING"
