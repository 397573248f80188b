"""Giving waiting tickets to representatives: whoever frees somebody, and the schedule, does it.

Several may do this at once. A ticket goes to one representative and nobody gets more than they have
room for, because both are conditions of one transaction; who loses tries the next.
"""

from collections.abc import Iterator
from itertools import chain, islice, takewhile

from shared.errors import TransientError
from shared.observability import count, logger
from shared.times import format_time, now
from tickets.queues_table import queue_of_ticket
from tickets.representatives_table import every_representative, get_representative
from tickets.rules.assignment import choose, choose_behind
from tickets.rules.lifecycle import assigned
from tickets.rules.representative import Representative
from tickets.rules.ticket import WAITS_FOR_SOMEBODY, Ticket
from tickets.tickets_table import (
    RepresentativeFull,
    RunOver,
    WaitingTicket,
    as_waiting,
    get,
    save,
    waiting,
)
from tickets.waking import wake

MOST_FOR_A_CALLER = 100
"""Waiting tickets that are looked at while somebody waits for an answer."""


def assign_own(own: Ticket) -> None:
    """Assign a ticket to whoever is left for it once those before it have got somebody.

    Executions of many tickets do this at once, and each tries another place. Where that fails, or
    the way on which the ticket came has freed somebody, everything is tried that waits.
    """
    free = free_now()
    if not free:
        return
    fresh = own.tier == 1 and not own.returned_by and not own.declined_by
    if fresh and _assign_behind(own, free):
        return
    current = get(own.ticket_id)
    if current is not None and current.state in WAITS_FOR_SOMEBODY:
        assign_waiting(current)


def _assign_behind(own: Ticket, free: dict[str, Representative]) -> bool:
    mine = as_waiting(own)
    before = takewhile(lambda ticket: ticket.ticket_id != mine.ticket_id, _in_order(own))
    chosen = choose_behind(mine, before, free.values(), now())
    return chosen is not None and _given(mine, {chosen.representative_id: chosen})


def assign_waiting(own: Ticket | None = None, most: int | None = None) -> None:
    """Assign what waits, the ticket whose promise is due first before all others, as far as
    representatives are there and have room. `own` counts as waiting even where the index is not so
    far; with `most`, no more tickets than that are looked at.
    """
    tickets = islice(_in_order(own), most)
    first = next(tickets, None)
    if first is None:
        return
    free = free_now()
    for ticket in chain([first], tickets) if free else ():
        given = _given(ticket, free)
        if given and (own is None or ticket.ticket_id != own.ticket_id):
            wake(ticket.ticket_id)
        if not free:
            return


def assign_freed() -> None:
    """Assign what waits after somebody was freed by a change that is stored already: what cannot be
    done now, the schedule does.
    """
    try:
        assign_waiting(most=MOST_FOR_A_CALLER)
    except TransientError as error:
        count("AssignmentLeftToSchedule")
        logger.warning("waiting tickets not assigned", error=error.code)


def _given(ticket: WaitingTicket, free: dict[str, Representative]) -> bool:
    """Assign one ticket. What is wrong with it must not keep all others waiting."""
    try:
        return _assign(ticket, free)
    except (LookupError, RunOver, ValueError) as error:
        count("AssignmentFailed")
        logger.error("ticket not assigned", ticket_id=ticket.ticket_id, error=type(error).__name__)
        return False


def free_now() -> dict[str, Representative]:
    """Who is there and has room, by id."""
    moment = now()
    return {
        one.representative_id: one
        for one in every_representative()
        if one.has_room and one.is_there(moment)
    }


def _in_order(own: Ticket | None) -> Iterator[WaitingTicket]:
    """What waits, with one's own ticket where it belongs."""
    mine = None if own is None else as_waiting(own)
    for ticket in waiting():
        if mine is not None and mine.serve_by <= ticket.serve_by:
            yield mine
            mine = None
        if own is None or ticket.ticket_id != own.ticket_id:
            yield ticket
    if mine is not None:
        yield mine


def _assign(waits: WaitingTicket, free: dict[str, Representative]) -> bool:
    """Give a ticket to one of those who have room; False where nobody of them can take it, or it is
    not waiting any more.
    """
    if choose(waits, free.values(), now()) is None:
        return False
    while (ticket := get(waits.ticket_id)) and ticket.state in WAITS_FOR_SOMEBODY:
        chosen = choose(ticket, free.values(), now())
        if chosen is None:
            return False
        made = assigned(
            ticket, queue_of_ticket(ticket.queue), chosen.representative_id, format_time(now())
        )
        if made is None:
            return False
        try:
            stored = save(made)
        except RepresentativeFull:
            stored = False
        _look_again(chosen.representative_id, free)
        if stored:
            count("CaseAssigned")
            return True
    return False


def _look_again(representative_id: str, free: dict[str, Representative]) -> None:
    """See what room somebody has by now."""
    current = get_representative(representative_id)
    if current is None or not current.has_room:
        del free[representative_id]
    else:
        free[representative_id] = current
