"""What people and the machine make of a ticket. Each rule gives a Change, or raises NotPossible.

`at` is when it happens, as shared.times writes it; `by` is a person's id, or `workflow`.
"""

from datetime import timedelta
from typing import Any, Literal

from shared.times import format_time, parse_time
from tickets.rules import sla
from tickets.rules.business_hours import after_open_seconds, next_open
from tickets.rules.notices import (
    clocks_in_words,
    numbered,
    time_in_words,
    to_assignee,
    to_customer,
    to_managers,
)
from tickets.rules.pauses import Pause
from tickets.rules.queue import Queue
from tickets.rules.ticket import (
    HELD,
    OPEN,
    WAITS_FOR_SOMEBODY,
    Call,
    Change,
    ClockKind,
    Contact,
    Entry,
    Happening,
    Notice,
    NotPossible,
    Outcome,
    Priority,
    State,
    Summary,
    Ticket,
)

WORKFLOW = "workflow"
NOT_IN_TIME = "not resolved in time"
type Next = Literal["assign", "work", "close", "escalate", "end"]
"""Where the machine goes with a ticket."""

_FREE: dict[str, None] = {"assignee": None, "return_at": None, "pending_until": None}
"""What a ticket says that nobody has."""


class Story:
    """A change in the making: what the ticket is so far, and what is told of it."""

    def __init__(self, before: Ticket, at: str, by: str) -> None:
        self.before = before
        self.ticket = before
        self.at = at
        self.by = by
        self.entries: list[Entry] = []
        self.notices: list[Notice] = []

    def set(self, **values: Any) -> None:
        self.ticket = self.ticket.updated(**values)

    def tell(
        self, event: Happening, was: str | None = None, now: str | None = None, **more: Any
    ) -> None:
        said = {"at": self.at, "by": self.by, "event": event, "before": was, "after": now}
        self.entries.append(Entry.model_validate(said | more))

    def move(self, event: Happening, state: State, text: str | None = None, **values: Any) -> None:
        """Give the ticket another state, and tell it."""
        self.tell(event, self.ticket.state, state, text=text)
        self.set(state=state, **values)

    def change(self) -> Change:
        version = self.before.version + 1
        return Change(
            before=self.before,
            after=self.ticket.updated(version=version),
            entries=tuple(self.entries),
            notices=tuple(numbered(self.notices, version)),
        )


# --- the machine


def opened(
    ticket: Ticket,
    queue: Queue,
    at: str,
    *,
    contact: Contact | None = None,
    call: Call | None = None,
    **values: Any,
) -> Change | None:
    """Start the clocks, which count from when the ticket was created, and tell the customer.

    `queue` is where it goes, `values` is what else was found out.
    """
    if ticket.state != "NEW":
        return None
    story = Story(ticket, at, WORKFLOW)
    story.move(
        *("opened", "QUEUED"),
        queue=queue.name,
        contact=contact or ticket.contact,
        call=call or ticket.call,
        **values,
    )
    story.ticket = sla.started(story.ticket, queue, ticket.created_at, "first_response", "solution")
    story.notices += to_customer(story.ticket, "case_opened", subject=ticket.subject)
    return story.change()


def waits(ticket: Ticket, at: str) -> Change | None:
    """Nobody is free: the ticket waits in its queue."""
    if ticket.state != "QUEUED":
        return None
    story = Story(ticket, at, WORKFLOW)
    story.move("waits", "WAITING")
    return story.change()


def assigned(ticket: Ticket, queue: Queue, representative_id: str, at: str) -> Change | None:
    """Offer the ticket to a representative, who has the queue's return time to react."""
    if ticket.state not in WAITS_FOR_SOMEBODY or ticket.escalating is not None:
        return None
    story = Story(ticket, at, WORKFLOW)
    _offer(story, queue, representative_id, "assigned")
    return story.change()


def review(ticket: Ticket, queue: Queue, at: str) -> Change | None:
    """Let happen what time has brought: warnings, breaches, returns; None where it has not."""
    story = Story(ticket, at, WORKFLOW)
    if ticket.state in OPEN:
        _retarget(story, queue)
        _take_back(story)
        _end_pending(story, queue)
        _warn(story, queue)
        _breach(story, queue)
    _page(story, queue)
    return story.change() if story.entries else None


def escalated(ticket: Ticket, queue: Queue, at: str) -> Change | None:
    """Hand the ticket to the next tier, with clocks of its own; behind the top one nobody is."""
    if ticket.escalating is None or ticket.state not in OPEN:
        return None
    story = Story(ticket, at, WORKFLOW)
    if ticket.tier >= len(queue.tiers):
        _exhaust(story, queue)
        return story.change()
    story.tell(
        "escalated", f"tier {ticket.tier}", f"tier {ticket.tier + 1}", text=ticket.escalating
    )
    story.ticket = sla.resumed(story.ticket, queue, at)
    story.set(
        state="QUEUED",
        tier=ticket.tier + 1,
        escalating=None,
        declined_by=(),
        returned_by=(),
        **_FREE,
    )
    story.ticket = sla.started(story.ticket, queue, at, *sla.running(story.ticket))
    return story.change()


def closed(ticket: Ticket, queue: Queue, at: str) -> Change | None:
    """Close what was resolved: store the summary, inform the customer."""
    if ticket.state != "RESOLVED":
        return None
    story = Story(ticket, at, WORKFLOW)
    until = parse_time(at) + timedelta(seconds=queue.reopen_seconds)
    story.move("closed", "CLOSED", closed_at=at, reopen_until=format_time(until))
    story.set(summary=summary_of(story.ticket))
    story.notices += to_customer(story.ticket, "case_closed", text=ticket.resolution or "-")
    return story.change()


def workflow_failed(ticket: Ticket, at: str, failed_state: str, error: str, cause: str) -> Change:
    """Say that the machine broke off; it is started again by itself."""
    story = Story(ticket, at, WORKFLOW)
    story.tell("workflow_failed", failed_state, None, text=f"{error}: {cause}"[:1000])
    return story.change()


# --- people


def accepted(ticket: Ticket, at: str, by: str) -> Change:
    _require(ticket, {"ASSIGNED"}, "Only a ticket that is offered to somebody can be accepted")
    if by != ticket.assignee:
        raise NotPossible("Only whoever it is offered to can accept it.")
    story = Story(ticket, at, by)
    story.move("accepted", "IN_PROGRESS", return_at=None)
    return story.change()


def commented(ticket: Ticket, queue: Queue, at: str, by: str, text: str, public: bool) -> Change:
    """Note something; a public comment goes to the customer, and counts as news for the clocks."""
    if public:
        _require(ticket, OPEN, "The customer is not written to any more")
    story = Story(ticket, at, by)
    story.tell("commented", text=text, public=public)
    if public:
        _answer_customer(story, queue, text)
    return story.change()


def pended(ticket: Ticket, queue: Queue, at: str, by: str, text: str, until: str | None) -> Change:
    """Ask the customer something, and stop the clocks until they answer."""
    _require(ticket, {"IN_PROGRESS"}, "Only a ticket in progress can wait for the customer")
    latest = format_time(parse_time(at) + timedelta(seconds=queue.pending_seconds))
    if until is not None and not at < until <= latest:
        raise NotPossible(f"It can wait for the customer until {latest} at most.")
    story = Story(ticket, at, by)
    story.move("pending", "PENDING", text, pending_until=until or latest)
    _answer_customer(story, queue, text)
    story.ticket = sla.paused(story.ticket, queue, at)
    return story.change()


def resumed(ticket: Ticket, queue: Queue, at: str, by: str, text: str | None) -> Change:
    """The customer has answered: the clocks go on."""
    _require(ticket, {"PENDING"}, "Only a ticket that waits for the customer can be resumed")
    story = Story(ticket, at, by)
    _resume(story, queue, "resumed", text, at)
    return story.change()


def resolved(ticket: Ticket, queue: Queue, at: str, by: str, text: str) -> Change:
    _require(ticket, OPEN, "Only an open ticket can be resolved")
    story = Story(ticket, at, by)
    _breach(story, queue)
    story.ticket = sla.resumed(story.ticket, queue, at)
    story.ticket = sla.stopped(story.ticket, queue, at, *sla.KINDS)
    story.move(
        "resolved",
        "RESOLVED",
        text,
        resolution=text,
        resolved_at=at,
        resolved_by=by,
        escalating=None,
        **_FREE,
    )
    return story.change()


def declined(ticket: Ticket, queue: Queue, at: str, by: str, reason: str) -> Change:
    """Give the ticket back; it is not offered to this person again on this tier."""
    _require(ticket, HELD, "Only a ticket that somebody has can be declined")
    story = Story(ticket, at, by)
    story.ticket = sla.resumed(story.ticket, queue, at)
    gave_back = _with(ticket.declined_by, ticket)
    story.move("declined", "QUEUED", reason, declined_by=gave_back, **_FREE)
    return story.change()


def escalation_asked(ticket: Ticket, queue: Queue, at: str, by: str, reason: str) -> Change:
    _require(ticket, OPEN, "Only an open ticket can be escalated")
    if ticket.tier >= len(queue.tiers):
        raise NotPossible("There is no tier above this one; decline it, or ask a supervisor.")
    story = Story(ticket, at, by)
    story.tell("escalation_asked", text=reason)
    story.set(escalating=reason)
    return story.change()


def reassigned(
    ticket: Ticket, queue: Queue, at: str, by: str, representative_id: str | None, reason: str
) -> Change:
    """Offer the ticket to somebody else, or put it back into its queue."""
    _require(ticket, OPEN, "Only an open ticket can be reassigned")
    if representative_id == ticket.assignee:
        raise NotPossible("That is who has it already.")
    story = Story(ticket, at, by)
    story.ticket = sla.resumed(story.ticket, queue, at)
    if representative_id is None:
        story.tell("reassigned", ticket.assignee, None, text=reason)
        story.set(state="QUEUED", returned_by=_with(ticket.returned_by, ticket), **_FREE)
    else:
        _offer(story, queue, representative_id, "reassigned", reason)
    return story.change()


def reclassified(
    ticket: Ticket,
    queue: Queue,
    at: str,
    by: str,
    *,
    priority: Priority | None = None,
    skills: tuple[str, ...] | None = None,
) -> Change:
    """Give the ticket another priority, skills or queue (`queue` is the new one); the clocks keep
    when they started and every pause, and count against the new targets.
    """
    _require(ticket, OPEN, "Only an open ticket can be changed")
    story = Story(ticket, at, by)
    if priority is not None and priority != ticket.priority:
        story.tell("priority_changed", ticket.priority, priority)
        story.set(priority=priority)
    if queue.name != ticket.queue:
        story.tell("queue_changed", ticket.queue, queue.name)
        story.set(queue=queue.name, tier=min(ticket.tier, len(queue.tiers)))
    if skills is not None and skills != ticket.required_skills:
        story.tell("skills_changed", " ".join(ticket.required_skills), " ".join(skills))
        story.set(required_skills=skills)
    if not story.entries:
        raise NotPossible("It is like that already.")
    story.ticket = sla.retargeted(story.ticket, queue)
    _forgive(story, ticket)
    if ticket.state == "WAITING":
        story.set(state="QUEUED")
    return story.change()


def merged(ticket: Ticket, into: Ticket, queue: Queue, at: str, by: str) -> tuple[Change, Change]:
    """Let a ticket go on as another one of the same customer: what becomes of both."""
    _require(ticket, OPEN, "Only an open ticket can be merged")
    _require(into, OPEN, "It can only be merged into an open ticket")
    if ticket.ticket_id == into.ticket_id:
        raise NotPossible("A ticket cannot be merged into itself.")
    if not _same_person(ticket, into):
        raise NotPossible("The two are not known to be of the same customer.")
    story, other = Story(ticket, at, by), Story(into, at, by)
    story.ticket = sla.resumed(story.ticket, queue, at)
    story.ticket = sla.stopped(story.ticket, queue, at, *sla.KINDS)
    story.set(escalating=None)
    story.move("merged", "MERGED", f"into {into.number}", merged_into=into.ticket_id, **_FREE)
    story.notices += to_customer(story.ticket, "case_update", status=f"continued as {into.number}")
    other.tell("merged", ticket.ticket_id, into.ticket_id, text=f"{ticket.number} goes on here")
    return story.change(), other.change()


def reopened(ticket: Ticket, queue: Queue, at: str, by: str, reason: str) -> Change:
    """Take up a closed ticket again: the time since it was resolved counts as a pause. What the top
    tier did not resolve begins anew there.
    """
    _require(ticket, {"CLOSED", "EXHAUSTED"}, "Only a ticket that has ended can be reopened")
    if ticket.state == "CLOSED" and at > (ticket.reopen_until or ""):
        raise NotPossible(
            f"It could be reopened until {ticket.reopen_until}; open a new ticket that follows it."
        )
    story = Story(ticket, at, by)
    story.move(
        "reopened",
        "QUEUED",
        reason,
        declined_by=(),
        returned_by=(),
        preferred=ticket.resolved_by,
        cause=None,
        closed_at=None,
        reopen_until=None,
        summary=None,
    )
    if ticket.state == "CLOSED":
        story.ticket = _going_on(story.ticket, queue, at)
    else:
        story.ticket = sla.started(story.ticket, queue, at, *sla.running(story.ticket))
    story.notices += to_customer(story.ticket, "case_update", status="open again")
    return story.change()


# --- what the machine does next


def next_of(ticket: Ticket) -> Next:
    """Where the machine goes with the ticket as it is."""
    if ticket.state == "RESOLVED":
        return "close"
    if ticket.state not in OPEN:
        return "end"
    if ticket.escalating is not None:
        return "escalate"
    return "assign" if ticket.state == "QUEUED" else "work"


def wake_at(ticket: Ticket) -> str | None:
    """When time will bring something, if nobody does anything before."""
    times = [ticket.return_at, ticket.pending_until, ticket.page_at, sla.next_event(ticket)]
    return min((moment for moment in times if moment), default=None)


def summary_of(ticket: Ticket) -> Summary:
    return Summary(
        resolution=ticket.resolution,
        resolved_by=ticket.resolved_by,
        tier=ticket.tier,
        pauses=len(ticket.pauses),
        clocks={
            kind: Outcome(
                target_seconds=clock.target_seconds,
                due_at=clock.due_at,
                done_at=clock.stopped_at,
                kept=clock.breached_at is None,
            )
            for kind, clock in ticket.clocks.items()
        },
    )


# --- parts of the rules


def _require(ticket: Ticket, states: set[State] | frozenset[State], otherwise: str) -> None:
    if ticket.state not in states:
        raise NotPossible(f"{otherwise}; this one is {ticket.state}.")


def _same_person(one: Ticket, other: Ticket) -> bool:
    """Whether two tickets are of one customer, or of one whose address is the same."""
    if one.customer_id or other.customer_id:
        return one.customer_id == other.customer_id
    return (
        one.contact is not None
        and other.contact is not None
        and (one.contact.email, one.contact.phone) != (None, None)
        and (one.contact.email, one.contact.phone) == (other.contact.email, other.contact.phone)
    )


def _offer(
    story: Story, queue: Queue, representative_id: str, event: Happening, reason: str | None = None
) -> None:
    story.tell(event, story.ticket.assignee, representative_id, text=reason)
    return_at = after_open_seconds(queue.calendar, parse_time(story.at), queue.return_seconds)
    story.set(
        state="ASSIGNED",
        assignee=representative_id,
        return_at=format_time(return_at),
        pending_until=None,
    )
    story.notices += to_assignee(
        story.ticket,
        "case_assigned",
        priority=story.ticket.priority,
        due=time_in_words(story.ticket.due_at),
    )


def _answer_customer(story: Story, queue: Queue, text: str) -> None:
    """The customer hears from us: that is the first response, or the promised news."""
    _breach(story, queue)
    story.notices += to_customer(story.ticket, "case_message", text=text)
    story.ticket = sla.stopped(story.ticket, queue, story.at, "first_response")
    story.ticket = sla.started(story.ticket, queue, story.at, "update")


def _resume(story: Story, queue: Queue, event: Happening, text: str | None, at: str) -> None:
    story.move(event, "IN_PROGRESS", text, pending_until=None)
    story.ticket = sla.resumed(story.ticket, queue, at)


def _retarget(story: Story, queue: Queue) -> None:
    """The queue's settings may have changed since."""
    before, after = story.ticket, sla.retargeted(story.ticket, queue)
    if after != before:
        story.tell("clocks_moved", before.due_at, after.due_at)
        story.ticket = after
        _forgive(story, before)


def _forgive(story: Story, before: Ticket) -> None:
    """Let go what was to follow from breaches that new targets have just made none."""
    ticket = story.ticket
    forgiven = [
        kind for kind in sla.KINDS if _is_breached(before, kind) and not _is_breached(ticket, kind)
    ]
    paging = tuple(news for news in ticket.paging if news not in map(_late, forgiven))
    story.set(paging=paging, page_at=ticket.page_at if paging else None)
    if ticket.escalating == NOT_IN_TIME and "solution" in forgiven:
        story.set(escalating=None)


def _is_breached(ticket: Ticket, kind: ClockKind) -> bool:
    clock = ticket.clocks.get(kind)
    return clock is not None and clock.breached_at is not None


def _late(kind: ClockKind) -> str:
    return f"the {clocks_in_words([kind])} is late"


def _take_back(story: Story) -> None:
    ticket = story.ticket
    if ticket.state != "ASSIGNED" or not ticket.return_at or story.at < ticket.return_at:
        return
    story.tell("returned", ticket.assignee, None, text="no reaction within the return time")
    story.set(state="QUEUED", returned_by=_with(ticket.returned_by, ticket), **_FREE)


def _with(representatives: tuple[str, ...], ticket: Ticket) -> tuple[str, ...]:
    """These, and whoever has the ticket; each once."""
    return tuple(dict.fromkeys((*representatives, *filter(None, [ticket.assignee]))))


def _end_pending(story: Story, queue: Queue) -> None:
    ticket = story.ticket
    if ticket.state == "PENDING" and ticket.pending_until and story.at >= ticket.pending_until:
        text, until = "the customer has not answered", ticket.pending_until
        _resume(story, queue, "no_answer", text, until)


def _warn(story: Story, queue: Queue) -> None:
    for kind in sla.due_for_warning(story.ticket, story.at):
        due = story.ticket.clocks[kind].due_at
        story.tell("sla_warning", kind, due)
        story.ticket = sla.marked(story.ticket, kind, warned_at=story.at)
        words = {"clock": clocks_in_words([kind]), "due": time_in_words(due)}
        story.notices += to_assignee(story.ticket, "case_warning", **words)
        if story.ticket.assignee is None:
            news = f"nobody has it, and the {words['clock']} is due at {words['due']}"
            _ask_for_page(story, queue, news)


def _breach(story: Story, queue: Queue) -> None:
    """A breached promise is for the managers; without a solution in time the next tier follows."""
    for kind in sla.due_for_breach(story.ticket, story.at):
        story.tell("sla_breach", kind, story.ticket.clocks[kind].due_at, by=WORKFLOW)
        story.ticket = sla.marked(story.ticket, kind, breached_at=story.at)
        _ask_for_page(story, queue, _late(kind))
        if kind == "solution":
            story.set(escalating=NOT_IN_TIME)


def _ask_for_page(story: Story, queue: Queue, news: str) -> None:
    """Nobody is paged outside of the on-call hours: what there is to tell waits until then."""
    at = format_time(next_open(queue.on_call, parse_time(story.at)))
    story.set(paging=(*story.ticket.paging, news), page_at=at)


def _page(story: Story, queue: Queue) -> None:
    ticket = story.ticket
    if not ticket.page_at:
        return
    opens_at = format_time(next_open(queue.on_call, parse_time(story.at)))
    if opens_at > story.at:
        if opens_at != ticket.page_at:
            story.tell("page_moved", ticket.page_at, opens_at)
            story.set(page_at=opens_at)
        return
    news = "; ".join(dict.fromkeys(ticket.paging))
    story.tell("manager_paged", text=news)
    story.notices += to_managers(ticket, queue, news)
    story.set(paging=(), page_at=None)


def _exhaust(story: Story, queue: Queue) -> None:
    """The top tier did not do it: the ticket says so, and whoever manages the queue."""
    tier = story.ticket.tier
    cause = f"Engage Tier {tier + 1} Support: no tier has resolved case {story.ticket.number}."
    story.ticket = sla.resumed(story.ticket, queue, story.at)
    story.move("escalation_exhausted", "EXHAUSTED", cause, cause=cause, escalating=None, **_FREE)
    _ask_for_page(story, queue, cause)
    _page(story, queue)


def _going_on(ticket: Ticket, queue: Queue, at: str) -> Ticket:
    """The clocks go on as if the time since the resolution had been the customer's; a solution that
    was late is promised anew.
    """
    pauses = ticket.pauses
    if ticket.resolved_at:
        ended_at = max(at, ticket.resolved_at)
        pauses = (*pauses, Pause(began_at=ticket.resolved_at, ended_at=ended_at))
    after = ticket.updated(pauses=pauses, resolution=None, resolved_at=None, resolved_by=None)
    if _is_breached(ticket, "solution"):
        return sla.started(after, queue, at, "solution", "update")
    solution = ticket.clocks["solution"].model_copy(update={"stopped_at": None})
    after = after.updated(clocks={**ticket.clocks, "solution": solution})
    return sla.started(after, queue, at, "update")
