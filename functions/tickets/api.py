"""The HTTP API of tickets: opening them, working on them, and who works on what.

Every route names the roles that may use it; shared.rest verifies the caller before anything else. A
representative changes their own tickets, a supervisor everybody's.
"""

import re
import uuid
from os import environ
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.clients import s3_links
from shared.customers import Id, get_customer
from shared.identity import Role
from shared.observability import step
from shared.rest import DEFAULT_LIMIT, Cursor, Limit, Page, Problem, RestApi, decode_cursor
from shared.times import format_time, now
from tickets.api_models import (
    ChangeRequest,
    CommentRequest,
    EntryView,
    MergeRequest,
    PendingRequest,
    ProfileRequest,
    QueueRequest,
    QueueView,
    ReasonRequest,
    ReassignRequest,
    RepresentativeView,
    ResolveRequest,
    ResumeRequest,
    ShiftsRequest,
    TicketDetail,
    TicketId,
    TicketPatch,
    TicketRequest,
    TicketSummary,
    TicketView,
    entry_views,
    profile_of,
    representative_view,
    ticket_detail,
    ticket_view,
)
from tickets.assigning import assign_freed
from tickets.handling import Rule, act, known, merge, reopen, request_id_of
from tickets.opening import SourceTaken, open_ticket
from tickets.queues_table import StoredQueue, every_queue, get_queue, put_queue, queue_of_ticket
from tickets.representatives_table import (
    every_representative,
    get_representative,
    put_profile,
)
from tickets.rules import lifecycle
from tickets.rules.queue import Name, Queue
from tickets.rules.representative import Profile, Representative
from tickets.rules.ticket import ENDED, Call, Change, Priority, Source, State, Ticket
from tickets.tickets_table import get, page_of, page_of_history

CUSTOMERS_TABLE_NAME = environ["CUSTOMERS_TABLE_NAME"]
LINK_SECONDS = 900
MOST_HISTORY = 500
"""Entries that are shown with a ticket; its history's own route has the others."""

ALL: frozenset[Role] = frozenset({"representative", "supervisor", "operator", "service"})
WORK: frozenset[Role] = frozenset({"representative", "supervisor"})
MANAGE: frozenset[Role] = frozenset({"supervisor", "operator"})

api = RestApi(
    "/tickets",
    title="Aftercall tickets",
    version="1",
    description="Support cases: opening, assigning, working on and closing them.",
)


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.handle(event, context)


# --- queues and representatives


@api.get("/tickets/queues", roles=ALL, summary="List queues")
def list_queues() -> list[QueueView]:
    return [queue_view(stored) for stored in every_queue()]


@api.get("/tickets/queues/<name>", roles=ALL, summary="Read a queue's settings")
def read_queue(name: Name) -> QueueView:
    return queue_view(known_queue(name))


@api.put("/tickets/queues/<name>", roles=MANAGE, summary="Store a queue's settings")
def store_queue(name: Name, request: QueueRequest) -> QueueView:
    """Open tickets follow with their next look at the clock, in an hour at most."""
    queue = Queue(name=name, **request.settings.model_dump())
    stored = StoredQueue(queue=queue, version=request.version + 1)
    if not put_queue(queue, request.version) and get_queue(name) != stored:
        raise stale(known_queue(name).version)
    return queue_view(stored)


@api.get("/tickets/representatives", roles=ALL, summary="List representatives")
def list_representatives() -> list[RepresentativeView]:
    return [representative_view(one, one.is_there(now())) for one in every_representative()]


@api.get("/tickets/representatives/<representative_id>", roles=ALL, summary="Read one")
def read_representative(representative_id: Id) -> RepresentativeView:
    return shown_representative(known_representative(representative_id))


@api.put("/tickets/representatives/<representative_id>", roles=MANAGE, summary="Store one")
def store_representative(representative_id: Id, request: ProfileRequest) -> RepresentativeView:
    """The id is the subject of the representative's token."""
    return stored_profile(representative_id, request.profile, request.version)


@api.put(
    "/tickets/representatives/<representative_id>/shifts",
    roles=MANAGE,
    summary="Store when somebody is there",
)
def store_shifts(representative_id: Id, request: ShiftsRequest) -> RepresentativeView:
    current = known_representative(representative_id)
    profile = Profile.model_validate(
        current.model_dump(include=set(Profile.model_fields)) | {"shifts": request.shifts}
    )
    return stored_profile(representative_id, profile, request.version)


# --- tickets


@api.post("/tickets", roles=ALL, summary="Open a ticket", status=201)
def create_ticket(request: TicketRequest) -> TicketView:
    """With an Idempotency-Key, or a source, the same request again gives the same ticket."""
    queue = known_queue(request.queue, status=422).queue
    source = source_of(request)
    if not is_known_customer(request.customer_id) and get(source.ticket_id) is None:
        raise Problem(422, "unknown-customer", "There is no customer with this customer_id.")
    values = request.model_dump(mode="json", exclude={"source"}, exclude_none=True)
    skills = {"required_skills": queue.required_skills}
    try:
        ticket = open_ticket(source, api.caller.subject, values, skills)
    except SourceTaken as error:
        raise Problem(409, "idempotency-key-taken", str(error)) from error
    api.set_header("Location", f"tickets/{ticket.ticket_id}")
    return shown(ticket)


def is_known_customer(customer_id: str | None) -> bool:
    return customer_id is None or get_customer(CUSTOMERS_TABLE_NAME, customer_id) is not None


def source_of(request: TicketRequest) -> Source:
    if request.source is not None:
        return Source(kind=request.source.kind, id=request.source.id)
    own = request_id_of(api.caller.subject, api.idempotency_key())
    return Source(kind="request", id=own or uuid.uuid4().hex)


@api.get("/tickets", roles=ALL, summary="List tickets")
def list_tickets(
    phase: Annotated[str | None, Query(pattern="^(open|ended)$")] = None,
    state: Annotated[State | None, Query()] = None,
    queue: Annotated[Name | None, Query()] = None,
    priority: Annotated[Priority | None, Query()] = None,
    assignee: Annotated[Id | None, Query()] = None,
    customer_id: Annotated[Id | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[TicketSummary]:
    """The latest first: the open ones, unless a phase, an assignee or a customer is named."""
    if state is not None and phase is None:
        phase = "ended" if state in ENDED else "open"
    given = {"assignee": assignee, "customer_id": customer_id, "phase": phase}
    wanted = {column: value for column, value in given.items() if value is not None}
    column, value = next(iter(wanted.items()), ("phase", "open"))
    filters = {"state": state, "queue": queue, "priority": priority, **wanted}
    found, following = page_of(
        INDEXES[column],
        column,
        value,
        equal={name: one for name, one in filters.items() if one is not None and name != column},
        limit=limit,
        start=start_of(cursor, column, value),
    )
    position = following and {name: following[name]["S"] for name in ("ticket_id", "number")}
    return api.page([TicketSummary.model_validate(values) for values in found], position)


INDEXES = {"assignee": "by_assignee", "customer_id": "by_customer", "phase": "by_phase"}


def start_of(cursor: str | None, column: str, value: str) -> dict[str, Any] | None:
    """Where a page begins in an index."""
    if cursor is None:
        return None
    position = position_in(cursor, ticket_id="[0-9a-f]{32}", number=r"\d{8}-\d{5,9}")
    return {name: {"S": text} for name, text in {**position, column: value}.items()}


def position_in(cursor: str, **patterns: str) -> dict[str, str]:
    """What a cursor says, each part in the form that it has in this list."""
    position = decode_cursor(cursor, set(patterns))
    if not all(re.fullmatch(patterns[name], text, re.ASCII) for name, text in position.items()):
        raise Problem(400, "invalid-cursor", "The cursor is of another list.")
    return position


@api.get("/tickets/<ticket_id>", roles=ALL, summary="Read one, with its history")
def read_ticket(ticket_id: TicketId) -> TicketDetail:
    ticket = known(ticket_id)
    history, following = page_of_history(ticket_id, MOST_HISTORY)
    return ticket_detail(shown(ticket), history, complete=following is None)


@api.get("/tickets/<ticket_id>/history", roles=ALL, summary="Read a ticket's history")
def read_history(
    ticket_id: TicketId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[EntryView]:
    """The first first."""
    known(ticket_id)
    after = position_in(cursor, entry=r"\d{6,9}#\d{2}")["entry"] if cursor else None
    entries, following = page_of_history(ticket_id, limit, after)
    return api.page(entry_views(entries), {"entry": following} if following else None)


@api.patch("/tickets/<ticket_id>", roles=WORK, summary="Change priority, queue or skills")
def change_ticket(ticket_id: TicketId, request: TicketPatch) -> TicketView:
    named = request.queue and known_queue(request.queue, status=422).queue
    return changed(
        ticket_id,
        "change",
        request,
        lambda ticket, at: lifecycle.reclassified(
            ticket,
            named or queue_of_ticket(ticket.queue),
            at,
            api.caller.subject,
            priority=request.priority,
            skills=request.required_skills,
        ),
    )


@api.post("/tickets/<ticket_id>/accept", roles=WORK, summary="Accept a ticket")
def accept_ticket(ticket_id: TicketId, request: ChangeRequest) -> TicketView:
    return changed(
        ticket_id,
        "accept",
        request,
        lambda ticket, at: lifecycle.accepted(ticket, at, api.caller.subject),
    )


@api.post("/tickets/<ticket_id>/comment", roles=ALL, summary="Note something, or write back")
def comment_ticket(ticket_id: TicketId, request: CommentRequest) -> TicketView:
    return changed(
        ticket_id,
        "comment",
        request,
        lambda ticket, at: lifecycle.commented(
            ticket,
            queue_of_ticket(ticket.queue),
            at,
            api.caller.subject,
            request.text,
            request.public,
        ),
        anybody=not request.public,
    )


@api.post("/tickets/<ticket_id>/pending", roles=WORK, summary="Ask the customer something")
def pend_ticket(ticket_id: TicketId, request: PendingRequest) -> TicketView:
    until = time_of(request)
    return changed(
        ticket_id,
        "pending",
        request,
        lambda ticket, at: lifecycle.pended(
            ticket, queue_of_ticket(ticket.queue), at, api.caller.subject, request.text, until
        ),
    )


@api.post(
    "/tickets/<ticket_id>/resume",
    roles=WORK | {"service"},
    summary="Go on: the customer has answered",
)
def resume_ticket(ticket_id: TicketId, request: ResumeRequest) -> TicketView:
    return changed(
        ticket_id,
        "resume",
        request,
        lambda ticket, at: lifecycle.resumed(
            ticket, queue_of_ticket(ticket.queue), at, api.caller.subject, request.text
        ),
    )


@api.post("/tickets/<ticket_id>/resolve", roles=WORK, summary="Say that it is resolved, and how")
def resolve_ticket(ticket_id: TicketId, request: ResolveRequest) -> TicketView:
    return changed(
        ticket_id,
        "resolve",
        request,
        lambda ticket, at: lifecycle.resolved(
            ticket, queue_of_ticket(ticket.queue), at, api.caller.subject, request.resolution
        ),
    )


@api.post("/tickets/<ticket_id>/decline", roles=WORK, summary="Give a ticket back, with a reason")
def decline_ticket(ticket_id: TicketId, request: ReasonRequest) -> TicketView:
    return changed(
        ticket_id,
        "decline",
        request,
        lambda ticket, at: lifecycle.declined(
            ticket, queue_of_ticket(ticket.queue), at, api.caller.subject, request.reason
        ),
    )


@api.post("/tickets/<ticket_id>/escalate", roles=WORK, summary="Hand a ticket to the next tier")
def escalate_ticket(ticket_id: TicketId, request: ReasonRequest) -> TicketView:
    return changed(
        ticket_id,
        "escalate",
        request,
        lambda ticket, at: lifecycle.escalation_asked(
            ticket, queue_of_ticket(ticket.queue), at, api.caller.subject, request.reason
        ),
    )


@api.post("/tickets/<ticket_id>/reassign", roles={"supervisor"}, summary="Give it somebody else")
def reassign_ticket(ticket_id: TicketId, request: ReassignRequest) -> TicketView:
    to = request.representative_id
    if to is not None and get_representative(to) is None:
        raise Problem(422, "unknown-representative", "There is no representative with this id.")
    return changed(
        ticket_id,
        "reassign",
        request,
        lambda ticket, at: lifecycle.reassigned(
            ticket, queue_of_ticket(ticket.queue), at, api.caller.subject, to, request.reason
        ),
    )


@api.post("/tickets/<ticket_id>/merge", roles=WORK, summary="Let it go on as another ticket")
def merge_ticket(ticket_id: TicketId, request: MergeRequest) -> TicketView:
    known(request.into)

    def rule(ticket: Ticket, into: Ticket, at: str) -> tuple[Change, Change]:
        must_be_theirs(ticket)
        queue = queue_of_ticket(ticket.queue)
        return lifecycle.merged(ticket, into, queue, at, api.caller.subject)

    request_id = own_request_id("merge", request)
    return shown(merge(ticket_id, request.version, request.into, request_id, rule))


@api.post("/tickets/<ticket_id>/reopen", roles=WORK | {"service"}, summary="Take it up again")
def reopen_ticket(ticket_id: TicketId, request: ReasonRequest) -> TicketView:
    """A closed one for as long as its queue says; one that no tier resolved takes a supervisor."""

    def rule(ticket: Ticket, at: str) -> Change:
        if ticket.state == "EXHAUSTED" and "supervisor" not in api.caller.roles:
            raise Problem(403, "forbidden", "No tier resolved it: this takes a supervisor.")
        queue = queue_of_ticket(ticket.queue)
        return lifecycle.reopened(ticket, queue, at, api.caller.subject, request.reason)

    return shown(reopen(ticket_id, request.version, own_request_id("reopen", request), rule))


# --- what the routes have in common


def changed(
    ticket_id: str, action: str, request: ChangeRequest, rule: Rule, *, anybody: bool = False
) -> TicketView:
    """Make a change of a ticket that is the caller's own, unless they are more than that."""

    def permitted(ticket: Ticket, at: str) -> Change:
        if not anybody:
            must_be_theirs(ticket)
        return rule(ticket, at)

    request_id = own_request_id(action, request)
    return shown(act(ticket_id, request.version, request_id, permitted))


def must_be_theirs(ticket: Ticket) -> None:
    if api.caller.roles & {"supervisor", "service"}:
        return
    if ticket.assignee != api.caller.subject:
        raise Problem(403, "not-yours", "This ticket is not yours; a supervisor can change it.")


def own_request_id(action: str, request: ChangeRequest) -> str | None:
    """The same for the same key, action and body."""
    key = api.idempotency_key()
    return request_id_of(api.caller.subject, key, action, request.model_dump_json())


def time_of(request: PendingRequest) -> str | None:
    try:
        return format_time(request.until) if request.until else None
    except (OverflowError, ValueError) as error:
        raise Problem(422, "invalid-request", "The time is out of all bounds.") from error


def shown(ticket: Ticket) -> TicketView:
    return ticket_view(ticket, link_to(ticket.call))


def link_to(call: Call | None) -> str | None:
    """Where whoever reads the ticket can read the call's redacted analysis, for some minutes."""
    if call is None:
        return None
    return s3_links().generate_presigned_url(
        "get_object",
        Params={"Bucket": call.analysis_bucket, "Key": call.analysis_key},
        ExpiresIn=LINK_SECONDS,
    )


def queue_view(stored: StoredQueue) -> QueueView:
    settings = stored.queue.model_dump(exclude={"name"})
    return QueueView.model_validate(
        {"name": stored.queue.name, "version": stored.version, "settings": settings}
    )


def known_queue(name: str, status: int = 404) -> StoredQueue:
    stored = get_queue(name)
    if stored is None:
        raise Problem(status, "unknown-queue", "There is no queue of this name.")
    return stored


def known_representative(representative_id: str) -> Representative:
    found = get_representative(representative_id)
    if found is None:
        raise Problem(404, "unknown-representative", "There is no representative with this id.")
    return found


def stored_profile(representative_id: str, profile: Profile, version: int) -> RepresentativeView:
    """Store a profile; whoever has room now gets what waits."""
    stored = put_profile(representative_id, profile, version)
    if stored is None:
        stored = get_representative(representative_id)
        if stored is None or (stored.version, profile_of(stored)) != (version + 1, profile):
            raise stale(stored.version if stored else 0)
    assign_freed()
    return shown_representative(stored)


def shown_representative(one: Representative) -> RepresentativeView:
    return representative_view(one, one.is_there(now()))


def stale(version: int) -> Problem:
    return Problem(
        409, "stale-version", "It has changed meanwhile; read it again.", version=version
    )
