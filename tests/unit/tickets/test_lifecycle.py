"""What people and the machine make of a ticket, and what the history says of it.

What time brings is in test_review.py, what holds in any order in test_lifecycle_in_any_order.py.
"""

import pytest

from tickets.rules import lifecycle, sla
from tickets.rules.lifecycle import NotPossible
from tickets.rules.pauses import Pause
from tickets.rules.queue import GENERAL
from tickets.rules.ticket import ENDED, HELD, OPEN, WAITS_FOR_SOMEBODY, Call, Contact, Source

from .calendars import every_day, office
from .factories import (
    AT,
    CONTACT,
    HOUR,
    ID,
    NUMBER,
    STATES,
    any_clock,
    any_queue,
    any_ticket,
    any_tier,
    at,
)

QUEUE = any_queue()
THEN = at(hours=1)
"""When most of what these tests do happens."""
OTHER = {"ticket_id": "any-other", "number": "20260302-0002"}

ONE_TIER = any_queue(tiers=(any_tier(),))
NOBODY = {"assignee": None, "return_at": None, "pending_until": None}


def told(change):
    """What the history says: what happened, from what, to what."""
    return [(entry.event, entry.before, entry.after) for entry in change.entries]


def sent(change):
    return [(notice.template, notice.channel) for notice in change.notices]


def has(ticket, **values):
    """Whether the ticket has all these values."""
    return {name: getattr(ticket, name) for name in values} == values


# --- which state allows what


BY_THE_MACHINE = {
    "opened": ({"NEW"}, lambda it: lifecycle.opened(it, QUEUE, THEN)),
    "waits": ({"QUEUED"}, lambda it: lifecycle.waits(it, THEN)),
    "assigned": (
        WAITS_FOR_SOMEBODY,
        lambda it: lifecycle.assigned(it, QUEUE, "peter.m", THEN),
    ),
    "escalated": (
        OPEN,
        lambda it: lifecycle.escalated(it.updated(escalating="any"), QUEUE, THEN),
    ),
    "closed": ({"RESOLVED"}, lambda it: lifecycle.closed(it, QUEUE, THEN)),
    "workflow_failed": (
        set(STATES),
        lambda it: lifecycle.workflow_failed(it, THEN, "Open Case", "KeyError", "any"),
    ),
}
BY_PEOPLE = {
    "accepted": (
        {"ASSIGNED"},
        lambda it: lifecycle.accepted(it.updated(assignee="ann.b"), THEN, "ann.b"),
    ),
    "noted": (
        set(STATES),
        lambda it: lifecycle.commented(it, QUEUE, THEN, "ann.b", "any text", False),
    ),
    "commented": (
        OPEN,
        lambda it: lifecycle.commented(it, QUEUE, THEN, "ann.b", "any text", True),
    ),
    "pended": (
        {"IN_PROGRESS"},
        lambda it: lifecycle.pended(it, QUEUE, THEN, "ann.b", "any text", None),
    ),
    "resumed": ({"PENDING"}, lambda it: lifecycle.resumed(it, QUEUE, THEN, "ann.b", "any text")),
    "resolved": (OPEN, lambda it: lifecycle.resolved(it, QUEUE, THEN, "ann.b", "any text")),
    "declined": (HELD, lambda it: lifecycle.declined(it, QUEUE, THEN, "ann.b", "any text")),
    "escalation_asked": (
        OPEN,
        lambda it: lifecycle.escalation_asked(it, QUEUE, THEN, "ann.b", "any text"),
    ),
    "reassigned": (
        OPEN,
        lambda it: lifecycle.reassigned(it, QUEUE, THEN, "ann.b", "peter.m", "any text"),
    ),
    "put back": (
        OPEN,
        lambda it: lifecycle.reassigned(
            it.updated(assignee="sarah.k"), QUEUE, THEN, "ann.b", None, "any text"
        ),
    ),
    "reclassified": (
        OPEN,
        lambda it: lifecycle.reclassified(it, QUEUE, THEN, "ann.b", priority="low"),
    ),
    "merged": (
        OPEN,
        lambda it: lifecycle.merged(it, any_ticket(**OTHER), QUEUE, THEN, "ann.b")[0],
    ),
    "merged into": (
        OPEN,
        lambda it: lifecycle.merged(any_ticket(**OTHER), it, QUEUE, THEN, "ann.b")[1],
    ),
    "reopened": (
        {"CLOSED", "EXHAUSTED"},
        lambda it: lifecycle.reopened(it, QUEUE, THEN, "ann.b", "any text"),
    ),
}


def cases(rules, *, allowed):
    return [
        pytest.param(rule, state, id=f"{name} {state}")
        for name, (states, rule) in rules.items()
        for state in STATES
        if (state in states) is allowed
    ]


@pytest.mark.parametrize(("rule", "state"), cases(BY_THE_MACHINE, allowed=False))
def test_the_machine_does_nothing_with_a_ticket_that_is_elsewhere_by_now(rule, state):
    assert rule(any_ticket(state)) is None


@pytest.mark.parametrize(("rule", "state"), cases(BY_PEOPLE, allowed=False))
def test_a_state_that_does_not_allow_it_is_named(rule, state):
    with pytest.raises(NotPossible, match=f"; this one is {state}.$"):
        rule(any_ticket(state))


@pytest.mark.parametrize("state", sorted(WAITS_FOR_SOMEBODY))
def test_a_ticket_that_nobody_has_cannot_be_put_back(state):
    with pytest.raises(NotPossible, match="has it already"):
        lifecycle.reassigned(any_ticket(state), QUEUE, THEN, "ann.b", None, "any text")


@pytest.mark.parametrize(
    ("rule", "state"),
    [*cases(BY_THE_MACHINE, allowed=True), *cases(BY_PEOPLE, allowed=True)],
)
def test_every_change_is_the_next_version_and_says_when_it_happened(rule, state):
    ticket = any_ticket(state, version=4)

    change = rule(ticket)

    assert change.before.version == 4
    assert change.after.version == 5
    assert {entry.at for entry in change.entries} == {THEN}


@pytest.mark.parametrize(("rule", "state"), cases(BY_THE_MACHINE, allowed=True))
def test_what_the_machine_does_is_said_to_be_the_workflow_s(rule, state):
    assert {entry.by for entry in rule(any_ticket(state)).entries} == {"workflow"}


@pytest.mark.parametrize(("rule", "state"), cases(BY_PEOPLE, allowed=True))
def test_what_a_person_does_is_said_to_be_theirs(rule, state):
    entries = rule(any_ticket(state)).entries

    by_time = {entry.by for entry in entries if entry.event == "sla_breach"}
    assert by_time <= {"workflow"}
    assert {entry.by for entry in entries if entry.event != "sla_breach"} == {"ann.b"}


MOVES = {
    "opened": ("QUEUED", lambda it: lifecycle.opened(it, QUEUE, THEN)),
    "waits": ("WAITING", lambda it: lifecycle.waits(it, THEN)),
    "closed": ("CLOSED", lambda it: lifecycle.closed(it, QUEUE, THEN)),
    "accepted": ("IN_PROGRESS", BY_PEOPLE["accepted"][1]),
    "pending": ("PENDING", BY_PEOPLE["pended"][1]),
    "resumed": ("IN_PROGRESS", BY_PEOPLE["resumed"][1]),
    "resolved": ("RESOLVED", BY_PEOPLE["resolved"][1]),
    "declined": ("QUEUED", BY_PEOPLE["declined"][1]),
    "merged": ("MERGED", BY_PEOPLE["merged"][1]),
    "reopened": ("QUEUED", BY_PEOPLE["reopened"][1]),
    "escalation_exhausted": (
        "EXHAUSTED",
        lambda it: lifecycle.escalated(it.updated(escalating="any"), ONE_TIER, THEN),
    ),
}
STATES_BEFORE = {
    "opened": {"NEW"},
    "waits": {"QUEUED"},
    "closed": {"RESOLVED"},
    "pending": {"IN_PROGRESS"},
    "escalation_exhausted": OPEN,
}


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (event, state)
        for event in MOVES
        for state in STATES
        if state in (STATES_BEFORE.get(event) or BY_PEOPLE[event][0])
    ],
)
def test_a_move_is_told_with_the_state_before_and_after(event, state):
    after, rule = MOVES[event]

    change = rule(any_ticket(state))

    assert change.after.state == after
    assert (event, state, after) in told(change)


@pytest.mark.parametrize("state", sorted(HELD))
@pytest.mark.parametrize("rule", ["resolved", "merged", "declined", "put back"])
def test_who_had_a_ticket_that_is_given_up_has_it_no_more(rule, state):
    assert has(BY_PEOPLE[rule][1](any_ticket(state)).after, **NOBODY)


@pytest.mark.parametrize(
    "rule", ["resumed", "resolved", "declined", "put back", "reassigned", "merged"]
)
def test_whatever_ends_the_customer_s_turn_ends_the_pause(rule):
    change = BY_PEOPLE[rule][1](any_ticket("PENDING"))

    assert change.after.pauses == (Pause(began_at=AT, ended_at=THEN),)
    assert change.after.pending_until is None


# --- opening


def test_opening_starts_the_clocks_from_when_the_ticket_was_created():
    change = lifecycle.opened(any_ticket("NEW"), QUEUE, at(minutes=10))

    due = {kind: clock.due_at for kind, clock in change.after.clocks.items()}
    assert due == {"first_response": at(hours=1), "solution": at(hours=8)}
    assert change.after.due_at == at(hours=1)


def test_opening_takes_what_was_found_out():
    call = Call(analysis_bucket="any-bucket", analysis_key="any-key")
    contact = Contact(name="Jane Doe", phone="+12025550101")
    found = {"priority": "urgent", "required_skills": ("spanish",), "customer_id": "C-1"}

    change = lifecycle.opened(
        any_ticket("NEW", contact=None), GENERAL, THEN, contact=contact, call=call, **found
    )

    assert has(change.after, queue="general", contact=contact, call=call, **found)
    assert change.after.clocks["solution"].target_seconds == 4 * HOUR
    assert [notice.recipient for notice in change.notices] == ["+12025550101"]


def test_opening_keeps_the_contact_that_was_given():
    assert lifecycle.opened(any_ticket("NEW"), QUEUE, THEN).after.contact == CONTACT


def test_the_customer_is_told_that_their_case_is_open():
    change = lifecycle.opened(any_ticket("NEW"), QUEUE, THEN)

    assert sent(change) == [("case_opened", "email")]
    assert change.notices[0].fields["subject"] == "Missing parcel"


# --- assigning and accepting


@pytest.mark.parametrize("state", sorted(WAITS_FOR_SOMEBODY))
def test_a_ticket_is_offered_for_as_long_as_the_queue_says(state):
    change = lifecycle.assigned(any_ticket(state), QUEUE, "peter.m", THEN)

    assert has(change.after, state="ASSIGNED", assignee="peter.m", return_at=at(hours=1.25))
    assert told(change) == [("assigned", None, "peter.m")]


def test_the_time_to_react_is_counted_in_the_queue_s_open_hours():
    shuts_soon = any_queue(calendar=office())

    change = lifecycle.assigned(any_ticket("QUEUED"), shuts_soon, "any", "2026-03-02T15:50:00Z")

    assert change.after.return_at == "2026-03-03T08:05:00Z"


def test_whoever_gets_a_ticket_is_told_how_urgent_it_is_and_until_when():
    change = lifecycle.assigned(any_ticket("QUEUED", priority="high"), QUEUE, "peter.m", THEN)

    [notice] = change.notices
    assert notice.representative_id == "peter.m"
    assert (notice.template, notice.channel) == ("case_assigned", "email")
    assert notice.fields == {
        "case_number": NUMBER,
        "queue": "parcels",
        "priority": "high",
        "due": "2026-03-02 10:00 UTC",
    }


def test_a_ticket_that_is_to_be_escalated_is_offered_to_nobody_before():
    ticket = any_ticket("WAITING", escalating="any")

    assert lifecycle.assigned(ticket, QUEUE, "peter.m", THEN) is None


def test_nobody_accepts_what_is_offered_to_somebody_else():
    with pytest.raises(NotPossible, match="whoever it is offered to"):
        lifecycle.accepted(any_ticket("ASSIGNED"), THEN, "ann.b")


def test_who_accepts_a_ticket_keeps_it():
    change = lifecycle.accepted(any_ticket("ASSIGNED"), THEN, "sarah.k")

    assert has(change.after, state="IN_PROGRESS", assignee="sarah.k", return_at=None)
    assert change.notices == ()


# --- comments


def test_a_note_is_for_the_team():
    change = lifecycle.commented(any_ticket(), QUEUE, THEN, "ann.b", "any text", public=False)

    [entry] = change.entries
    assert (entry.event, entry.text, entry.public) == ("commented", "any text", False)
    assert change.notices == ()
    assert change.after == change.before.updated(version=2)


def test_a_public_comment_goes_to_the_customer():
    change = lifecycle.commented(any_ticket(), QUEUE, AT, "ann.b", "any text", public=True)

    [entry] = change.entries
    assert (entry.event, entry.text, entry.public) == ("commented", "any text", True)
    assert sent(change) == [("case_message", "email")]
    assert change.notices[0].fields["text"] == "any text"


def test_the_first_public_comment_is_the_first_response_and_promises_further_news():
    change = lifecycle.commented(any_ticket(), QUEUE, at(minutes=30), "any", "any", public=True)

    clocks = change.after.clocks
    assert clocks["first_response"].stopped_at == at(minutes=30)
    assert clocks["update"].due_at == at(hours=2.5)
    assert clocks["solution"] == change.before.clocks["solution"]
    assert change.after.due_at == at(hours=2.5)


def test_every_further_public_comment_is_news():
    first = lifecycle.commented(any_ticket(), QUEUE, at(minutes=30), "any", "any", True).after

    clocks = lifecycle.commented(first, QUEUE, at(hours=2), "any", "any", True).after.clocks

    assert clocks["first_response"].stopped_at == at(minutes=30)
    assert clocks["update"].due_at == at(hours=4)


ANSWERS = {
    "commented": lambda it, at: lifecycle.commented(it, QUEUE, at, "any", "any", True),
    "pended": lambda it, at: lifecycle.pended(it, QUEUE, at, "any", "any", None),
    "resolved": lambda it, at: lifecycle.resolved(it, QUEUE, at, "any", "any"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_comes_late_is_late_though_the_machine_has_not_seen_it(answer):
    late = answer(any_ticket(), at(hours=1))
    in_time = answer(any_ticket(), at(minutes=59, seconds=59))

    assert ("sla_breach", "first_response", at(hours=1)) in told(late)
    clock = late.after.clocks["first_response"]
    assert (clock.breached_at, clock.stopped_at) == (at(hours=1), at(hours=1))
    assert has(late.after, paging=("the first response is late",), page_at=at(hours=1))
    assert "sla_breach" not in [event for event, _, _ in told(in_time)]
    assert in_time.after.paging == ()


def test_what_is_resolved_late_is_not_escalated_but_said_to_be_late():
    resolved = lifecycle.resolved(any_ticket(), QUEUE, at(hours=8), "any", "any").after

    assert has(resolved, escalating=None)
    assert not lifecycle.closed(resolved, QUEUE, at(hours=8)).after.summary.clocks["solution"].kept


# --- the customer's turn


def test_the_clocks_stand_still_while_the_customer_is_asked():
    change = lifecycle.pended(any_ticket(), QUEUE, at(minutes=30), "sarah.k", "any text", None)

    ticket = change.after
    assert has(ticket, state="PENDING", assignee="sarah.k", due_at=None)
    assert ticket.pauses == (Pause(began_at=at(minutes=30)),)
    assert ticket.clocks["first_response"].stopped_at == at(minutes=30)
    assert ticket.clocks["update"].started_at == at(minutes=30)
    assert [ticket.clocks[kind].due_at for kind in ("update", "solution")] == [None, None]
    assert change.entries[0].text == "any text"
    assert sent(change) == [("case_message", "email")]


def test_the_customer_has_as_long_as_the_queue_says():
    queue = any_queue(pending_seconds=HOUR)

    change = lifecycle.pended(any_ticket(), queue, AT, "any", "any", None)

    assert change.after.pending_until == at(hours=1)


@pytest.mark.parametrize("until", [at(seconds=1), at(minutes=59), at(hours=1)])
def test_the_customer_may_have_less_time(until):
    queue = any_queue(pending_seconds=HOUR)

    assert lifecycle.pended(any_ticket(), queue, AT, "a", "b", until).after.pending_until == until


@pytest.mark.parametrize("until", [at(seconds=-1), AT, at(hours=1, seconds=1)])
def test_the_customer_has_neither_more_time_nor_none(until):
    queue = any_queue(pending_seconds=HOUR)

    with pytest.raises(NotPossible, match="until 2026-03-02T10:00:00Z at most"):
        lifecycle.pended(any_ticket(), queue, AT, "any", "any", until)


def test_the_clocks_go_on_when_the_customer_has_answered():
    asked = lifecycle.pended(any_ticket(), QUEUE, at(minutes=30), "any", "any", None).after

    change = lifecycle.resumed(asked, QUEUE, at(hours=5.5), "sarah.k", "any answer")

    ticket = change.after
    assert has(ticket, state="IN_PROGRESS", assignee="sarah.k", pending_until=None)
    assert ticket.clocks["update"].due_at == at(hours=7.5)
    assert ticket.clocks["solution"].due_at == at(hours=13)
    assert change.entries[0].text == "any answer"
    assert change.notices == ()


# --- resolving and closing


def test_what_is_resolved_says_how_when_and_by_whom_and_stops_the_clocks():
    moment = at(minutes=30)

    change = lifecycle.resolved(any_ticket(escalating="any"), QUEUE, moment, "ann.b", "any text")

    ticket = change.after
    assert has(ticket, resolution="any text", resolved_at=moment, resolved_by="ann.b")
    assert has(ticket, escalating=None, due_at=None)
    assert {clock.stopped_at for clock in ticket.clocks.values()} == {moment}
    assert change.entries[0].text == "any text"
    assert change.notices == ()


def test_what_was_resolved_is_closed_and_can_be_reopened_for_as_long_as_the_queue_says():
    change = lifecycle.closed(any_ticket("RESOLVED"), any_queue(reopen_seconds=HOUR), THEN)

    assert has(change.after, closed_at=THEN, reopen_until=at(hours=2))
    assert sent(change) == [("case_closed", "email")]
    assert change.notices[0].fields["text"] == "Sent a new parcel."


def test_what_was_closed_is_summed_up():
    pause = {"began_at": AT, "ended_at": AT}
    late = any_clock(breached_at=at(hours=1), stopped_at=at(hours=2))
    kept = any_clock(target_seconds=8 * HOUR, due_at=at(hours=8), stopped_at=at(hours=3))
    ticket = any_ticket(
        "RESOLVED", tier=2, pauses=[pause] * 3, clocks={"first_response": late, "solution": kept}
    )

    summary = lifecycle.closed(ticket, QUEUE, at(hours=4)).after.summary

    assert has(summary, resolution="Sent a new parcel.", resolved_by="sarah.k", tier=2, pauses=3)
    assert has(
        summary.clocks["first_response"],
        target_seconds=HOUR,
        due_at=at(hours=1),
        done_at=at(hours=2),
        kept=False,
    )
    assert has(
        summary.clocks["solution"],
        target_seconds=8 * HOUR,
        due_at=at(hours=8),
        done_at=at(hours=3),
        kept=True,
    )


# --- giving back and giving to somebody else


@pytest.mark.parametrize("state", sorted(HELD))
def test_who_declines_a_ticket_is_not_asked_again(state):
    ticket = any_ticket(state, declined_by=("peter.m",))

    change = lifecycle.declined(ticket, QUEUE, THEN, "sarah.k", "any reason")

    assert change.after.declined_by == ("peter.m", "sarah.k")
    assert change.entries[0].text == "any reason"


def test_who_declines_twice_is_remembered_once():
    ticket = any_ticket(declined_by=("sarah.k", "peter.m"))

    change = lifecycle.declined(ticket, QUEUE, THEN, "sarah.k", "any reason")

    assert change.after.declined_by == ("sarah.k", "peter.m")


def test_a_supervisor_declines_in_the_name_of_whoever_has_the_ticket():
    change = lifecycle.declined(any_ticket(), QUEUE, THEN, "ann.b", "any reason")

    assert change.after.declined_by == ("sarah.k",)
    assert change.entries[0].by == "ann.b"


@pytest.mark.parametrize(
    ("state", "before"),
    [(state, "sarah.k" if state in HELD else None) for state in sorted(OPEN)],
)
def test_a_ticket_is_offered_to_whom_a_supervisor_names(state, before):
    change = lifecycle.reassigned(any_ticket(state), QUEUE, THEN, "ann.b", "peter.m", "any")

    assert has(change.after, state="ASSIGNED", assignee="peter.m", return_at=at(hours=1.25))
    assert change.after.pending_until is None
    assert told(change) == [("reassigned", before, "peter.m")]
    assert [notice.representative_id for notice in change.notices] == ["peter.m"]
    assert change.entries[0].text == "any"


@pytest.mark.parametrize("state", sorted(HELD))
def test_a_ticket_that_is_put_back_is_assigned_anew(state):
    change = lifecycle.reassigned(any_ticket(state), QUEUE, THEN, "ann.b", None, "any reason")

    assert has(change.after, state="QUEUED", returned_by=("sarah.k",), **NOBODY)
    assert told(change) == [("reassigned", "sarah.k", None)]
    assert change.notices == ()


@pytest.mark.parametrize("state", sorted(HELD))
def test_nobody_is_given_what_they_have(state):
    with pytest.raises(NotPossible, match="has it already"):
        lifecycle.reassigned(any_ticket(state), QUEUE, THEN, "ann.b", "sarah.k", "any reason")


# --- other priority, skills or queue


def test_another_priority_moves_the_clocks_from_when_they_started():
    change = lifecycle.reclassified(any_ticket(), QUEUE, at(minutes=10), "any", priority="urgent")

    assert told(change) == [("priority_changed", "normal", "urgent")]
    assert change.after.priority == "urgent"
    assert change.after.clocks["first_response"].due_at == at(minutes=30)
    assert change.after.clocks["solution"].due_at == at(hours=4)
    assert change.after.due_at == at(minutes=30)


def test_another_priority_after_a_breach_gives_the_time_that_it_promises():
    breached = lifecycle.review(any_ticket(priority="urgent"), QUEUE, at(minutes=30)).after

    change = lifecycle.reclassified(breached, QUEUE, at(minutes=40), "any", priority="normal")

    clock = change.after.clocks["first_response"]
    assert (clock.warned_at, clock.breached_at, clock.due_at) == (None, None, at(hours=1))
    again = lifecycle.review(change.after, QUEUE, at(hours=1))
    assert ("sla_breach", "first_response", at(hours=1)) in told(again)


def test_what_is_forgiven_is_neither_escalated_nor_paged():
    daytime = any_queue(on_call=every_day(("07:00", "22:00"), time_zone="UTC"))
    ticket = any_ticket(
        priority="urgent", paging=("any other news",), page_at=at(hours=22), clocks={}
    )
    begun = sla.started(ticket, daytime, at(hours=10), "solution")
    breached = lifecycle.review(begun, daytime, at(hours=14)).after
    assert has(breached, escalating="not resolved in time")
    assert breached.paging == ("any other news", "the solution is late")

    change = lifecycle.reclassified(breached, daytime, at(hours=14), "any", priority="low")

    assert has(change.after, escalating=None, paging=("any other news",), page_at=at(hours=22))


def test_a_page_that_would_say_nothing_any_more_is_none():
    daytime = any_queue(on_call=every_day(("07:00", "07:01"), time_zone="UTC"))
    breached = lifecycle.review(any_ticket(priority="urgent"), daytime, at(minutes=30)).after
    assert breached.paging == ("the first response is late",)

    change = lifecycle.reclassified(breached, daytime, at(minutes=40), "any", priority="low")

    assert has(change.after, paging=(), page_at=None)


def test_an_escalation_that_somebody_asked_for_is_not_forgiven():
    ticket = any_ticket(escalating="any reason")

    change = lifecycle.reclassified(ticket, QUEUE, AT, "any", priority="low")

    assert change.after.escalating == "any reason"


def test_a_more_urgent_priority_leaves_a_breach_that_was_one():
    breached = lifecycle.review(any_ticket(), QUEUE, at(hours=1)).after

    change = lifecycle.reclassified(breached, QUEUE, at(hours=1.5), "any", priority="urgent")

    assert change.after.clocks["first_response"].breached_at == at(hours=1)
    assert lifecycle.review(change.after, QUEUE, at(hours=1.5)) is None


def test_a_more_urgent_priority_can_be_a_breach_at_once():
    change = lifecycle.reclassified(any_ticket(), QUEUE, at(minutes=45), "any", priority="urgent")

    reviewed = lifecycle.review(change.after, QUEUE, at(minutes=45))

    assert ("sla_breach", "first_response", at(minutes=30)) in told(reviewed)


def test_another_priority_counts_the_pauses_that_there_were():
    asked = lifecycle.pended(any_ticket(), QUEUE, at(hours=1), "any", "any", None).after
    answered = lifecycle.resumed(asked, QUEUE, at(hours=3), "any", None).after

    change = lifecycle.reclassified(answered, QUEUE, at(hours=3), "any", priority="urgent")

    assert change.after.clocks["solution"].due_at == at(hours=6)


def test_another_priority_while_the_customer_is_asked_leaves_the_clocks_standing():
    change = lifecycle.reclassified(any_ticket("PENDING"), QUEUE, THEN, "any", priority="urgent")

    assert change.after.is_paused
    assert change.after.clocks["solution"].target_seconds == 4 * HOUR
    assert change.after.clocks["solution"].due_at is None


def test_another_queue_has_its_own_promises_and_opening_hours():
    returns = any_queue(
        name="returns", calendar=office(), tiers=(any_tier(update=None, solution=9 * HOUR),)
    )
    ticket = any_ticket(tier=2)

    change = lifecycle.reclassified(ticket, returns, THEN, "any")

    assert told(change) == [("queue_changed", "parcels", "returns")]
    assert has(change.after, queue="returns", tier=1)
    assert change.after.clocks["solution"].due_at == "2026-03-03T10:00:00Z"


def test_a_tier_that_the_other_queue_has_too_stays():
    change = lifecycle.reclassified(
        any_ticket(tier=2), any_queue(name="returns", tiers=(any_tier(),) * 3), THEN, "any"
    )

    assert change.after.tier == 2


def test_other_skills_are_told():
    change = lifecycle.reclassified(
        any_ticket(required_skills=("dutch", "billing")), QUEUE, THEN, "any", skills=("spanish",)
    )

    assert told(change) == [("skills_changed", "dutch billing", "spanish")]
    assert change.after.required_skills == ("spanish",)


def test_a_ticket_needs_no_skills_any_more():
    ticket = any_ticket(required_skills=("dutch",))

    change = lifecycle.reclassified(ticket, QUEUE, THEN, "any", skills=())

    assert change.after.required_skills == ()


def test_everything_at_once_is_told_one_by_one():
    change = lifecycle.reclassified(
        any_ticket(), any_queue(name="returns"), THEN, "any", priority="low", skills=("dutch",)
    )

    assert [event for event, _, _ in told(change)] == [
        "priority_changed",
        "queue_changed",
        "skills_changed",
    ]


def test_a_change_to_what_it_is_already_is_none():
    ticket = any_ticket(required_skills=("dutch",))

    with pytest.raises(NotPossible, match="like that already"):
        lifecycle.reclassified(ticket, QUEUE, THEN, "any", priority="normal", skills=("dutch",))


@pytest.mark.parametrize(
    ("state", "after"),
    [(state, "QUEUED" if state == "WAITING" else state) for state in sorted(OPEN)],
)
def test_a_changed_ticket_that_waits_is_offered_anew(state, after):
    change = lifecycle.reclassified(any_ticket(state), QUEUE, THEN, "any", priority="low")

    assert change.after.state == after
    assert change.after.assignee == change.before.assignee


# --- escalating


def test_who_asks_for_an_escalation_says_why_and_the_machine_does_it():
    change = lifecycle.escalation_asked(any_ticket(), QUEUE, THEN, "sarah.k", "any reason")

    assert change.after.escalating == "any reason"
    assert told(change) == [("escalation_asked", None, None)]
    assert change.entries[0].text == "any reason"
    assert lifecycle.next_of(change.after) == "escalate"


@pytest.mark.parametrize("tier", [2, 3])
def test_nobody_asks_for_a_tier_that_there_is_not(tier):
    with pytest.raises(NotPossible, match="no tier above"):
        lifecycle.escalation_asked(any_ticket(tier=tier), QUEUE, THEN, "sarah.k", "any reason")


@pytest.mark.parametrize("state", sorted(OPEN))
def test_the_next_tier_gets_the_ticket_with_clocks_of_its_own(state):
    queue = any_queue(tiers=(any_tier(), any_tier(solution=6 * HOUR)))
    before = {"declined_by": ("a",), "returned_by": ("b",), "escalating": "any reason"}

    change = lifecycle.escalated(any_ticket(state, **before), queue, THEN)

    ticket = change.after
    assert has(ticket, state="QUEUED", tier=2, escalating=None, **NOBODY)
    assert has(ticket, declined_by=(), returned_by=())
    assert told(change) == [("escalated", "tier 1", "tier 2")]
    assert change.entries[0].text == "any reason"
    clock = ticket.clocks["solution"]
    assert (clock.started_at, clock.due_at, clock.breached_at) == (THEN, at(hours=7), None)
    assert not ticket.is_paused


def test_what_was_promised_and_done_is_not_promised_again_by_the_next_tier():
    answered = lifecycle.commented(any_ticket(), QUEUE, at(minutes=30), "a", "b", True).after

    ticket = lifecycle.escalated(answered.updated(escalating="any"), QUEUE, THEN).after

    assert ticket.clocks["first_response"].stopped_at == at(minutes=30)
    assert ticket.clocks["update"].due_at == at(hours=3)


def test_nothing_is_escalated_that_nobody_asked_for():
    assert lifecycle.escalated(any_ticket(escalating=None), QUEUE, THEN) is None


@pytest.mark.parametrize("tier", [2, 3])
def test_behind_the_top_tier_there_is_nobody(tier):
    ticket = any_ticket("PENDING", tier=tier, escalating="any reason")

    change = lifecycle.escalated(ticket, QUEUE, THEN)

    after = change.after
    cause = f"Engage Tier {tier + 1} Support: no tier has resolved case {NUMBER}."
    assert has(after, state="EXHAUSTED", tier=tier, cause=cause, escalating=None, **NOBODY)
    assert after.pauses[-1].ended_at == THEN
    assert told(change) == [
        ("escalation_exhausted", "PENDING", "EXHAUSTED"),
        ("manager_paged", None, None),
    ]
    assert [entry.text for entry in change.entries] == [cause, cause]
    assert sent(change) == [("case_breach", "email"), ("case_breach", "sms")]
    assert {notice.fields["news"] for notice in change.notices} == {cause}
    assert has(after, paging=(), page_at=None)


# --- merging


def test_a_ticket_goes_on_as_another_one():
    ticket, into = any_ticket("PENDING"), any_ticket("QUEUED", **OTHER, version=7)

    change, other = lifecycle.merged(ticket, into, QUEUE, THEN, "ann.b")

    assert has(change.after, state="MERGED", merged_into="any-other", due_at=None, **NOBODY)
    assert all(clock.stopped_at for clock in change.after.clocks.values())
    assert change.entries[0].text == "into 20260302-0002"
    assert sent(change) == [("case_update", "email")]
    assert change.notices[0].fields["status"] == "continued as 20260302-0002"
    assert other.after == into.updated(version=8)
    assert told(other) == [("merged", ID, "any-other")]
    assert other.entries[0].text == f"{NUMBER} goes on here"
    assert other.notices == ()


def test_a_ticket_is_not_merged_into_itself():
    with pytest.raises(NotPossible, match="into itself"):
        lifecycle.merged(any_ticket(), any_ticket(), QUEUE, THEN, "any")


@pytest.mark.parametrize(("mine", "theirs"), [("C-1", "C-2"), ("C-1", None), (None, "C-2")])
def test_tickets_of_different_customers_are_not_merged(mine, theirs):
    ticket, into = any_ticket(customer_id=mine), any_ticket(**OTHER, customer_id=theirs)

    with pytest.raises(NotPossible, match="not known to be of the same customer"):
        lifecycle.merged(ticket, into, QUEUE, THEN, "any")


NO_WAY = Contact(name="John Smith")


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (CONTACT, None),
        (None, None),
        (NO_WAY, NO_WAY),
        (CONTACT, CONTACT.model_copy(update={"email": "jane.doe@example.com"})),
        (CONTACT, CONTACT.model_copy(update={"phone": "+12025550101"})),
    ],
)
def test_tickets_of_nobody_known_are_merged_only_if_their_addresses_are_the_same(mine, theirs):
    ticket, into = any_ticket(contact=mine), any_ticket(**OTHER, contact=theirs)

    with pytest.raises(NotPossible, match="not known to be of the same customer"):
        lifecycle.merged(ticket, into, QUEUE, THEN, "any")


def test_tickets_of_one_customer_are_merged_whatever_their_contacts():
    ticket = any_ticket(customer_id="C-1", contact=None)

    change, _ = lifecycle.merged(ticket, any_ticket(**OTHER, customer_id="C-1"), QUEUE, THEN, "any")

    assert change.after.state == "MERGED"


def test_what_goes_on_elsewhere_is_not_escalated_here():
    ticket = any_ticket(escalating="any")

    change, _ = lifecycle.merged(ticket, any_ticket(**OTHER), QUEUE, THEN, "any")

    assert change.after.escalating is None


# --- reopening


def a_closed_ticket():
    """One that was answered after half an hour, resolved after two and closed at once."""
    answered = lifecycle.commented(any_ticket(), QUEUE, at(minutes=30), "a", "b", True).after
    resolved = lifecycle.resolved(answered, QUEUE, at(hours=2), "sarah.k", "any text").after
    return lifecycle.closed(resolved, QUEUE, at(hours=2)).after


def test_a_closed_ticket_that_is_taken_up_again_goes_on_where_it_was():
    change = lifecycle.reopened(a_closed_ticket(), QUEUE, at(hours=10), "ann.b", "any reason")

    ticket = change.after
    assert ticket.state == "QUEUED"
    assert ticket.clocks["solution"].due_at == at(hours=16)
    assert ticket.clocks["solution"].stopped_at is None
    assert ticket.clocks["first_response"].stopped_at == at(minutes=30)
    assert ticket.clocks["update"].due_at == ticket.due_at == at(hours=12)
    assert change.entries[0].text == "any reason"


def test_a_ticket_that_is_taken_up_again_forgets_its_end_and_who_would_not_have_it():
    closed = a_closed_ticket().updated(declined_by=("a",), returned_by=("b",))

    ticket = lifecycle.reopened(closed, QUEUE, at(hours=10), "ann.b", "any reason").after

    assert has(ticket, resolution=None, resolved_at=None, resolved_by=None, closed_at=None)
    assert has(ticket, reopen_until=None, summary=None, declined_by=(), returned_by=())


def test_who_resolved_a_ticket_is_the_first_who_may_have_it_again():
    ticket = lifecycle.reopened(a_closed_ticket(), QUEUE, at(hours=10), "a", "b").after

    assert (ticket.preferred, ticket.assignee) == ("sarah.k", None)


def test_a_solution_that_came_late_is_promised_anew_when_it_was_none():
    late = lifecycle.resolved(any_ticket(), QUEUE, at(hours=9), "any", "any").after
    closed = lifecycle.closed(late, QUEUE, at(hours=9)).after

    clock = lifecycle.reopened(closed, QUEUE, at(hours=20), "any", "any").after.clocks["solution"]

    assert (clock.started_at, clock.due_at) == (at(hours=20), at(hours=28))
    assert (clock.breached_at, clock.stopped_at) == (None, None)


def test_the_customer_is_told_that_their_case_is_open_again():
    change = lifecycle.reopened(a_closed_ticket(), QUEUE, at(hours=10), "any", "any")

    assert sent(change) == [("case_update", "email")]
    assert change.notices[0].fields["status"] == "open again"


@pytest.mark.parametrize(("seconds", "possible"), [(0, True), (1, False)])
def test_a_closed_ticket_can_be_taken_up_again_for_a_while(seconds, possible):
    ticket = any_ticket("CLOSED", reopen_until=THEN)
    moment = at(hours=1, seconds=seconds)

    if possible:
        assert lifecycle.reopened(ticket, QUEUE, moment, "any", "any")
    else:
        with pytest.raises(NotPossible, match=f"until {THEN}; open a new ticket"):
            lifecycle.reopened(ticket, QUEUE, moment, "any", "any")


def test_what_no_tier_resolved_begins_anew_in_the_top_one():
    ended = lifecycle.escalated(any_ticket(tier=2, escalating="any"), QUEUE, at(hours=9)).after

    ticket = lifecycle.reopened(ended, QUEUE, at(days=30), "ann.b", "any reason").after

    assert has(ticket, state="QUEUED", tier=2, cause=None, escalating=None)
    assert ticket.clocks["solution"].started_at == at(days=30)
    assert ticket.clocks["solution"].due_at == at(days=30, hours=8)


# --- a machine that broke off


def test_a_failure_is_told_with_where_and_why():
    change = lifecycle.workflow_failed(any_ticket(), THEN, "Open Case", "KeyError", "x" * 2000)

    assert told(change) == [("workflow_failed", "Open Case", None)]
    assert change.entries[0].text == "KeyError: " + "x" * 990
    assert change.after == change.before.updated(version=2)


# --- what the machine does next


@pytest.mark.parametrize(
    ("state", "following"),
    [
        ("QUEUED", "assign"),
        *((state, "work") for state in ("WAITING", "ASSIGNED", "IN_PROGRESS", "PENDING")),
        ("RESOLVED", "close"),
        *((state, "end") for state in sorted(ENDED)),
    ],
)
def test_the_machine_goes_where_the_state_says(state, following):
    assert lifecycle.next_of(any_ticket(state)) == following


@pytest.mark.parametrize("state", STATES)
def test_an_open_ticket_that_is_to_be_escalated_is_before_all_else(state):
    ticket = any_ticket(state, escalating="any")

    following = lifecycle.next_of(ticket)

    assert (following == "escalate") is (state in OPEN)


@pytest.mark.parametrize(
    ("values", "moment"),
    [
        ({}, at(minutes=48)),
        ({"return_at": at(minutes=5)}, at(minutes=5)),
        ({"pending_until": at(minutes=6)}, at(minutes=6)),
        ({"page_at": at(minutes=7)}, at(minutes=7)),
        ({"clocks": {}}, None),
        ({"clocks": {}, "page_at": at(days=1), "return_at": at(hours=1)}, at(hours=1)),
    ],
)
def test_the_machine_looks_again_when_time_brings_something(values, moment):
    assert lifecycle.wake_at(any_ticket(**values)) == moment


def test_where_a_ticket_comes_from_never_changes():
    source = Source(kind="call", id="any-call")

    for state in sorted(OPEN):
        after = BY_PEOPLE["resolved"][1](any_ticket(state, source=source)).after
        assert has(after, source=source, ticket_id=ID, number=NUMBER, created_at=AT)
