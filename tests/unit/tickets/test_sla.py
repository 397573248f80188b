"""The clocks of a ticket, computed by hand: created on Monday at nine, open around the clock, with
an hour for the first response, two for news and eight for the solution.
"""

import pytest

from tickets.rules import sla
from tickets.rules.pauses import Pause

from .calendars import office
from .factories import AT, HOUR, any_clock, any_queue, any_ticket, any_tier, at

SOLUTION = any_clock(target_seconds=8 * HOUR, warn_at=at(hours=6.4), due_at=at(hours=8))
STOPPED = any_clock(stopped_at=at(minutes=30))


def with_clocks(**clocks):
    return any_ticket(clocks=clocks)


def times(ticket, kind):
    clock = ticket.clocks[kind]
    return clock.warn_at, clock.due_at


# --- starting and stopping


def test_a_clock_is_due_after_its_target_and_warns_before():
    ticket = sla.started(with_clocks(), any_queue(), AT, "first_response", "solution")

    assert list(ticket.clocks) == ["first_response", "solution"]
    assert times(ticket, "first_response") == ("2026-03-02T09:48:00Z", "2026-03-02T10:00:00Z")
    assert times(ticket, "solution") == ("2026-03-02T15:24:00Z", "2026-03-02T17:00:00Z")
    assert ticket.clocks["solution"].started_at == AT
    assert ticket.clocks["solution"].target_seconds == 8 * HOUR


def test_a_clock_counts_open_time_only():
    office_hours = any_queue(calendar=office())

    ticket = sla.started(with_clocks(), office_hours, "2026-03-02T15:30:00Z", "first_response")

    assert times(ticket, "first_response") == ("2026-03-03T08:18:00Z", "2026-03-03T08:30:00Z")


def test_the_targets_are_those_of_priority_and_tier():
    queue = any_queue(tiers=(any_tier(), any_tier(solution=3 * HOUR)))

    ticket = any_ticket(priority="urgent", tier=2)

    assert sla.started(ticket, queue, AT, "solution").clocks["solution"].due_at == at(hours=1.5)


def test_a_warning_comes_at_the_percentage_that_the_queue_says_rounded_up():
    queue = any_queue(warn_percent=33, tiers=(any_tier(first_response=100),))

    ticket = sla.started(with_clocks(), queue, AT, "first_response")

    assert times(ticket, "first_response")[0] == at(seconds=33)
    assert times(
        sla.started(ticket.updated(priority="urgent"), queue, AT, "first_response"),
        "first_response",
    )[0] == at(seconds=17)


def test_a_clock_that_is_started_anew_forgets_what_became_of_it():
    late = any_clock(warned_at=at(hours=0.8), breached_at=at(hours=1), stopped_at=at(hours=2))

    ticket = sla.started(with_clocks(update=late), any_queue(), at(hours=3), "update")

    again = ticket.clocks["update"]
    assert (again.warned_at, again.breached_at, again.stopped_at) == (None, None, None)
    assert times(ticket, "update") == (at(hours=4.6), at(hours=5))


def test_what_is_not_promised_is_never_due():
    silent = any_queue(tiers=(any_tier(update=None),))

    ticket = sla.started(with_clocks(update=any_clock()), silent, AT, "update")

    assert ticket.clocks["update"].target_seconds is None
    assert times(ticket, "update") == (None, None)
    assert ticket.due_at is None
    assert sla.next_event(ticket) is None
    assert sla.due_for_warning(ticket, at(days=9)) == sla.due_for_breach(ticket, at(days=9)) == []


def test_news_that_come_to_be_promised_are_due_from_the_last_ones():
    silent = any_queue(tiers=(any_tier(update=None),))
    ticket = sla.started(with_clocks(), silent, at(hours=1), "update")

    assert times(sla.retargeted(ticket, any_queue()), "update") == (at(hours=2.6), at(hours=3))


def test_the_ticket_is_due_when_the_first_of_its_running_clocks_is():
    ticket = sla.started(with_clocks(), any_queue(), AT, "first_response", "solution")

    assert ticket.due_at == at(hours=1)
    assert sla.stopped(ticket, any_queue(), at(minutes=5), "first_response").due_at == at(hours=8)
    assert sla.stopped(ticket, any_queue(), at(minutes=5), *sla.KINDS).due_at is None


def test_a_clock_that_is_stopped_keeps_when_it_was_due_whatever_comes_then():
    ticket = with_clocks(first_response=any_clock(), solution=SOLUTION)

    stopped = sla.stopped(ticket, any_queue(), at(minutes=30), "first_response")
    paused = sla.paused(stopped, any_queue(), at(minutes=40))

    assert stopped.clocks["solution"] == SOLUTION
    assert paused.clocks["first_response"] == STOPPED


def test_a_clock_is_stopped_once():
    ticket = with_clocks(first_response=STOPPED)

    assert sla.stopped(ticket, any_queue(), at(hours=5), "first_response") == ticket.updated(
        due_at=None
    )


def test_running_are_the_clocks_that_are_not_stopped():
    ticket = with_clocks(first_response=STOPPED, solution=SOLUTION)

    assert sla.running(ticket) == {"solution": SOLUTION}


# --- pauses


def test_a_paused_clock_is_not_due_at_any_time():
    ticket = sla.paused(any_ticket(), any_queue(), at(minutes=30))

    assert ticket.pauses == (Pause(began_at=at(minutes=30)),)
    assert times(ticket, "first_response") == times(ticket, "solution") == (None, None)
    assert ticket.due_at is None
    assert sla.next_event(ticket) is None


def test_what_was_due_before_the_pause_stays_due():
    ticket = sla.paused(any_ticket(), any_queue(), at(minutes=50))

    assert times(ticket, "first_response") == (at(minutes=48), None)


def test_a_clock_that_goes_on_is_later_by_the_pause():
    paused = sla.paused(any_ticket(), any_queue(), at(minutes=30))

    ticket = sla.resumed(paused, any_queue(), at(hours=2.5))

    assert ticket.pauses == (Pause(began_at=at(minutes=30), ended_at=at(hours=2.5)),)
    assert times(ticket, "first_response") == (at(hours=2, minutes=48), at(hours=3))
    assert times(ticket, "solution") == (at(hours=8.4), at(hours=10))


def test_two_pauses_add_up():
    ticket = any_ticket()
    for begin, end in ((1, 2), (3, 6)):
        paused = sla.paused(ticket, any_queue(), at(hours=begin))
        ticket = sla.resumed(paused, any_queue(), at(hours=end))

    assert times(ticket, "solution") == (at(hours=10.4), at(hours=12))


def test_a_pause_outside_of_the_open_hours_costs_nothing():
    queue = any_queue(calendar=office())
    started = sla.started(with_clocks(), queue, AT, "solution")

    paused = sla.paused(started, queue, "2026-03-02T16:00:00Z")
    ticket = sla.resumed(paused, queue, "2026-03-03T08:00:00Z")

    assert times(ticket, "solution") == times(started, "solution")


def test_a_clock_that_starts_in_a_pause_runs_from_its_end():
    paused = sla.paused(any_ticket(), any_queue(), AT)
    started = sla.started(paused, any_queue(), at(hours=1), "update")

    ticket = sla.resumed(started, any_queue(), at(hours=3))

    assert times(started, "update") == (None, None)
    assert times(ticket, "update") == (at(hours=4.6), at(hours=5))


def test_nothing_is_resumed_where_nothing_stands_still():
    for pauses in ([], [{"began_at": AT, "ended_at": AT}]):
        ticket = any_ticket(pauses=pauses)

        assert sla.resumed(ticket, any_queue(), at(hours=1)) == ticket


def test_a_pause_that_would_end_before_it_began_took_no_time():
    paused = sla.paused(any_ticket(), any_queue(), at(seconds=5))

    ticket = sla.resumed(paused, any_queue(), at(seconds=3))

    assert ticket.pauses == (Pause(began_at=at(seconds=5), ended_at=at(seconds=5)),)
    assert ticket.clocks == any_ticket().clocks


# --- warnings and breaches


@pytest.mark.parametrize(
    ("moment", "warned", "breached"),
    [
        (at(minutes=47, seconds=59), [], []),
        (at(minutes=48), ["first_response"], []),
        (at(minutes=59, seconds=59), ["first_response"], []),
        (at(hours=1), [], ["first_response"]),
        (at(hours=6.4), ["solution"], ["first_response"]),
        (at(hours=8), [], ["first_response", "solution"]),
    ],
)
def test_somebody_is_warned_before_a_breach_and_not_after_it(moment, warned, breached):
    ticket = any_ticket()

    assert sla.due_for_warning(ticket, moment) == warned
    assert sla.due_for_breach(ticket, moment) == breached


def test_what_is_marked_is_not_due_again():
    ticket = with_clocks(first_response=any_clock(), solution=SOLUTION)

    warned = sla.marked(ticket, "first_response", warned_at=at(minutes=48))
    breached = sla.marked(ticket, "first_response", breached_at=at(hours=1))

    assert sla.due_for_warning(warned, at(minutes=50)) == []
    assert sla.due_for_breach(warned, at(hours=1)) == ["first_response"]
    assert sla.due_for_breach(breached, at(hours=2)) == []
    assert breached.clocks["solution"] == SOLUTION


def test_a_clock_that_is_stopped_neither_warns_nor_is_breached():
    ticket = with_clocks(first_response=STOPPED)

    assert sla.due_for_warning(ticket, at(minutes=50)) == []
    assert sla.due_for_breach(ticket, at(hours=2)) == []


def test_nobody_is_warned_of_what_was_late_before_it_stood_still():
    late = any_clock(due_at=None, breached_at=at(hours=1))

    assert sla.due_for_warning(with_clocks(first_response=late), at(hours=2)) == []


def test_a_warning_that_was_missed_before_a_pause_is_given_in_it():
    ticket = sla.paused(any_ticket(), any_queue(), at(minutes=50))

    assert sla.due_for_warning(ticket, at(hours=5)) == ["first_response"]
    assert sla.due_for_breach(ticket, at(hours=5)) == []


def test_the_next_event_is_the_first_warning_or_breach_that_is_still_to_come():
    ticket = with_clocks(first_response=any_clock(), solution=SOLUTION)
    warned = sla.marked(ticket, "first_response", warned_at=at(minutes=48))
    breached = sla.marked(warned, "first_response", breached_at=at(hours=1))
    nothing_left = sla.marked(
        breached, "solution", warned_at=at(hours=6.4), breached_at=at(hours=8)
    )

    events = [sla.next_event(one) for one in (ticket, warned, breached, nothing_left)]

    assert events == [at(minutes=48), at(hours=1), at(hours=6.4), None]


def test_a_clock_that_is_stopped_has_no_next_event():
    assert sla.next_event(with_clocks(first_response=STOPPED)) is None


# --- other targets


def test_running_clocks_count_against_new_targets_from_when_they_started():
    urgent = any_ticket(priority="urgent")

    ticket = sla.retargeted(urgent, any_queue())

    assert times(ticket, "first_response") == (at(minutes=24), at(minutes=30))
    assert times(ticket, "solution") == (at(hours=3.2), at(hours=4))
    assert ticket.clocks["solution"].started_at == AT
    assert ticket.due_at == at(minutes=30)


def test_pauses_count_against_new_targets_too():
    paused = sla.paused(any_ticket(priority="urgent"), any_queue(), at(hours=1))

    ticket = sla.retargeted(sla.resumed(paused, any_queue(), at(hours=3)), any_queue())

    assert ticket.clocks["solution"].due_at == at(hours=6)


def test_what_is_stopped_keeps_its_target():
    ticket = any_ticket(priority="urgent", clocks={"first_response": STOPPED})

    assert sla.retargeted(ticket, any_queue()).clocks == {"first_response": STOPPED}


def test_what_is_not_promised_any_more_is_not_due_any_more_unless_it_was_done():
    silent = any_queue(tiers=(any_tier(update=None),))

    assert times(sla.retargeted(with_clocks(update=any_clock()), silent), "update") == (None, None)
    assert sla.retargeted(with_clocks(update=STOPPED), silent).clocks["update"] == STOPPED


def test_what_is_not_due_yet_after_all_is_no_breach_and_warns_again():
    late = any_clock(target_seconds=HOUR // 2, warned_at=at(minutes=24), breached_at=at(minutes=30))

    ticket = sla.retargeted(with_clocks(first_response=late), any_queue())

    assert ticket.clocks["first_response"] == any_clock()


def test_what_would_have_been_due_already_stays_breached_and_warned():
    late = any_clock(warned_at=at(minutes=48), breached_at=at(hours=1))
    urgent = any_ticket(priority="urgent", clocks={"first_response": late})

    clock = sla.retargeted(urgent, any_queue()).clocks["first_response"]

    assert (clock.warned_at, clock.breached_at) == (at(minutes=48), at(hours=1))


def test_a_breach_stays_one_while_the_clock_stands_still():
    late = any_clock(warned_at=at(minutes=48), breached_at=at(hours=1))

    ticket = sla.paused(with_clocks(first_response=late), any_queue(), at(hours=2))

    assert ticket.clocks["first_response"] == late


def test_other_opening_hours_move_what_is_due():
    ticket = sla.retargeted(any_ticket(), any_queue(calendar=office()))

    assert times(ticket, "solution") == ("2026-03-02T15:24:00Z", "2026-03-03T09:00:00Z")
