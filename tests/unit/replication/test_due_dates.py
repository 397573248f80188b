"""When tasks of a period are due."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from replication.rules.due_dates import BusinessCalendar, DueRule
from replication.rules.periods import Period
from shared.public_holidays import WEEKDAYS

RULES: TypeAdapter[Any] = TypeAdapter(DueRule)
OFFICE = BusinessCalendar()
DUBAI = BusinessCalendar(weekend=("friday", "saturday"))
BERLIN = BusinessCalendar(holidays="DE-BE")


def due(period: str | Period, calendar: BusinessCalendar, rule: str, **numbers) -> date:
    period = Period.parse(period) if isinstance(period, str) else period
    return RULES.validate_python({"rule": rule, **numbers}).due(period, calendar)


# --- calendars


@pytest.mark.parametrize(
    ("calendar", "day", "expected"),
    [
        (OFFICE, "2026-12-25", True),
        (OFFICE, "2026-12-26", False),  # a Saturday
        (BERLIN, "2026-12-25", False),
        (DUBAI, "2026-12-25", False),  # a Friday
        (DUBAI, "2026-12-27", True),  # a Sunday
        (BusinessCalendar(closed_on=(date(2026, 12, 24),)), "2026-12-24", False),
        (BusinessCalendar(weekend=()), "2026-12-26", True),
    ],
)
def test_knows_the_days_on_which_somebody_works(calendar, day, expected):
    assert calendar.is_business_day(date.fromisoformat(day)) is expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weekend": WEEKDAYS}, "leaves no business day"),
        ({"weekend": ["caturday"]}, "'monday'"),
        ({"holidays": "XX"}, "nobody knows the holidays"),
        ({"closed": []}, "Extra inputs"),
    ],
)
def test_refuses_a_calendar_that_cannot_be(wrong, message):
    with pytest.raises(ValidationError, match=message):
        BusinessCalendar(**wrong)


def test_a_calendar_that_is_closed_for_years_is_a_mistake():
    closed = tuple(date(2026, 1, 1) + timedelta(days=number) for number in range(4 * 366))

    with pytest.raises(ValueError, match="no business day for three years"):
        due("2026-01", BusinessCalendar(closed_on=closed), "last_business_day")


# --- rules, by example

AUGUST_OFF = BusinessCalendar(
    closed_on=tuple(date(2026, 8, 1) + timedelta(days=number) for number in range(31))
)


@pytest.mark.parametrize(
    ("period", "calendar", "rule", "expected"),
    [
        # The last calendar day; 2026-01-31 and 2026-02-28 are Saturdays.
        ("2026-12", OFFICE, {"rule": "end_of_period"}, "2026-12-31"),
        ("2028-02", OFFICE, {"rule": "end_of_period"}, "2028-02-29"),
        ("2026-01", OFFICE, {"rule": "end_of_period"}, "2026-01-31"),
        ("2026-01", OFFICE, {"rule": "end_of_period", "shift": "next"}, "2026-02-02"),
        ("2026-01", OFFICE, {"rule": "end_of_period", "shift": "previous"}, "2026-01-30"),
        ("2026-01", DUBAI, {"rule": "end_of_period", "shift": "next"}, "2026-02-01"),
        ("2026-01", DUBAI, {"rule": "end_of_period", "shift": "previous"}, "2026-01-29"),
        # Calendar days after the end.
        ("2026-12", OFFICE, {"rule": "days_after_end", "days": 10}, "2027-01-10"),
        ("2026-12", OFFICE, {"rule": "days_after_end", "days": 10, "shift": "next"}, "2027-01-11"),
        (
            "2026-12",
            OFFICE,
            {"rule": "days_after_end", "days": 10, "shift": "previous"},
            "2027-01-08",
        ),
        ("2028-01", OFFICE, {"rule": "days_after_end", "days": 29}, "2028-02-29"),
        ("2027-01", OFFICE, {"rule": "days_after_end", "days": 29}, "2027-03-01"),
        # Business days after the end; 1 January is a Friday in 2027.
        ("2026-12", OFFICE, {"rule": "business_days_after_end", "days": 1}, "2027-01-01"),
        ("2026-12", BERLIN, {"rule": "business_days_after_end", "days": 1}, "2027-01-04"),
        ("2026-12", BERLIN, {"rule": "business_days_after_end", "days": 6}, "2027-01-11"),
        ("2026-12", DUBAI, {"rule": "business_days_after_end", "days": 1}, "2027-01-03"),
        ("2028-01", OFFICE, {"rule": "business_days_after_end", "days": 21}, "2028-02-29"),
        # Business days of the period; November 2026 begins on a Sunday and has 21.
        ("2026-11", OFFICE, {"rule": "business_day_of_period", "day": 1}, "2026-11-02"),
        ("2026-11", DUBAI, {"rule": "business_day_of_period", "day": 1}, "2026-11-01"),
        ("2026-11", OFFICE, {"rule": "business_day_of_period", "day": 21}, "2026-11-30"),
        ("2026-11", OFFICE, {"rule": "business_day_of_period", "day": 31}, "2026-11-30"),
        # The last one, and those before it; 2026-02-28 is a Saturday.
        ("2026-02", OFFICE, {"rule": "last_business_day"}, "2026-02-27"),
        ("2026-02", DUBAI, {"rule": "last_business_day"}, "2026-02-26"),
        ("2028-02", OFFICE, {"rule": "last_business_day"}, "2028-02-29"),
        ("2026-02", OFFICE, {"rule": "business_days_before_end", "days": 1}, "2026-02-26"),
        ("2026-12", BERLIN, {"rule": "business_days_before_end", "days": 4}, "2026-12-24"),
        ("2027-01", OFFICE, {"rule": "business_days_before_end", "days": 21}, "2026-12-31"),
        # A month in which nobody works.
        ("2026-08", AUGUST_OFF, {"rule": "last_business_day"}, "2026-09-01"),
        ("2026-08", AUGUST_OFF, {"rule": "business_day_of_period", "day": 3}, "2026-09-01"),
        ("2026-08", AUGUST_OFF, {"rule": "business_days_before_end", "days": 1}, "2026-07-31"),
        ("2026-08", AUGUST_OFF, {"rule": "end_of_period", "shift": "previous"}, "2026-07-31"),
    ],
)
def test_a_rule_says_when_a_task_is_due(period, calendar, rule, expected):
    assert due(period, calendar, **rule) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "someday"},
        {"rule": "days_after_end"},
        {"rule": "days_after_end", "days": 0},
        {"rule": "days_after_end", "days": 101},
        {"rule": "days_after_end", "days": 1, "shift": "later"},
        {"rule": "business_day_of_period", "day": 32},
        {"rule": "last_business_day", "shift": "next"},
    ],
    ids=str,
)
def test_refuses_a_rule_that_cannot_be(wrong):
    with pytest.raises(ValidationError):
        RULES.validate_python(wrong)


# --- rules, whatever the calendar

PERIODS = st.builds(Period, st.integers(2000, 2099), st.integers(1, 12))
DAYS = st.integers(1, 60)


@st.composite
def periods_and_calendars(draw) -> tuple[Period, BusinessCalendar]:
    period = draw(PERIODS)
    near = st.integers(-40, 70).map(lambda days: period.first_day + timedelta(days=days))
    return period, BusinessCalendar(
        weekend=tuple(draw(st.sets(st.sampled_from(WEEKDAYS), max_size=6))),
        holidays=draw(st.sampled_from([None, "DE-BE", "GB", "SE", "US"])),
        closed_on=tuple(draw(st.sets(near, max_size=40))),
    )


SITUATIONS = periods_and_calendars()
ON_BUSINESS_DAYS = st.one_of(
    st.fixed_dictionaries({"rule": st.just("business_days_after_end"), "days": DAYS}),
    st.fixed_dictionaries({"rule": st.just("business_days_before_end"), "days": DAYS}),
    st.fixed_dictionaries({"rule": st.just("business_day_of_period"), "day": st.integers(1, 31)}),
    st.just({"rule": "last_business_day"}),
    st.fixed_dictionaries(
        {"rule": st.just("end_of_period"), "shift": st.sampled_from(["next", "previous"])}
    ),
    st.fixed_dictionaries(
        {
            "rule": st.just("days_after_end"),
            "days": DAYS,
            "shift": st.sampled_from(["next", "previous"]),
        }
    ),
)


@given(SITUATIONS, ON_BUSINESS_DAYS)
def test_what_is_due_on_a_business_day_is(situation, rule):
    period, calendar = situation

    assert calendar.is_business_day(due(period, calendar, **rule))


@given(SITUATIONS, DAYS, DAYS)
def test_between_two_numbers_lie_as_many_business_days(situation, one, other):
    period, calendar = situation
    fewer, more = sorted((one, other))

    for name, sign in (("business_days_after_end", 1), ("business_days_before_end", -1)):
        early = due(period, calendar, name, days=fewer)
        late = due(period, calendar, name, days=more)
        between = (early + timedelta(days=sign * n) for n in range(abs((late - early).days)))
        assert sign * (late - early).days >= 0
        assert sum(map(calendar.is_business_day, between)) == more - fewer


@given(SITUATIONS, DAYS, st.sampled_from(["next", "previous", "none"]))
def test_what_is_due_after_a_day_more_is_not_due_earlier(situation, days, shift):
    period, calendar = situation
    rule = {"rule": "days_after_end", "shift": shift}

    assert due(period, calendar, days=days, **rule) <= due(period, calendar, days=days + 1, **rule)


@given(SITUATIONS, DAYS)
def test_a_shift_passes_over_no_business_day(situation, days):
    period, calendar = situation
    rule = {"rule": "days_after_end", "days": days}
    plain, back, on = (
        due(period, calendar, shift=shift, **rule) for shift in ("none", "previous", "next")
    )

    assert back <= plain <= on
    passed = (back + timedelta(days=n) for n in range(1, (on - back).days))
    assert not any(map(calendar.is_business_day, passed))


@given(SITUATIONS, st.integers(1, 31))
def test_the_business_days_of_a_period_lie_in_it_where_it_has_any(situation, day):
    period, calendar = situation
    length = (period.last_day - period.first_day).days + 1
    every = [period.first_day + timedelta(days=n) for n in range(length)]
    days = [one for one in every if calendar.is_business_day(one)]

    found = due(period, calendar, "business_day_of_period", day=day)
    last = due(period, calendar, "last_business_day")

    if days:
        assert found == days[min(day, len(days)) - 1]
        assert last == days[-1]
    else:
        assert found == last == due(period, calendar, "business_days_after_end", days=1)
