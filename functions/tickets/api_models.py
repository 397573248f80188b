"""What goes over the API of tickets: bodies of requests, and what is shown."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.addresses import EMail, Phone
from shared.customers import Id
from tickets.rules.pauses import Pause
from tickets.rules.queue import Name, QueueSettings, Skills
from tickets.rules.representative import Profile, Representative, Shift
from tickets.rules.ticket import (
    Call,
    Clock,
    ClockKind,
    Contact,
    Entry,
    Happening,
    Priority,
    Source,
    State,
    Summary,
    Ticket,
)

type Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
type Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
type TicketId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
type Version = Annotated[int, Field(ge=0, le=10**9)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ContactRequest(Request):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    email: EMail | None = None
    phone: Phone | None = None


class SourceRequest(Request):
    """What the ticket comes from. The same source never opens two."""

    kind: Literal["call", "message"]
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


class TicketRequest(Request):
    """A new ticket. Without required skills it has those of its queue; without a contact, it is the
    customer who is told.
    """

    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    description: Text | None = None
    priority: Priority = "normal"
    queue: Name = "general"
    required_skills: Skills | None = None
    customer_id: Id | None = None
    contact: ContactRequest | None = None
    source: SourceRequest | None = None


class ChangeRequest(Request):
    """`version` is the one that the caller has seen; of any other nothing is changed."""

    version: Version


class TicketPatch(ChangeRequest):
    """A change of SLA: the clocks keep when they started and every pause."""

    priority: Priority | None = None
    queue: Name | None = None
    required_skills: Skills | None = None


class CommentRequest(ChangeRequest):
    """`public` sends it to the customer, and counts as news for the clocks."""

    text: Text
    public: bool = False


class PendingRequest(ChangeRequest):
    """What the customer is asked, and until when they have time."""

    text: Text
    until: AwareDatetime | None = None


class ResumeRequest(ChangeRequest):
    """What the customer has answered."""

    text: Text | None = None


class ResolveRequest(ChangeRequest):
    """How it was resolved; the customer gets to read this."""

    resolution: Text


class ReasonRequest(ChangeRequest):
    reason: Reason


class ReassignRequest(ReasonRequest):
    """To whom; null puts the ticket back into its queue."""

    representative_id: Id | None


class MergeRequest(ChangeRequest):
    into: TicketId


class QueueRequest(ChangeRequest):
    """`version` 0 stores what is not there yet."""

    settings: QueueSettings


class ProfileRequest(ChangeRequest):
    """`version` 0 stores what is not there yet."""

    profile: Profile


class ShiftsRequest(ChangeRequest):
    """All shifts from now on; those of before are forgotten."""

    shifts: Annotated[tuple[Shift, ...], Field(max_length=400)]


class TicketSummary(BaseModel):
    """A ticket as lists show it."""

    ticket_id: str
    number: str
    state: State
    version: int
    subject: str
    priority: Priority
    queue: str
    tier: int
    assignee: str | None = None
    customer_id: str | None = None
    created_at: str
    due_at: str | None = Field(default=None, description="Which of its promises is due first")


class CallView(Call):
    """`link` is where the redacted analysis can be read, for some minutes."""

    link: str


class TicketView(TicketSummary):
    """A ticket; `situation` says in plain words what it waits for."""

    situation: str
    source: Source
    trace_id: str
    description: str | None
    required_skills: tuple[str, ...]
    contact: Contact | None
    call: CallView | None
    created_by: str
    return_at: str | None
    pending_until: str | None
    declined_by: tuple[str, ...]
    returned_by: tuple[str, ...]
    clocks: dict[ClockKind, Clock]
    pauses: tuple[Pause, ...]
    page_at: str | None = Field(description="When managers are paged, if that has to wait")
    escalating: str | None
    resolution: str | None
    resolved_at: str | None
    resolved_by: str | None
    closed_at: str | None
    reopen_until: str | None
    summary: Summary | None
    merged_into: str | None
    cause: str | None


class EntryView(BaseModel):
    """One thing that happened: when, by whom, what, from what to what; and the version it made."""

    version: int
    at: str
    by: str
    event: Happening
    before: str | None
    after: str | None
    text: str | None
    public: bool


class TicketDetail(TicketView):
    """A ticket with its history, the first first; more of it where `history_complete` is false."""

    history: list[EntryView]
    history_complete: bool


class QueueView(BaseModel):
    """A queue; version 0 is what holds while nobody has stored anything."""

    name: str
    version: int
    settings: QueueSettings


class RepresentativeView(BaseModel):
    """A representative; `load` is how many tickets they have."""

    representative_id: str
    version: int
    load: int
    on_shift: bool
    profile: Profile


def ticket_view(ticket: Ticket, link: str | None) -> TicketView:
    call = CallView(**ticket.call.model_dump(), link=link) if ticket.call and link else None
    return TicketView(
        **ticket.model_dump(include=set(TicketView.model_fields) - {"call"}),
        call=call,
        situation=situation(ticket),
    )


def ticket_detail(view: TicketView, history: Iterable[Entry], complete: bool) -> TicketDetail:
    return TicketDetail(
        **view.model_dump(), history=entry_views(history), history_complete=complete
    )


def entry_views(entries: Iterable[Entry]) -> list[EntryView]:
    return [
        EntryView.model_validate(entry.model_dump(include=set(EntryView.model_fields)))
        for entry in entries
    ]


def representative_view(one: Representative, on_shift: bool) -> RepresentativeView:
    return RepresentativeView(
        representative_id=one.representative_id,
        version=one.version,
        load=one.load,
        on_shift=on_shift,
        profile=profile_of(one),
    )


def profile_of(one: Representative) -> Profile:
    return Profile.model_validate(one.model_dump(include=set(Profile.model_fields)))


def situation(ticket: Ticket) -> str:
    """Why the ticket is where it is, in plain words."""
    skills = f" with {', '.join(ticket.required_skills)}" if ticket.required_skills else ""
    return {
        "NEW": "It is being opened.",
        "QUEUED": f"It is being assigned to somebody of tier {ticket.tier}{skills}.",
        "WAITING": f"Nobody of tier {ticket.tier}{skills} is on shift and has room.",
        "ASSIGNED": f"{ticket.assignee} has until {ticket.return_at} to accept it.",
        "IN_PROGRESS": f"{ticket.assignee} works on it.",
        "PENDING": f"{ticket.assignee} waits for the customer, until {ticket.pending_until}.",
        "RESOLVED": "It is resolved and being closed.",
        "CLOSED": f"It is closed and can be reopened until {ticket.reopen_until}.",
        "EXHAUSTED": f"No tier resolved it in time. {ticket.cause}",
        "MERGED": f"It goes on as {ticket.merged_into}.",
    }[ticket.state]
