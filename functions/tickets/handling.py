"""What a person does with a ticket: checked against what they have seen, stored, and passed on.

Every change names the version that it is a change of; who comes second gets a Problem 409 and
undoes nothing. The record is written first; then the machine is woken, and whoever became free gets
what waits.
"""

import hashlib
import json
from collections.abc import Callable

from shared.errors import TransientError
from shared.problems import Problem
from shared.times import format_time, now
from tickets.assigning import assign_freed
from tickets.rules.ticket import Change, NotPossible, Ticket
from tickets.running import begin
from tickets.tickets_table import MOST_CONFLICTS, RepresentativeFull, get, get_entry, save
from tickets.waking import wake
from tickets.workflows_table import get_workflow

type Rule = Callable[[Ticket, str], Change]
"""From a ticket as it is, and when it happens, to the change."""

type MergeRule = Callable[[Ticket, Ticket, str], tuple[Change, Change]]
"""The same for a ticket, and the one as which it is to go on."""


def known(ticket_id: str) -> Ticket:
    """The ticket, or Problem 404."""
    ticket = get(ticket_id)
    if ticket is None:
        raise Problem(404, "unknown-ticket", "There is no ticket with this id.")
    return ticket


def act(ticket_id: str, version: int, request_id: str | None, rule: Rule) -> Ticket:
    """Make a change of the version that the caller has seen, and pass it on.

    A request that was made before, and whose answer was lost, finds its change and changes nothing.
    """
    ticket = known(ticket_id)
    if ticket.version != version:
        return repeated(ticket, version, request_id)
    made = signed(possible(rule, ticket), request_id)
    if not stored(made):
        return repeated(known(ticket_id), version, request_id)
    wake(ticket_id)
    if made.before.assignee not in (None, made.after.assignee):
        assign_freed()
    return made.after


def merge(
    ticket_id: str, version: int, into: str, request_id: str | None, rule: MergeRule
) -> Ticket:
    """Let a ticket go on as another one; the version is the first one's."""
    for _ in range(MOST_CONFLICTS):
        ticket = known(ticket_id)
        if ticket.version != version:
            return repeated(ticket, version, request_id)
        made, taken = possible(lambda it, at: rule(it, known(into), at), ticket)
        if stored(signed(made, request_id), taken):
            wake(ticket_id)
            if ticket.assignee is not None:
                assign_freed()
            return made.after
    raise TransientError("Conflict", "others keep changing the ticket that it is merged into")


def reopen(ticket_id: str, version: int, request_id: str | None, rule: Rule) -> Ticket:
    """Take up a ticket again that has ended: another execution works for it."""
    ticket = known(ticket_id)
    if ticket.version != version:
        return repeated(ticket, version, request_id)
    made = signed(possible(rule, ticket), request_id)
    if not stored(made, new_run=True):
        return repeated(known(ticket_id), version, request_id)
    workflow = get_workflow(ticket_id)
    if workflow is not None:
        begin(ticket_id, workflow.run)
    return made.after


def request_id_of(caller: str, key: str | None, *content: str) -> str | None:
    """What makes a caller's repeated request the same; None where they gave no key."""
    parts = json.dumps([caller, key, *content])
    return key and hashlib.sha256(parts.encode()).hexdigest()[:32]


def possible[Made](rule: Callable[[Ticket, str], Made], ticket: Ticket) -> Made:
    try:
        return rule(ticket, format_time(now()))
    except NotPossible as error:
        raise Problem(409, "not-possible", str(error)) from error


def signed(made: Change, request_id: str | None) -> Change:
    """The change, told as that request's."""
    first = made.entries[0].model_copy(update={"request_id": request_id})
    return made.model_copy(update={"entries": (first, *made.entries[1:])})


def stored(*changes: Change, new_run: bool = False) -> bool:
    try:
        return save(*changes, new_run=new_run)
    except RepresentativeFull as error:
        raise Problem(
            409, "no-room", "This representative has as many tickets as they can have."
        ) from error


def repeated(ticket: Ticket, version: int, request_id: str | None) -> Ticket:
    """The ticket as it is, if this very request has changed it before; else Problem 409."""
    entry = get_entry(ticket.ticket_id, version + 1) if request_id else None
    if entry is None or entry.request_id != request_id:
        raise Problem(
            409,
            "stale-version",
            f"It has changed meanwhile and is now {ticket.state}; read it again.",
            version=ticket.version,
        )
    return ticket
