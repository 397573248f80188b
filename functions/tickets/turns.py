"""Whose turn it is: a ticket is worked for by one execution, and steps of older ones step back."""

from collections.abc import Callable

from shared.observability import logger
from tickets.rules.ticket import Change, Ticket
from tickets.tickets_table import RunOver, change, get
from tickets.workflows_table import get_workflow


def own_ticket(ticket_id: str, run: int) -> Ticket | None:
    """The ticket, if it is this execution's turn."""
    workflow, ticket = get_workflow(ticket_id), get(ticket_id)
    if workflow is None or ticket is None:
        raise LookupError("there is no ticket with this id")
    if workflow.run != run:
        logger.info("another execution works for the ticket", run=run, current=workflow.run)
        return None
    return ticket


def own_change(ticket_id: str, run: int, rule: Callable[[Ticket], Change | None]) -> Ticket | None:
    """Apply a rule, if it is this execution's turn; the ticket as it is then."""
    try:
        ticket = own_ticket(ticket_id, run)
        return ticket and change(ticket_id, rule, run=run, seen=ticket)
    except RunOver:
        logger.info("another execution has taken over", run=run)
        return None
