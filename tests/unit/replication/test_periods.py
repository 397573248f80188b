"""Periods: calendar months."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.rules.periods import Period

PERIODS = st.builds(Period, st.integers(2000, 2099), st.integers(1, 12))
INNER = PERIODS.filter(lambda period: Period(2000, 1) < period < Period(2099, 12))


@given(PERIODS)
def test_a_period_is_read_as_it_is_written(period):
    assert Period.parse(str(period)) == period


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-1",
        "26-01",
        "2026-001",
        "2026-12-01",
        "2026-12\n",
        "\u0662026-12",
        " 2026-12",
    ],
)
def test_refuses_what_is_not_written_as_a_period(text):
    with pytest.raises(ValueError, match="such as 2026-12"):
        Period.parse(text)


@pytest.mark.parametrize("text", ["2026-00", "2026-13", "1999-12", "2100-01", "0000-01"])
def test_refuses_a_period_that_there_is_not(text):
    with pytest.raises(ValueError, match=f"{int(text[:4])}-.* is no period: it must be a month"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("2026-02", "2026-02-28"),
        ("2028-02", "2028-02-29"),
        ("2000-02", "2000-02-29"),
        ("2026-04", "2026-04-30"),
        ("2026-12", "2026-12-31"),
    ],
)
def test_ends_with_the_last_day_of_its_month(text, last):
    assert Period.parse(text).last_day == date.fromisoformat(last)


@given(PERIODS)
def test_all_days_of_a_period_lie_in_it_and_none_around_them(period):
    assert Period.of(period.first_day) == Period.of(period.last_day) == period
    assert (period.last_day + timedelta(days=1)).day == 1
    assert period.first_day.day == 1


@given(INNER)
def test_periods_follow_each_other(period):
    assert period.previous < period < period.following
    assert period.following.previous == period.previous.following == period
    assert period.following.first_day - period.last_day == timedelta(days=1)


def test_a_year_follows_the_other():
    assert Period.parse("2026-12").following == Period.parse("2027-01")
    assert Period.parse("2027-01").previous == Period.parse("2026-12")


def test_there_is_none_before_the_first_and_after_the_last():
    with pytest.raises(ValueError, match="1999-12 is no period"):
        _ = Period(2000, 1).previous
    with pytest.raises(ValueError, match="2100-1 is no period"):
        _ = Period(2099, 12).following
