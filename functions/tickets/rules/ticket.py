"""A ticket: one support case, who works on it, and the clocks that run for it.

States, and who moves a ticket on:

- `NEW`: stored; the machine opens the case.
- `QUEUED`: to be assigned at once; the machine.
- `WAITING`: nobody was free; whoever frees somebody, or the schedule.
- `ASSIGNED`: offered to a representative, who has until `return_at` to react.
- `IN_PROGRESS`: accepted; the representative works on it.
- `PENDING`: the customer's turn; the clocks stand still, until `pending_until` at most.
- `RESOLVED`: a person says that it is done; the machine closes the case.
- `CLOSED`: done; it can be reopened until `reopen_until`.
- `EXHAUSTED`: the top tier did not resolve it in time; a supervisor can reopen it.
- `MERGED`: it goes on as `merged_into`.

A representative's load counts the tickets that have them as `assignee`: those that are ASSIGNED,
IN_PROGRESS or PENDING.
"""

import hashlib
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from tickets.rules.pauses import Pause

type State = Literal[
    "NEW",
    "QUEUED",
    "WAITING",
    "ASSIGNED",
    "IN_PROGRESS",
    "PENDING",
    "RESOLVED",
    "CLOSED",
    "EXHAUSTED",
    "MERGED",
]
type Priority = Literal["urgent", "high", "normal", "low"]
type Channel = Literal["email", "sms", "alert"]
"""An alert goes to whoever subscribes to the system's alerts."""

type ClockKind = Literal["first_response", "update", "solution"]
type SourceKind = Literal["call", "message", "request"]
type Happening = Literal[
    "created",
    "opened",
    "waits",
    "assigned",
    "accepted",
    "declined",
    "returned",
    "commented",
    "pending",
    "resumed",
    "no_answer",
    "resolved",
    "closed",
    "reopened",
    "reassigned",
    "priority_changed",
    "queue_changed",
    "skills_changed",
    "clocks_moved",
    "sla_warning",
    "sla_breach",
    "page_moved",
    "manager_paged",
    "escalation_asked",
    "escalated",
    "escalation_exhausted",
    "merged",
    "workflow_failed",
]

WAITS_FOR_SOMEBODY: frozenset[State] = frozenset({"QUEUED", "WAITING"})
HELD: frozenset[State] = frozenset({"ASSIGNED", "IN_PROGRESS", "PENDING"})
ENDED: frozenset[State] = frozenset({"CLOSED", "EXHAUSTED", "MERGED"})
OPEN: frozenset[State] = WAITS_FOR_SOMEBODY | HELD
"""Neither new nor on its way to an end."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Source(Frozen):
    """What a ticket comes from; the same source never opens two."""

    kind: SourceKind
    id: str

    @property
    def ticket_id(self) -> str:
        """The id of the one ticket that this source has."""
        return hashlib.sha256(f"{self.kind} {self.id}".encode()).hexdigest()[:32]


class Contact(Frozen):
    """Whom to tell about the ticket, and where; `is_customer` if it is what is on file of them."""

    name: str
    email: str | None = None
    phone: str | None = None
    is_customer: bool = False


class Quote(Frozen):
    """What was said in a call, as the redacted analysis has it; `at_ms` from the call's begin."""

    role: str
    text: str
    at_ms: int


class Call(Frozen):
    """What the analysis of a call says, and where it is."""

    analysis_bucket: str
    analysis_key: str
    reasons: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()


class Clock(Frozen):
    """One promise: so many seconds of open time from `started_at`, pauses left out; None where the
    queue promises nothing of the kind for the priority.

    `due_at` and `warn_at` are None while the customer has their turn. `stopped_at` is when the
    promise was kept, or, after a breach, when what it promised was done late.
    """

    started_at: str
    target_seconds: int | None = None
    warn_at: str | None = None
    due_at: str | None = None
    warned_at: str | None = None
    breached_at: str | None = None
    stopped_at: str | None = None


class Outcome(Frozen):
    """What became of a promise."""

    kept: bool
    target_seconds: int | None = None
    due_at: str | None = None
    done_at: str | None = None


class Summary(Frozen):
    """What became of a ticket, in figures; `pauses` is how often its clocks stood still."""

    resolution: str | None = None
    resolved_by: str | None = None
    tier: int
    pauses: int
    clocks: dict[ClockKind, Outcome]


class Entry(Frozen):
    """One thing that happened: when, by whom (a person, `workflow`), what, from what to what.

    `version` is the one that the change made, `text` what was written or why; `request_id` tells a
    repeated request from another one.
    """

    at: str
    by: str
    event: Happening
    before: str | None = None
    after: str | None = None
    text: str | None = None
    public: bool = False
    version: int | None = None
    request_id: str | None = None


class Ticket(Frozen):
    """The record. Times are as shared.times writes them; `version` grows with every change.

    `declined_by` and `returned_by` are the representatives of this tier who would not, or did not
    react; `preferred` is the one who knows it. `paging` is what the managers are still to be told,
    at `page_at`. `escalating` is why the machine is to escalate it.
    """

    ticket_id: str
    number: str
    state: State
    version: int = 1
    source: Source
    trace_id: str
    request_digest: str

    subject: str
    description: str | None = None
    priority: Priority = "normal"
    queue: str
    required_skills: tuple[str, ...] = ()
    tier: int = 1
    customer_id: str | None = None
    contact: Contact | None = None
    call: Call | None = None
    created_at: str
    created_by: str

    assignee: str | None = None
    return_at: str | None = None
    pending_until: str | None = None
    declined_by: tuple[str, ...] = ()
    returned_by: tuple[str, ...] = ()
    preferred: str | None = None

    clocks: dict[ClockKind, Clock] = {}
    pauses: tuple[Pause, ...] = ()
    due_at: str | None = None
    paging: tuple[str, ...] = ()
    page_at: str | None = None
    escalating: str | None = None

    resolution: str | None = None
    resolved_at: str | None = None
    resolved_by: str | None = None
    closed_at: str | None = None
    reopen_until: str | None = None
    summary: Summary | None = None
    merged_into: str | None = None
    cause: str | None = None

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].ended_at is None

    def updated(self, **values: Any) -> Self:
        """The same version with other values; validated, unlike pydantic's own copy."""
        return self.model_validate(self.model_dump() | values)


class Notice(Frozen):
    """A message that somebody shall get: a customer, a representative, whoever has an address, or,
    without any of them, the system's alerts.

    `notice_id` is its own within the ticket, so that sending it again sends nothing.
    """

    notice_id: str
    channel: Channel
    template: str
    fields: dict[str, str]
    customer_id: str | None = None
    recipient: str | None = None
    representative_id: str | None = None


class Change(Frozen):
    """What a rule makes of a ticket: the next version, what the history says, who is told."""

    before: Ticket
    after: Ticket
    entries: tuple[Entry, ...] = Field(min_length=1)
    notices: tuple[Notice, ...] = ()


class NotPossible(Exception):
    """A ticket's state does not allow what was asked for; the text says why, in plain words."""
