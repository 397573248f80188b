"""What holds of a ticket in whatever order people, the machine and time do what they do to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import event, given, settings
from hypothesis import strategies as st

from communications.rules.templates import check_fields
from shared.times import format_time, parse_time
from tickets.rules import lifecycle, sla
from tickets.rules.business_hours import AROUND_THE_CLOCK
from tickets.rules.lifecycle import NotPossible
from tickets.rules.queue import Queue
from tickets.rules.ticket import ENDED, HELD, OPEN, Change, Ticket

from .calendars import every_day, office
from .factories import HOUR, NOW, any_queue, any_ticket, any_tier

PEOPLE = ("sarah.k", "peter.m", "mary.b")
ANN = "ann.b"

ON_CALL = every_day(("07:00", "22:00"))
QUEUES = (
    any_queue(on_call=ON_CALL),
    any_queue(name="returns", calendar=office(), on_call=ON_CALL, managers=()),
    any_queue(name="silent", tiers=(any_tier(update=None, solution=5 * HOUR),) * 3),
)


@dataclass
class Story:
    """A ticket, where it is, when it is, and all that became of it."""

    ticket: Ticket
    queue: Queue
    moment: datetime
    changes: list[Change]

    @property
    def at(self):
        return format_time(self.moment)

    def let_pass(self, seconds):
        if seconds != UNTIL_WOKEN:
            self.moment += timedelta(seconds=seconds)
        elif wake_at := lifecycle.wake_at(self.ticket):
            self.moment = max(self.moment, parse_time(wake_at))

    def take(self, change):
        if change is not None:
            self.changes.append(change)
            self.ticket = change.after


ACTIONS = {
    "open": lambda s, n: lifecycle.opened(s.ticket, s.queue, s.at),
    "wait": lambda s, n: lifecycle.waits(s.ticket, s.at),
    "assign": lambda s, n: lifecycle.assigned(s.ticket, s.queue, PEOPLE[n], s.at),
    "review": lambda s, n: lifecycle.review(s.ticket, s.queue, s.at),
    "escalate": lambda s, n: lifecycle.escalated(s.ticket, s.queue, s.at),
    "close": lambda s, n: lifecycle.closed(s.ticket, s.queue, s.at),
    "fail": lambda s, n: lifecycle.workflow_failed(s.ticket, s.at, "Review Case", "Any", "any"),
    "accept": lambda s, n: lifecycle.accepted(s.ticket, s.at, s.ticket.assignee or ANN),
    "note": lambda s, n: lifecycle.commented(s.ticket, s.queue, s.at, ANN, "any", False),
    "write": lambda s, n: lifecycle.commented(s.ticket, s.queue, s.at, ANN, "any", True),
    "ask": lambda s, n: lifecycle.pended(s.ticket, s.queue, s.at, ANN, "any", None),
    "answer": lambda s, n: lifecycle.resumed(s.ticket, s.queue, s.at, ANN, None),
    "resolve": lambda s, n: lifecycle.resolved(s.ticket, s.queue, s.at, ANN, "any"),
    "decline": lambda s, n: lifecycle.declined(s.ticket, s.queue, s.at, ANN, "any"),
    "complain": lambda s, n: lifecycle.escalation_asked(s.ticket, s.queue, s.at, ANN, "any"),
    "give": lambda s, n: lifecycle.reassigned(s.ticket, s.queue, s.at, ANN, PEOPLE[n], "any"),
    "put back": lambda s, n: lifecycle.reassigned(s.ticket, s.queue, s.at, ANN, None, "any"),
    "change": lambda s, n: lifecycle.reclassified(
        s.ticket, s.queue, s.at, ANN, priority=("urgent", "normal", "low")[n]
    ),
    "move": lambda s, n: moved(s, QUEUES[n]),
    "merge": lambda s, n: lifecycle.merged(
        s.ticket, any_ticket(ticket_id="any-other"), s.queue, s.at, ANN
    )[0],
    "reopen": lambda s, n: lifecycle.reopened(s.ticket, s.queue, s.at, ANN, "any"),
}


def moved(story, queue):
    change = lifecycle.reclassified(story.ticket, queue, story.at, ANN)
    story.queue = queue
    return change


USUAL = (
    *("review", "review", "assign", "accept", "ask", "answer"),
    *("escalate", "resolve", "close", "reopen"),
)
"""What is drawn more often, so that more than one thing becomes of a ticket."""
UNTIL_WOKEN = -1
"""Instead of seconds: until time brings something."""
actions = st.tuples(
    st.sampled_from([*ACTIONS, *USUAL, *USUAL]),
    st.integers(0, 2),
    st.sampled_from([UNTIL_WOKEN, UNTIL_WOKEN, 0, 1, 60, 900, 3 * HOUR, 26 * HOUR]),
)
in_any_order = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def stories(draw, queues=QUEUES):
    """A ticket that is opened, and then whatever is allowed of what was drawn."""
    story = Story(any_ticket("NEW"), draw(st.sampled_from(queues)), NOW, [])
    story.ticket = story.ticket.updated(queue=story.queue.name)
    story.take(ACTIONS["open"](story, 0))
    for name, number, seconds in draw(st.lists(actions, max_size=30)):
        story.let_pass(seconds)
        try:
            story.take(ACTIONS[name](story, number))
        except NotPossible:
            event("refused")
    event(story.ticket.state)
    return story


@given(stories())
@in_any_order
def test_every_change_is_the_next_version_and_is_told(story):
    versions = [(change.before.version, change.after.version) for change in story.changes]

    assert versions == [(number, number + 1) for number in range(1, len(versions) + 1)]
    assert all(change.entries for change in story.changes)
    assert all(change.before != change.after for change in story.changes)


@given(stories())
@in_any_order
def test_somebody_has_a_ticket_just_while_it_is_offered_in_progress_or_pending(story):
    for change in story.changes:
        ticket = change.after
        assert (ticket.assignee is not None) is (ticket.state in HELD)
        assert (ticket.return_at is not None) is (ticket.state == "ASSIGNED")
        assert (ticket.pending_until is not None) is (ticket.state == "PENDING")


@given(stories())
@in_any_order
def test_the_clocks_stand_still_just_while_the_customer_is_asked(story):
    for change in story.changes:
        ticket = change.after
        standing = [pause for pause in ticket.pauses if pause.ended_at is None]
        assert len(standing) == (ticket.state == "PENDING")
        assert ticket.is_paused is (ticket.state == "PENDING")


@given(stories())
@in_any_order
def test_pauses_follow_one_another(story):
    pauses = story.ticket.pauses

    assert all(early.ended_at <= late.began_at for early, late in pairwise(pauses))


@given(stories())
@in_any_order
def test_a_state_has_just_what_belongs_to_it(story):
    for change in story.changes:
        ticket = change.after
        assert (ticket.resolution is not None) is (ticket.state in ("RESOLVED", "CLOSED"))
        assert (ticket.reopen_until is not None) is (ticket.state == "CLOSED")
        assert (ticket.summary is not None) is (ticket.state == "CLOSED")
        assert (ticket.cause is not None) is (ticket.state == "EXHAUSTED")
        assert (ticket.merged_into is not None) is (ticket.state == "MERGED")
        assert ticket.escalating is None or ticket.state in OPEN
        assert 1 <= ticket.tier <= 3


@given(stories())
@in_any_order
def test_a_clock_runs_in_an_open_ticket_and_in_none_that_is_done(story):
    for change in story.changes:
        ticket, running = change.after, sla.running(change.after)
        if ticket.state in OPEN:
            assert "solution" in running
        elif ticket.state != "EXHAUSTED":
            assert running == {}
        dues = [clock.due_at for clock in running.values() if clock.due_at]
        assert ticket.due_at == min(dues, default=None)


def seconds(text):
    return int(parse_time(text).timestamp())


@given(stories(queues=[queue for queue in QUEUES if queue.calendar == AROUND_THE_CLOCK]))
@in_any_order
def test_what_the_customer_takes_never_counts_for_the_solution(story):
    """Second by second would be the same: the clock counts what lies between the pauses."""
    for change in story.changes:
        clock = change.after.clocks["solution"]
        if clock.due_at is None or change.after.queue == "returns":
            continue
        begin, due = seconds(clock.started_at), seconds(clock.due_at)
        taken = sum(
            max(
                0,
                min(due, seconds(pause.ended_at or "9999-01-01T00:00:00Z"))
                - max(begin, seconds(pause.began_at)),
            )
            for pause in change.after.pauses
        )
        assert due - begin - taken == clock.target_seconds


@given(stories())
@in_any_order
def test_the_machine_always_knows_where_to_go_with_a_ticket(story):
    for change in story.changes:
        ticket = change.after
        following = lifecycle.next_of(ticket)
        assert (following == "end") is (ticket.state in ENDED)
        assert (following == "close") is (ticket.state == "RESOLVED")
        assert (following in ("assign", "work", "escalate")) is (ticket.state in OPEN)


@given(stories(), st.sampled_from([0, 1, 900, 26 * HOUR, 400 * HOUR]))
@in_any_order
def test_after_a_review_nothing_is_left_that_time_has_brought(story, seconds):
    story.moment += timedelta(seconds=seconds)

    story.take(lifecycle.review(story.ticket, story.queue, story.at))

    assert lifecycle.review(story.ticket, story.queue, story.at) is None
    if story.ticket.state in OPEN:
        assert (lifecycle.wake_at(story.ticket) or "9999") > story.at


@given(stories(), st.sampled_from([900, 26 * HOUR, 400 * HOUR]))
@in_any_order
def test_nothing_happens_between_a_review_and_when_the_machine_wakes(story, seconds):
    story.take(lifecycle.review(story.ticket, story.queue, story.at))
    wake_at = lifecycle.wake_at(story.ticket) or "9999"
    just_before = min(
        story.moment + timedelta(seconds=seconds),
        datetime.max.replace(tzinfo=NOW.tzinfo)
        if wake_at == "9999"
        else parse_time(wake_at) - timedelta(seconds=1),
    )

    change = lifecycle.review(story.ticket, story.queue, format_time(just_before))

    assert change is None


@given(stories())
@in_any_order
def test_a_ticket_that_is_let_run_comes_to_an_end_or_waits_for_a_person(story):
    """Reviewed whenever the machine wakes, and escalated when it says so."""
    for _ in range(200):
        following = lifecycle.next_of(story.ticket)
        if following == "escalate":
            story.take(lifecycle.escalated(story.ticket, story.queue, story.at))
        elif following == "assign":
            story.take(lifecycle.waits(story.ticket, story.at))
        elif following == "close":
            story.take(lifecycle.closed(story.ticket, story.queue, story.at))
        elif following == "end" or lifecycle.wake_at(story.ticket) is None:
            break
        else:
            story.let_pass(UNTIL_WOKEN)
            story.take(lifecycle.review(story.ticket, story.queue, story.at))

    assert story.ticket.state in ENDED


@given(stories())
@in_any_order
def test_every_notice_has_an_id_of_its_own(story):
    ids = [notice.notice_id for change in story.changes for notice in change.notices]

    assert len(ids) == len(set(ids))


@given(stories())
@in_any_order
def test_every_notice_fits_its_template(story):
    for change in story.changes:
        for notice in change.notices:
            if notice.channel == "alert":
                continue
            name = {"name": "Sarah"} if notice.representative_id else {}
            check_fields(notice.template, notice.channel, name | notice.fields)
