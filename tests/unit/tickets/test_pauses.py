"""A clock that runs in open time and stands still in pauses."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.times import format_time
from tickets.rules.business_hours import (
    AROUND_THE_CLOCK,
    after_open_seconds,
    is_open,
    next_open,
    open_seconds,
)
from tickets.rules.pauses import Pause, elapsed_seconds, time_of

from .calendars import HOUR, moments, office, situations, utc

MONDAY_NINE = utc("2026-03-02 08:00")
"""When the office in Berlin opens."""


def paused(begin: datetime, end: datetime | None = None) -> Pause:
    return Pause(began_at=format_time(begin), ended_at=end and format_time(end))


def pause(begin: str, end: str | None = None) -> Pause:
    return paused(utc(begin), utc(end) if end else None)


# --- what a pause may be


def test_a_pause_comes_back_from_json_as_it_was():
    for one in (pause("2026-03-02 09:00"), pause("2026-03-02 09:00", "2026-03-02 09:00")):
        assert Pause.model_validate(one.model_dump(mode="json")) == one


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"ended_at": "2026-03-02T08:59:59Z"}, "cannot end before it began"),
        ({"began_at": "2026-03-02T09:00:00+00:00"}, "is written"),
        ({"began_at": "2026-03-02T09:00:00.5Z"}, "is written"),
        ({"began_at": "2026-03-02T09:00:00"}, "is written"),
        ({"began_at": "yesterday"}, "yesterday"),
        ({"ended_at": "2026-13-02T09:00:00Z"}, "month"),
    ],
)
def test_a_pause_says_what_is_wrong_with_it(wrong, reason):
    with pytest.raises(ValidationError, match=reason):
        Pause(**{"began_at": "2026-03-02T09:00:00Z"} | wrong)


# --- how much has elapsed


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([], 8 * HOUR),
        ([pause("2026-03-02 09:00", "2026-03-02 10:00")], 7 * HOUR),
        ([pause("2026-03-02 15:00", "2026-03-03 09:00")], 7 * HOUR),
        ([pause("2026-03-01 00:00", "2026-03-02 09:00")], 7 * HOUR),
        ([pause("2026-02-01 00:00", "2026-02-02 00:00")], 8 * HOUR),
        ([pause("2026-03-02 10:00")], 2 * HOUR),
        ([pause("2026-03-01 10:00")], 0),
        ([pause("2026-03-03 10:00")], 8 * HOUR),
        ([pause("2026-03-02 16:00", "2026-03-03 08:00")], 8 * HOUR),
        (
            [
                pause("2026-03-02 09:00", "2026-03-02 10:00"),
                pause("2026-03-02 10:00", "2026-03-02 11:00"),
            ],
            6 * HOUR,
        ),
        (
            [
                pause("2026-03-02 11:00", "2026-03-02 13:00"),
                pause("2026-03-02 09:00", "2026-03-02 12:00"),
            ],
            4 * HOUR,
        ),
    ],
)
def test_pauses_do_not_count_on_the_first_day(pauses, expected):
    assert elapsed_seconds(office(), MONDAY_NINE, pauses, utc("2026-03-02 20:00")) == expected


def test_a_pause_over_a_weekend_takes_only_its_open_time():
    friday, tuesday = utc("2026-03-06 08:00"), utc("2026-03-10 16:00")
    pauses = [pause("2026-03-06 15:00", "2026-03-09 09:00")]

    assert elapsed_seconds(office(), friday, pauses, tuesday) == 24 * HOUR - 2 * HOUR


def test_nothing_has_elapsed_before_the_start():
    assert elapsed_seconds(AROUND_THE_CLOCK, MONDAY_NINE, [], MONDAY_NINE) == 0
    assert elapsed_seconds(AROUND_THE_CLOCK, MONDAY_NINE, [], utc("2026-03-01 00:00")) == 0


def test_within_a_pause_nothing_goes_on():
    pauses = [pause("2026-03-02 10:00", "2026-03-02 12:00")]

    elapsed = [
        elapsed_seconds(AROUND_THE_CLOCK, MONDAY_NINE, pauses, utc(f"2026-03-02 {clock}"))
        for clock in ("10:00", "11:00", "12:00", "12:00:01")
    ]

    assert elapsed == [2 * HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR + 1]


# --- when so much will have elapsed


@pytest.mark.parametrize(
    ("pauses", "seconds", "expected"),
    [
        ([], 4 * HOUR, "2026-03-02 12:00"),
        ([], 8 * HOUR, "2026-03-02 16:00"),
        ([], 8 * HOUR + 1, "2026-03-03 08:00:01"),
        ([pause("2026-03-02 09:00", "2026-03-02 10:00")], HOUR, "2026-03-02 09:00"),
        ([pause("2026-03-02 09:00", "2026-03-02 10:00")], HOUR + 1, "2026-03-02 10:00:01"),
        ([pause("2026-03-01 00:00", "2026-03-02 09:00")], HOUR, "2026-03-02 10:00"),
        ([pause("2026-03-02 15:00", "2026-03-09 09:00")], 8 * HOUR, "2026-03-09 10:00"),
        ([pause("2026-03-02 09:00")], HOUR, "2026-03-02 09:00"),
        ([pause("2026-03-02 09:00")], HOUR + 1, None),
        ([pause("2026-03-01 09:00")], 1, None),
        ([pause("2026-03-01 09:00")], 0, "2026-03-02 08:00"),
        (
            [pause("2026-03-02 10:00"), pause("2026-03-02 09:00", "2026-03-02 10:00")],
            HOUR + 1,
            None,
        ),
    ],
)
def test_finds_when_so_much_has_elapsed(pauses, seconds, expected):
    found = time_of(office(), MONDAY_NINE, pauses, seconds)

    assert found == (utc(expected) if expected else None)


def test_answers_in_utc():
    start = MONDAY_NINE.astimezone()

    assert time_of(office(), start, [], 0).tzinfo is UTC
    assert time_of(office(), start, [], 1).tzinfo is UTC


def test_a_pause_of_many_years_does_not_use_up_the_ten_years():
    pauses = [pause("2026-03-02 09:00", "2046-03-02 09:00")]

    assert time_of(AROUND_THE_CLOCK, MONDAY_NINE, pauses, 2 * HOUR) == utc("2046-03-02 10:00")


def test_refuses_what_takes_too_long_or_lies_before_the_start():
    with pytest.raises(ValueError, match="within 10 years"):
        time_of(office(), MONDAY_NINE, [], 30_000 * HOUR)
    with pytest.raises(ValueError, match="positive"):
        time_of(office(), MONDAY_NINE, [], -1)


@pytest.mark.parametrize("seconds", [0, 1])
def test_refuses_a_start_without_a_time_zone(seconds):
    with pytest.raises(ValueError, match="without a time zone"):
        time_of(office(), datetime(2026, 3, 2), [], seconds)


def test_hundreds_of_pauses_over_months_take_milliseconds():
    begins = [MONDAY_NINE + timedelta(hours=7 * number) for number in range(600)]
    pauses = [paused(begin, begin + timedelta(hours=1)) for begin in begins]
    calendar, end = office(holidays="DE-BE"), begins[-1]
    is_open(calendar, end)

    took = time.process_time()
    elapsed = elapsed_seconds(calendar, MONDAY_NINE, pauses, end)
    reached = time_of(calendar, MONDAY_NINE, pauses, elapsed)
    took = time.process_time() - took

    assert reached <= end
    assert took < 0.25  # A dozen milliseconds, and room for a busy machine.


# --- laws


@st.composite
def clocks(draw):
    """A calendar, a start, and pauses that do not overlap; some touch, the last may be open."""
    calendar, change = draw(situations())
    bounds = sorted(draw(st.lists(moments(change), max_size=8, unique=True)))
    begins = draw(st.sets(st.integers(0, 7)))
    pauses = (
        [
            paused(begin, end)
            for number, (begin, end) in enumerate(zip(bounds, [*bounds[1:], None], strict=True))
            if number in begins
        ]
        if bounds
        else []
    )
    return calendar, draw(moments(change)), draw(st.permutations(pauses))


def in_pause(pauses, moment):
    text = format_time(moment)
    return any(p.began_at <= text and (p.ended_at is None or text < p.ended_at) for p in pauses)


@settings(deadline=None)
@given(clocks(), st.integers(1, 30 * HOUR))
def test_so_much_has_elapsed_then_and_not_a_second_earlier(clock, seconds):
    calendar, start, pauses = clock

    found = time_of(calendar, start, pauses, seconds)

    if found is None:
        standing = next(pause for pause in pauses if pause.ended_at is None)
        at = datetime.fromisoformat(standing.began_at)
        assert elapsed_seconds(calendar, start, pauses, at) < seconds
    else:
        before = found - timedelta(seconds=1)
        assert elapsed_seconds(calendar, start, pauses, found) == seconds
        assert elapsed_seconds(calendar, start, pauses, before) == seconds - 1
        assert is_open(calendar, before)
        assert not in_pause(pauses, before)


@settings(deadline=None)
@given(clocks(), st.data())
def test_a_clock_never_goes_back_nor_faster_than_time(clock, data):
    calendar, start, pauses = clock
    earlier, later = sorted((data.draw(moments(start)), data.draw(moments(start))))

    first = elapsed_seconds(calendar, start, pauses, earlier)
    second = elapsed_seconds(calendar, start, pauses, later)

    assert 0 <= first <= second <= first + (later - earlier).total_seconds()


@settings(deadline=None)
@given(clocks(), st.data())
def test_agrees_with_counting_each_pause_by_itself(clock, data):
    calendar, start, pauses = clock
    at = max(start, data.draw(moments(start)))

    expected = open_seconds(calendar, start, at)
    for one in pauses:
        end = datetime.fromisoformat(one.ended_at) if one.ended_at else at
        begin = max(start, datetime.fromisoformat(one.began_at))
        expected -= open_seconds(calendar, begin, min(end, at))

    assert elapsed_seconds(calendar, start, pauses, at) == expected


@settings(max_examples=30, deadline=None)
@given(clocks(), st.integers(0, 7200))
def test_agrees_with_whoever_looks_each_second(clock, length):
    calendar, start, pauses = clock
    seconds = [start + timedelta(seconds=number) for number in range(length)]

    counted = sum(is_open(calendar, one) and not in_pause(pauses, one) for one in seconds)

    end = start + timedelta(seconds=length)
    assert elapsed_seconds(calendar, start, pauses, end) == counted


@settings(deadline=None)
@given(clocks(), st.data())
def test_a_pause_while_it_is_closed_changes_nothing(clock, data):
    calendar, start, pauses = clock
    begin, at = data.draw(moments(start)), data.draw(moments(start))
    closed = paused(begin, next_open(calendar, begin))

    before = elapsed_seconds(calendar, start, pauses, at)

    assert elapsed_seconds(calendar, start, [closed, *pauses], at) == before


@settings(deadline=None)
@given(situations(), st.data())
def test_a_pause_in_two_parts_is_the_same_pause(situation, data):
    calendar, start = situation
    at, begin = data.draw(moments(start)), data.draw(moments(start))
    middle = begin + timedelta(seconds=data.draw(st.integers(0, 50 * HOUR)))
    end = data.draw(st.none() | st.integers(0, 50 * HOUR))
    end = None if end is None else middle + timedelta(seconds=end)
    seconds = data.draw(st.integers(0, 20 * HOUR))

    whole, parts = [paused(begin, end)], [paused(begin, middle), paused(middle, end)]

    assert elapsed_seconds(calendar, start, parts, at) == elapsed_seconds(
        calendar, start, whole, at
    )
    assert time_of(calendar, start, parts, seconds) == time_of(calendar, start, whole, seconds)


@settings(deadline=None)
@given(situations(), st.data(), st.integers(0, 20 * HOUR))
def test_without_pauses_it_is_open_time(situation, data, seconds):
    calendar, change = situation
    start = data.draw(moments(change))

    assert time_of(calendar, start, [], seconds) == after_open_seconds(calendar, start, seconds)
