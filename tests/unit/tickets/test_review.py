"""What time brings to a ticket: returns, ends of turns, warnings, breaches and pages.

The ticket was created on Monday at nine; its first response is due within an hour and warns after
48 minutes, its solution is due within eight and warns after six hours and 24 minutes.
"""

import pytest

from tickets.rules import lifecycle, sla
from tickets.rules.pauses import Pause
from tickets.rules.queue import Manager
from tickets.rules.ticket import HELD, OPEN, WAITS_FOR_SOMEBODY

from .calendars import every_day
from .factories import (
    AT,
    HOUR,
    MANAGER,
    STATES,
    any_queue,
    any_ticket,
    any_tier,
    at,
)

QUEUE = any_queue()
SOLUTION_DUE = at(hours=8)
DAYTIME = every_day(("07:00", "22:00"), time_zone="UTC")
"""When managers may be paged."""


def reviewed(ticket, moment, queue=QUEUE):
    """What a review made of it, which there must be."""
    change = lifecycle.review(ticket, queue, moment)
    assert change is not None
    return change


def told(change):
    return [(entry.event, entry.before, entry.after) for entry in change.entries]


def events(change):
    return [entry.event for entry in change.entries]


def whom(change):
    """Who is told, by which template."""
    return [
        (notice.template, notice.representative_id or notice.recipient) for notice in change.notices
    ]


SILENT = any_queue(tiers=(any_tier(update=None),) * 2)
"""A queue that promises no further news: after an answer, the solution is what comes next."""


def answered(queue=SILENT):
    """One whose customer was answered at once."""
    return lifecycle.commented(any_ticket(), queue, AT, "any", "any", True).after


# --- nothing


@pytest.mark.parametrize("state", STATES)
def test_nothing_happens_before_its_time(state):
    assert lifecycle.review(any_ticket(state), QUEUE, at(minutes=14)) is None


@pytest.mark.parametrize("state", [state for state in STATES if state not in OPEN])
def test_time_brings_nothing_to_a_ticket_that_is_not_open(state):
    late = {"return_at": AT, "pending_until": AT, "assignee": "sarah.k"}

    assert lifecycle.review(any_ticket(state, **late), QUEUE, at(days=9)) is None


def test_what_happened_happens_once():
    change = reviewed(any_ticket("ASSIGNED"), at(hours=9))

    assert lifecycle.review(change.after, QUEUE, at(hours=9)) is None
    assert lifecycle.review(change.after, QUEUE, at(days=9)) is None


def test_what_time_brings_is_the_workflow_s_doing_and_the_next_version():
    change = reviewed(any_ticket("ASSIGNED", version=4), at(hours=9))

    assert {(entry.by, entry.at) for entry in change.entries} == {("workflow", at(hours=9))}
    assert (change.before.version, change.after.version) == (4, 5)


# --- no reaction


def test_a_ticket_that_nobody_reacted_to_is_taken_back():
    change = reviewed(any_ticket("ASSIGNED", returned_by=("peter.m",)), at(minutes=15))

    ticket = change.after
    assert (ticket.state, ticket.assignee, ticket.return_at) == ("QUEUED", None, None)
    assert ticket.returned_by == ("peter.m", "sarah.k")
    assert ticket.declined_by == ()
    assert told(change) == [("returned", "sarah.k", None)]
    assert change.notices == ()


def test_who_does_not_react_twice_is_remembered_once():
    ticket = any_ticket("ASSIGNED", returned_by=("sarah.k", "peter.m"))

    assert reviewed(ticket, at(minutes=15)).after.returned_by == ("sarah.k", "peter.m")


def test_there_is_time_to_react_until_it_is_over():
    assert lifecycle.review(any_ticket("ASSIGNED"), QUEUE, at(minutes=14, seconds=59)) is None


def test_the_clocks_of_a_ticket_that_is_taken_back_run_on():
    change = reviewed(any_ticket("ASSIGNED"), at(minutes=15))

    assert change.after.clocks == change.before.clocks


# --- no answer


def pending(minutes=30, **values):
    """One whose customer was asked so many minutes after nine, and has two days."""
    queue = any_queue(pending_seconds=48 * HOUR)
    return lifecycle.pended(any_ticket(**values), queue, at(minutes=minutes), "a", "b", None).after


def test_the_clocks_go_on_when_the_customer_does_not_answer():
    change = reviewed(pending(), at(days=2, minutes=30))

    ticket = change.after
    assert (ticket.state, ticket.pending_until) == ("IN_PROGRESS", None)
    assert ticket.assignee == "sarah.k"
    assert ticket.pauses == (Pause(began_at=at(minutes=30), ended_at=at(days=2, minutes=30)),)
    assert ticket.clocks["solution"].due_at == at(days=2, hours=8)
    assert told(change) == [("no_answer", "PENDING", "IN_PROGRESS")]


def test_the_customer_s_turn_ends_when_it_was_to_end_however_late_the_machine_is():
    change = reviewed(pending(), at(days=3))

    assert change.after.pauses[-1].ended_at == at(days=2, minutes=30)
    assert ("sla_breach", "solution", at(days=2, hours=8)) in told(change)


def test_the_customer_has_time_until_it_is_over():
    assert lifecycle.review(pending(), QUEUE, at(days=2, minutes=29)) is None


def test_neither_warnings_nor_breaches_come_while_the_customer_is_asked():
    assert lifecycle.review(pending(), QUEUE, at(days=1)) is None


def test_a_breach_before_the_customer_was_asked_is_one():
    """Though the machine was down when it came."""
    asked = any_ticket("PENDING", clocks=any_ticket().clocks, pauses=[])
    asked = sla.paused(asked, QUEUE, at(hours=1, minutes=1))

    change = reviewed(asked, at(hours=9))

    assert ("sla_breach", "first_response", at(hours=1)) in told(change)
    assert change.after.state == "PENDING"


# --- warnings


@pytest.mark.parametrize("state", sorted(HELD - {"PENDING"}))
def test_whoever_has_the_ticket_is_warned(state):
    change = reviewed(any_ticket(state, return_at=None), at(minutes=48))

    assert told(change) == [("sla_warning", "first_response", at(hours=1))]
    assert whom(change) == [("case_warning", "sarah.k")]
    [notice] = change.notices
    assert notice.fields["clock"] == "first response"
    assert notice.fields["due"] == "2026-03-02 10:00 UTC"


@pytest.mark.parametrize("state", sorted(WAITS_FOR_SOMEBODY))
def test_the_managers_are_warned_of_a_ticket_that_nobody_has(state):
    change = reviewed(any_ticket(state), at(minutes=48))

    assert events(change) == ["sla_warning", "manager_paged"]
    assert whom(change) == [("case_breach", MANAGER.email), ("case_breach", MANAGER.phone)]
    assert {notice.fields["news"] for notice in change.notices} == {
        "nobody has it, and the first response is due at 2026-03-02 10:00 UTC"
    }


def test_the_managers_are_warned_of_a_ticket_that_is_just_taken_back():
    change = reviewed(any_ticket("ASSIGNED", return_at=at(minutes=48)), at(minutes=48))

    assert events(change) == ["returned", "sla_warning", "manager_paged"]
    assert [who for _, who in whom(change)] == [MANAGER.email, MANAGER.phone]


def test_a_warning_is_followed_by_a_breach():
    warned = reviewed(any_ticket(), at(minutes=48)).after
    assert lifecycle.wake_at(warned) == at(hours=1)

    change = reviewed(warned, at(hours=1))

    assert told(change)[0] == ("sla_breach", "first_response", at(hours=1))
    clock = change.after.clocks["first_response"]
    assert (clock.warned_at, clock.breached_at) == (at(minutes=48), at(hours=1))
    assert lifecycle.wake_at(change.after) == at(hours=6.4)


def test_nobody_is_warned_of_what_has_happened_already():
    change = reviewed(any_ticket(), at(hours=1))

    assert "sla_warning" not in events(change)
    assert change.after.clocks["first_response"].warned_at is None


# --- breaches


def test_a_late_first_response_is_paged_and_not_escalated():
    change = reviewed(any_ticket(), at(hours=1, minutes=5))

    assert told(change) == [
        ("sla_breach", "first_response", at(hours=1)),
        ("manager_paged", None, None),
    ]
    assert change.after.clocks["first_response"].breached_at == at(hours=1, minutes=5)
    assert change.after.escalating is None
    assert whom(change) == [("case_breach", MANAGER.email), ("case_breach", MANAGER.phone)]
    assert {notice.fields["news"] for notice in change.notices} == {"the first response is late"}


def test_late_news_are_paged_and_not_escalated():
    change = reviewed(answered(QUEUE), at(hours=2))

    assert told(change)[0] == ("sla_breach", "update", at(hours=2))
    assert {notice.fields["news"] for notice in change.notices} == {"the next update is late"}
    assert lifecycle.next_of(change.after) == "work"


@pytest.mark.parametrize("state", sorted(OPEN - {"PENDING"}))
def test_what_is_not_resolved_in_time_is_escalated(state):
    change = reviewed(any_ticket(state), SOLUTION_DUE)

    assert ("sla_breach", "solution", SOLUTION_DUE) in told(change)
    assert change.after.escalating == "not resolved in time"
    assert lifecycle.next_of(change.after) == "escalate"


def test_two_breaches_at_once_are_one_page():
    change = reviewed(any_ticket(), SOLUTION_DUE)

    assert events(change) == ["sla_breach", "sla_breach", "manager_paged"]
    assert {notice.fields["news"] for notice in change.notices} == {
        "the first response is late; the solution is late"
    }


def test_the_next_tier_warns_and_is_late_on_its_own():
    breached = reviewed(answered(), SOLUTION_DUE, SILENT).after
    second = lifecycle.escalated(breached, SILENT, at(hours=9)).after

    warned = reviewed(second, at(hours=15.4), SILENT)
    late = reviewed(warned.after, at(hours=17), SILENT)

    assert lifecycle.review(second, SILENT, at(hours=15.3)) is None
    assert told(warned)[0] == ("sla_warning", "solution", at(hours=17))
    assert told(late)[0] == ("sla_breach", "solution", at(hours=17))
    assert lifecycle.next_of(late.after) == "escalate"
    exhausted = lifecycle.escalated(late.after, SILENT, at(hours=17)).after
    assert lifecycle.next_of(exhausted) == "end"


def test_a_ticket_that_is_taken_up_again_is_late_after_what_was_left_of_its_time():
    resolved = lifecycle.resolved(answered(), SILENT, at(hours=6), "any", "any").after
    closed = lifecycle.closed(resolved, SILENT, at(hours=6)).after
    again = lifecycle.reopened(closed, SILENT, at(hours=20), "any", "any").after

    assert lifecycle.wake_at(again) == at(hours=20.4)
    warned, late = (reviewed(again, moment, SILENT) for moment in (at(hours=20.4), at(hours=22)))
    assert told(warned)[0] == ("sla_warning", "solution", at(hours=22))
    assert told(late)[0] == ("sla_breach", "solution", at(hours=22))


# --- settings that were changed meanwhile


def test_other_targets_move_the_clocks_of_open_tickets():
    slower = any_queue(tiers=(any_tier(first_response=2 * HOUR),))

    change = reviewed(any_ticket(), at(minutes=50), slower)

    assert told(change) == [("clocks_moved", at(hours=1), at(hours=2))]
    assert change.after.due_at == at(hours=2)


def test_what_other_targets_make_late_is_late_at_once():
    faster = any_queue(tiers=(any_tier(solution=2 * HOUR),))

    change = reviewed(any_ticket(), at(hours=3), faster)

    assert ("sla_breach", "solution", at(hours=2)) in told(change)


def test_what_other_targets_forgive_is_neither_escalated_nor_paged():
    change, _ = late_at_night()
    slower = any_queue(on_call=DAYTIME, tiers=(any_tier(update=None, solution=20 * HOUR),))

    forgiven = reviewed(change.after, NIGHT, slower)

    assert told(forgiven) == [("clocks_moved", NIGHT, at(hours=20))]
    assert (forgiven.after.escalating, forgiven.after.page_at) == (None, None)
    assert lifecycle.next_of(forgiven.after) == "work"


# --- pages


NIGHT = at(hours=14)
"""At eleven in the evening."""
MORNING = at(hours=22)


def late_at_night():
    """One whose solution is late at eleven in the evening, and who may be paged from seven on."""
    queue = any_queue(
        on_call=DAYTIME, tiers=(any_tier(update=None, solution=14 * HOUR),), managers=(MANAGER,)
    )
    return reviewed(answered(queue), NIGHT, queue), queue


def test_a_page_waits_for_the_on_call_hours():
    change, _ = late_at_night()

    assert "manager_paged" not in events(change)
    assert change.after.paging == ("the solution is late",)
    assert change.after.page_at == MORNING
    assert not [notice for notice in change.notices if notice.template == "case_breach"]


def test_a_page_of_a_tier_that_was_late_outlives_the_clocks_of_the_next_one():
    queue = any_queue(on_call=DAYTIME, tiers=(any_tier(update=None, solution=14 * HOUR),) * 2)
    late = reviewed(answered(queue), NIGHT, queue).after
    second = lifecycle.escalated(late, queue, NIGHT).after

    after = lifecycle.reclassified(second, queue, at(hours=15), "any", priority="low").after

    assert (after.paging, after.page_at) == (("the solution is late",), MORNING)


def test_a_page_comes_when_the_on_call_hours_begin():
    change, queue = late_at_night()

    assert lifecycle.wake_at(change.after) == MORNING
    assert lifecycle.review(change.after, queue, at(hours=21, minutes=59)) is None
    paged = reviewed(change.after, MORNING, queue)
    assert told(paged) == [("manager_paged", None, None)]
    assert paged.entries[0].text == "the solution is late"
    assert whom(paged) == [("case_breach", MANAGER.email), ("case_breach", MANAGER.phone)]
    assert (paged.after.paging, paged.after.page_at) == ((), None)


def test_the_page_of_a_ticket_that_ended_meanwhile_comes_all_the_same():
    change, queue = late_at_night()
    exhausted = lifecycle.escalated(change.after, queue, at(hours=15))

    assert events(exhausted) == ["escalation_exhausted"]
    assert exhausted.after.page_at == MORNING
    paged = reviewed(exhausted.after, MORNING, queue)
    assert paged.entries[0].text.startswith("the solution is late; Engage Tier 2 Support")
    assert paged.after.state == "EXHAUSTED"
    assert lifecycle.review(paged.after, queue, at(days=3)) is None


def test_a_page_waits_for_on_call_hours_that_were_changed_meanwhile():
    change, queue = late_at_night()
    later_on = queue.model_copy(update={"on_call": every_day(("08:00", "22:00"), time_zone="UTC")})

    moved = reviewed(change.after, MORNING, later_on)
    paged = reviewed(moved.after, at(hours=23), later_on)

    assert told(moved) == [("page_moved", MORNING, at(hours=23))]
    assert (moved.after.page_at, moved.notices) == (at(hours=23), ())
    assert moved.after.paging == change.after.paging
    assert events(paged) == ["manager_paged"]


@pytest.mark.parametrize("state", STATES)
def test_a_page_comes_whatever_became_of_the_ticket(state):
    ticket = any_ticket(state, paging=("any",), page_at=AT)

    change = reviewed(ticket, AT)

    assert events(change) == ["manager_paged"]
    assert change.after == ticket.updated(version=2, paging=(), page_at=None)


def test_managers_are_not_warned_outside_of_the_on_call_hours():
    ticket = any_ticket("WAITING", clocks={})
    queue = any_queue(on_call=DAYTIME)
    ticket = sla.started(ticket, queue, NIGHT, "first_response")

    change = reviewed(ticket, at(hours=14.8), queue)

    assert events(change) == ["sla_warning"]
    assert (change.notices, change.after.page_at) == ((), MORNING)


def test_what_there_is_to_page_is_collected_and_said_once():
    news = ("the first response is late", "any", "any")
    ticket = any_ticket(paging=news, page_at=MORNING, clocks={}, due_at=None)

    [entry] = reviewed(ticket, MORNING).entries

    assert entry.text == "the first response is late; any"


def test_every_manager_gets_the_page():
    queue = any_queue(managers=(MANAGER, Manager(phone="+12025550100")))

    change = reviewed(any_ticket(), at(hours=1), queue)

    assert [who for _, who in whom(change)] == [MANAGER.email, MANAGER.phone, "+12025550100"]
