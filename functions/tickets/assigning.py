"""Giving waiting tickets to representatives: whoever frees somebody, and the schedule, does it.

Several may do this at once. A ticket goes to one representative and nobody gets more than they have
room for, because both are conditions of one transaction; who loses tries the next.
"""

from shared.errors import TransientError
from shared.observability import count, logger
from shared.times import format_time, now
from tickets.queues_table import queue_of_ticket
from tickets.representatives_table import every_representative, get_representative
from tickets.rules.assignment import choose
from tickets.rules.lifecycle import assigned
from tickets.rules.representative import Representative
from tickets.rules.ticket import WAITS_FOR_SOMEBODY, Ticket
from tickets.tickets_table import (
    FAR,
    RepresentativeFull,
    WaitingTicket,
    get,
    save,
    waiting,
)
from tickets.waking import wake

MOST_AT_ONCE = 200
"""Tickets that are looked at: with more than these waiting, somebody looks again soon."""


def assign_waiting(own: Ticket | None = None) -> None:
    """Assign what waits, the ticket whose promise is due first before all others, as far as
    representatives have room. `own` counts as waiting even where the index is not so far.
    """
    tickets = {one.ticket_id: one for one in waiting(MOST_AT_ONCE)}
    if own is not None:
        tickets[own.ticket_id] = WaitingTicket.model_validate(
            {"due_at": FAR} | own.model_dump(exclude_none=True)
        )
    representatives = {one.representative_id: one for one in every_representative()}
    for ticket in sorted(tickets.values(), key=lambda one: (one.due_at, one.ticket_id)):
        if not any(one.has_room for one in representatives.values()):
            return
        if _assign(ticket, representatives) and (own is None or ticket.ticket_id != own.ticket_id):
            wake(ticket.ticket_id)


def assign_freed() -> None:
    """Assign what waits after somebody was freed by a change that is stored already: what cannot be
    done now, the schedule does.
    """
    try:
        assign_waiting()
    except TransientError as error:
        count("AssignmentLeftToSchedule")
        logger.warning("waiting tickets not assigned", error=error.code)


def _assign(waits: WaitingTicket, representatives: dict[str, Representative]) -> bool:
    """Give a ticket to somebody; False where nobody can take it, or it is not waiting any more."""
    while chosen := choose(waits, representatives.values(), now()):
        ticket = get(waits.ticket_id)
        if ticket is None or ticket.state not in WAITS_FOR_SOMEBODY:
            return False
        moment = now()
        made = assigned(
            ticket, queue_of_ticket(ticket.queue), chosen.representative_id, format_time(moment)
        )
        if made is None:
            return False
        try:
            if not save(made):
                continue
        except RepresentativeFull:
            _look_again(chosen, representatives)
            continue
        representatives[chosen.representative_id] = chosen.model_copy(
            update={"load": chosen.load + 1, "turn": int(moment.timestamp() * 1_000_000)}
        )
        count("CaseAssigned")
        return True
    return False


def _look_again(chosen: Representative, representatives: dict[str, Representative]) -> None:
    """Somebody else gave them a ticket: see what room they have now."""
    current = get_representative(chosen.representative_id)
    if current is None or not current.has_room:
        del representatives[chosen.representative_id]
    else:
        representatives[chosen.representative_id] = current
