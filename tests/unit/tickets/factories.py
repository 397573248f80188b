"""Tickets for tests, where only the values that matter are named.

The queue is open around the clock, so that what is due can be told from the time it began: on
Monday at nine.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.times import format_time
from tickets.rules.queue import Manager, Queue, Targets, Tier
from tickets.rules.representative import Representative
from tickets.rules.ticket import Clock, Contact, Ticket

NOW = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
AT = "2026-03-02T09:00:00Z"
"""NOW, as it is written."""
ID = "5d41402abc4b2a76b9719d911017c592"
"""The ticket of the events in events/tickets."""
NUMBER = "20260302-0001"
HOUR = 3600

CONTACT = Contact(name="John Smith", email="john.smith@example.com")
MANAGER = Manager(email="manager@example.com", phone="+12025550199")

OFFERED = {"assignee": "sarah.k", "return_at": "2026-03-02T09:15:00Z"}
PENDING = {
    "assignee": "sarah.k",
    "pending_until": "2026-03-09T09:00:00Z",
    "pauses": [{"began_at": AT}],
    "due_at": None,
    "clocks": {
        "first_response": {"started_at": AT, "target_seconds": HOUR, "stopped_at": AT},
        "update": {"started_at": AT, "target_seconds": 2 * HOUR},
        "solution": {"started_at": AT, "target_seconds": 8 * HOUR},
    },
}
STOPPED = {
    "due_at": None,
    "clocks": {
        "first_response": {"started_at": AT, "target_seconds": HOUR, "stopped_at": AT},
        "solution": {"started_at": AT, "target_seconds": 8 * HOUR, "stopped_at": AT},
    },
}
SETTLED = STOPPED | {
    "resolution": "Sent a new parcel.",
    "resolved_at": AT,
    "resolved_by": "sarah.k",
}
OF_STATES: dict[str, dict[str, Any]] = {
    "NEW": {"clocks": {}, "due_at": None},
    "QUEUED": {},
    "WAITING": {},
    "ASSIGNED": OFFERED,
    "IN_PROGRESS": {"assignee": "sarah.k"},
    "PENDING": PENDING,
    "RESOLVED": SETTLED,
    "CLOSED": SETTLED | {"closed_at": AT, "reopen_until": "2026-03-16T09:00:00Z"},
    "EXHAUSTED": {"tier": 2, "cause": "any cause"},
    "MERGED": STOPPED | {"merged_into": "any-other"},
}
"""What a ticket has in each of its states, beside what every ticket has."""
STATES = tuple(OF_STATES)


def later(**interval: float) -> datetime:
    return NOW + timedelta(**interval)


def at(**interval: float) -> str:
    """So much later, as it is written."""
    return format_time(later(**interval))


def any_clock(**changed: Any) -> Clock:
    """A first response that was promised within an hour."""
    values = {"started_at": AT, "target_seconds": HOUR}
    times = {"warn_at": "2026-03-02T09:48:00Z", "due_at": "2026-03-02T10:00:00Z"}
    return Clock.model_validate(values | times | changed)


def any_ticket(state: str = "IN_PROGRESS", **changed: Any) -> Ticket:
    """One that was created and opened at nine, in the state that is named."""
    solution = {"warn_at": "2026-03-02T15:24:00Z", "due_at": "2026-03-02T17:00:00Z"}
    values: dict[str, Any] = {
        "ticket_id": ID,
        "number": NUMBER,
        "state": state,
        "source": {"kind": "request", "id": "any-request"},
        "trace_id": "any-trace",
        "request_digest": "any-digest",
        "subject": "Missing parcel",
        "queue": "parcels",
        "contact": CONTACT,
        "created_at": AT,
        "created_by": "peter.m",
        "clocks": {
            "first_response": any_clock(),
            "solution": any_clock(target_seconds=8 * HOUR, **solution),
        },
        "due_at": "2026-03-02T10:00:00Z",
    }
    return Ticket.model_validate(values | OF_STATES[state] | changed)


def any_targets(**changed: Any) -> Targets:
    return Targets(**{"first_response": HOUR, "update": 2 * HOUR, "solution": 8 * HOUR} | changed)


def any_tier(**changed: Any) -> Tier:
    """Urgent tickets have half the time of the others, in a tier where all have the same."""
    half = {name: seconds // 2 for name, seconds in any_targets(**changed) if seconds}
    others = dict.fromkeys(("high", "normal", "low"), any_targets(**changed))
    return Tier(targets={"urgent": Targets(**half), **others})


def any_queue(**changed: Any) -> Queue:
    """Two tiers with the same targets, open around the clock."""
    values = {"name": "parcels", "tiers": (any_tier(), any_tier()), "managers": (MANAGER,)}
    return Queue(**values | changed)


def any_representative(name: str = "sarah.k", **changed: Any) -> Representative:
    """Somebody who is there all Monday and has room for three tickets."""
    values = {
        "representative_id": name,
        "name": name.partition(".")[0].title(),
        "email": f"{name}@example.com",
        "capacity": 3,
        "shifts": ({"begins_at": later(hours=-9), "ends_at": later(hours=15)},),
    }
    return Representative.model_validate(values | changed)
