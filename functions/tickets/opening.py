"""Storing a new ticket and starting its workflow: once for each source."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shared.observability import count, logger
from shared.times import format_time, now
from tickets.queues_table import next_number
from tickets.rules.ticket import Entry, Source, Ticket
from tickets.running import begin
from tickets.tickets_table import create, get


class SourceTaken(Exception):
    """The source has a ticket already, of other contents."""


def open_ticket(
    source: Source,
    created_by: str,
    values: dict[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> Ticket:
    """The source's ticket: a new one, or the one that there is. `defaults` are no part of what was
    said.

    Raises SourceTaken where a request with the same key said something else. What a call or a
    message says is no matter: it has one ticket.
    """
    ticket_id = source.ticket_id
    digest = digest_of(values)
    ticket = get(ticket_id) or _stored(
        ticket_id, source, created_by, digest, {**(defaults or {}), **values}
    )
    if source.kind == "request" and ticket.request_digest != digest:
        raise SourceTaken("This key was used before, for another ticket.")
    if ticket.state == "NEW":
        begin(ticket_id, run=1)
    return ticket


def digest_of(values: dict[str, Any]) -> str:
    """What tells one request from another under the same key."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _stored(
    ticket_id: str, source: Source, created_by: str, digest: str, values: dict[str, Any]
) -> Ticket:
    """The new ticket, or the one that somebody has stored meanwhile."""
    moment = now()
    at = format_time(moment)
    ticket = Ticket(
        ticket_id=ticket_id,
        number=next_number(moment),
        state="NEW",
        source=source,
        request_digest=digest,
        created_at=at,
        created_by=created_by,
        **({"trace_id": ticket_id} | values),
    )
    if create(ticket, Entry(at=at, by=created_by, event="created", after="NEW")):
        count("TicketCreated")
        logger.info("ticket created", ticket_id=ticket_id, number=ticket.number)
        return ticket
    found = get(ticket_id)
    if found is None:
        raise LookupError("the ticket was deleted meanwhile")
    return found
