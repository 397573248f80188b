"""When a calendar is open, across weekends, holidays and changes of clocks."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.public_holidays import WEEKDAYS
from tests.unit.template import REPOSITORY
from tickets.rules.business_hours import (
    AROUND_THE_CLOCK,
    Calendar,
    after_open_seconds,
    is_open,
    next_open,
    open_seconds,
)

from .calendars import HOUR, every_day, moments, office, situations, utc

MONDAY = [("09:00", "17:00")]


# --- what a calendar may be


def test_a_calendar_comes_back_from_json_as_it_was():
    calendar = office(holidays="DE-BE", closed_on=(date(2026, 12, 24),))

    assert Calendar.model_validate(calendar.model_dump(mode="json")) == calendar
    assert Calendar.model_validate_json(calendar.model_dump_json()) == calendar


def test_a_calendar_is_in_utc_and_knows_no_holidays_unless_told():
    calendar = Calendar(hours={"monday": MONDAY})

    assert (calendar.time_zone, calendar.holidays, calendar.closed_on) == ("UTC", None, ())


@pytest.mark.parametrize(
    "hours",
    [
        {"monday": [("00:00", "24:00")]},
        {"monday": [("09:00", "12:00"), ("12:00", "17:00")]},
        {"monday": [], "tuesday": [("00:00", "00:01"), ("23:59", "24:00")]},
    ],
)
def test_a_calendar_takes_spans_in_order(hours):
    assert Calendar(hours=hours).hours.keys() == hours.keys()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"hours": {}}, "at least one span a week"),
        ({"hours": {"monday": []}}, "at least one span a week"),
        ({"hours": {"monday": [("09:00", "09:00")]}}, "each span of monday must end after"),
        ({"hours": {"monday": [("17:00", "09:00")]}}, "each span of monday must end after"),
        ({"hours": {"monday": [("24:00", "24:00")]}}, "each span of monday must end after"),
        ({"hours": {"friday": [("12:00", "17:00"), ("09:00", "11:00")]}}, "spans of friday"),
        ({"hours": {"friday": [("09:00", "12:00"), ("11:59", "17:00")]}}, "spans of friday"),
        ({"hours": {"Monday": MONDAY}}, "monday"),
        ({"hours": {"monday": [("9:00", "17:00")]}}, "pattern"),
        ({"hours": {"monday": [("09:00", "24:01")]}}, "pattern"),
        ({"hours": {"monday": [("09:00", "17:60")]}}, "pattern"),
        ({"hours": {"monday": [("09:00", "17:00:00")]}}, "pattern"),
        ({"hours": {"monday": [("09:00",)]}}, "Field required"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"holidays": "XX"}, "nobody knows the holidays"),
        ({"holidays": "DE-XX"}, "nobody knows the holidays"),
        ({"holidays": "de"}, "pattern"),
        ({"holidays": "DE-"}, "pattern"),
        ({"holidays": "HolidayBase"}, "pattern"),
        ({"closed_on": ["2026-02-30"]}, "date"),
        ({"opened_on": []}, "Extra inputs"),
    ],
)
def test_a_calendar_says_what_is_wrong_with_it(wrong, reason):
    with pytest.raises(ValidationError, match=reason):
        office(**wrong)


def test_a_refused_calendar_does_not_repeat_what_it_was_given():
    with pytest.raises(ValidationError) as refused:
        office(holidays="somebody's secret")

    assert "somebody" not in str(refused.value)


def test_holidays_are_not_imported_for_a_calendar_without_them():
    code = (
        "import sys; from tickets.rules.business_hours import *; from datetime import *;"
        "is_open(AROUND_THE_CLOCK, datetime.now(UTC)); sys.exit('holidays' in sys.modules)"
    )
    path = {"PYTHONPATH": str(REPOSITORY / "functions")}

    assert subprocess.run([sys.executable, "-c", code], env=path, check=False).returncode == 0


# --- ordinary weeks; the 2nd of March 2026 is a Monday, and Berlin an hour ahead of UTC


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-02 07:59:59", False),
        ("2026-03-02 08:00", True),
        ("2026-03-02 15:59:59", True),
        ("2026-03-02 16:00", False),
        ("2026-03-01 12:00", False),
    ],
)
def test_is_open_from_the_first_second_of_a_span_to_the_last(moment, expected):
    assert is_open(office(), utc(moment)) is expected


def test_is_still_open_in_the_last_fraction_of_a_second():
    assert is_open(office(), utc("2026-03-02 15:59:59.999999"))
    assert not is_open(office(), utc("2026-03-02 07:59:59.999999"))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-02 10:00:00.25", "2026-03-02 10:00:00.25"),
        ("2026-03-02 03:00", "2026-03-02 08:00"),
        ("2026-03-06 16:00", "2026-03-09 08:00"),
        ("2026-03-28 12:00", "2026-03-30 07:00"),
    ],
)
def test_opens_next(moment, expected):
    assert next_open(office(), utc(moment)) == utc(expected)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("2026-03-02 09:00", "2026-03-02 10:00", HOUR),
        ("2026-03-02 15:00", "2026-03-03 09:00", 2 * HOUR),
        ("2026-03-06 15:00", "2026-03-09 09:00", 2 * HOUR),
        ("2026-03-02 00:00", "2026-03-09 00:00", 40 * HOUR),
        ("2026-03-07 00:00", "2026-03-09 08:00", 0),
        ("2026-03-02 10:00", "2026-03-02 10:00", 0),
        ("2026-03-03 10:00", "2026-03-02 10:00", 0),
        ("2026-03-02 07:00", "2026-03-02 08:00:01", 1),
    ],
)
def test_counts_open_time(begin, end, expected):
    assert open_seconds(office(), utc(begin), utc(end)) == expected


@pytest.mark.parametrize(
    ("begin", "seconds", "expected"),
    [
        ("2026-03-02 09:00", HOUR, "2026-03-02 10:00"),
        ("2026-03-02 15:00", HOUR, "2026-03-02 16:00"),
        ("2026-03-02 15:00", HOUR + 1, "2026-03-03 08:00:01"),
        ("2026-03-06 15:00", 2 * HOUR, "2026-03-09 09:00"),
        ("2026-03-07 12:00", 1, "2026-03-09 08:00:01"),
        ("2026-03-02 08:00", 40 * HOUR, "2026-03-06 16:00"),
        ("2026-03-07 12:00:00.5", 0, "2026-03-07 12:00:00.5"),
    ],
)
def test_finds_when_open_time_has_passed(begin, seconds, expected):
    found = after_open_seconds(office(), utc(begin), seconds)

    assert (found, found.tzinfo) == (utc(expected), UTC)


def test_takes_moments_of_any_zone_and_answers_in_utc():
    at_eight = datetime(2026, 3, 2, 8, 30, tzinfo=timezone(timedelta(hours=1)))

    assert next_open(office(), at_eight) == utc("2026-03-02 08:00")
    assert next_open(office(), at_eight + timedelta(hours=1)).tzinfo is UTC
    assert after_open_seconds(office(), at_eight, 0).tzinfo is UTC


def test_spans_that_touch_are_as_one():
    parts = every_day(("09:00", "12:00"), ("12:00", "17:00"))
    begin, end = utc("2026-03-01 00:00"), utc("2026-03-08 00:00")

    assert open_seconds(parts, begin, end) == 7 * 8 * HOUR
    assert after_open_seconds(parts, begin, 8 * HOUR) == utc("2026-03-01 16:00")


def test_a_span_until_midnight_goes_on_into_the_next_day():
    night = office(hours={"monday": [("22:00", "24:00")], "tuesday": [("00:00", "06:00")]})

    assert is_open(night, utc("2026-03-02 22:59:59"))
    assert is_open(night, utc("2026-03-02 23:00"))
    assert open_seconds(night, utc("2026-03-02 00:00"), utc("2026-03-04 00:00")) == 8 * HOUR
    assert after_open_seconds(night, utc("2026-03-02 21:00"), 3 * HOUR) == utc("2026-03-03 00:00")


def test_around_the_clock_every_second_counts():
    begin, end = utc("2026-03-02 09:00:07"), utc("2027-03-02 09:00:07")

    assert open_seconds(AROUND_THE_CLOCK, begin, end) == 365 * 24 * HOUR
    assert after_open_seconds(AROUND_THE_CLOCK, begin, 365 * 24 * HOUR) == end
    assert next_open(AROUND_THE_CLOCK, begin) == begin


# --- changes of clocks


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-10-26", 24),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_whole_day_has_the_hours_that_its_clocks_show(zone, day, hours):
    weekday = WEEKDAYS[date.fromisoformat(day).weekday()]
    calendar = Calendar(time_zone=zone, hours={weekday: [("00:00", "24:00")]})
    noon = utc(f"{day} 12:00")

    counted = open_seconds(calendar, noon - timedelta(days=3), noon + timedelta(days=3))

    assert counted == hours * HOUR


@pytest.mark.parametrize(
    ("span", "opens", "closes"),
    [
        (("02:30", "05:00"), "2026-03-29 01:00", "2026-03-29 03:00"),
        (("01:00", "02:30"), "2026-03-29 00:00", "2026-03-29 01:00"),
        (("01:00", "02:00"), "2026-03-29 00:00", "2026-03-29 01:00"),
        (("02:00", "03:30"), "2026-03-29 01:00", "2026-03-29 01:30"),
        (("09:00", "17:00"), "2026-03-29 07:00", "2026-03-29 15:00"),
    ],
)
def test_in_spring_what_the_clocks_leave_out_falls_away(span, opens, closes):
    the_span_of_a_day(every_day(span), "2026-03-29", opens, closes)


@pytest.mark.parametrize(
    ("span", "opens", "closes"),
    [
        (("02:30", "05:00"), "2026-10-25 00:30", "2026-10-25 04:00"),
        (("01:00", "02:30"), "2026-10-24 23:00", "2026-10-25 01:30"),
        (("02:10", "02:20"), "2026-10-25 00:10", "2026-10-25 01:20"),
        (("01:00", "02:00"), "2026-10-24 23:00", "2026-10-25 00:00"),
        (("02:00", "03:00"), "2026-10-25 00:00", "2026-10-25 02:00"),
        (("09:00", "17:00"), "2026-10-25 08:00", "2026-10-25 16:00"),
    ],
)
def test_in_autumn_a_span_begins_the_first_time_and_ends_the_second(span, opens, closes):
    the_span_of_a_day(every_day(span), "2026-10-25", opens, closes)


@pytest.mark.parametrize(
    ("span", "opens", "closes"),
    [
        (("02:30", "05:00"), "2026-03-08 07:00", "2026-03-08 09:00"),
        (("09:00", "17:00"), "2026-03-08 13:00", "2026-03-08 21:00"),
    ],
)
def test_new_york_changes_its_clocks_on_another_day(span, opens, closes):
    the_span_of_a_day(every_day(span, time_zone="America/New_York"), "2026-03-08", opens, closes)


def the_span_of_a_day(calendar, day, opens, closes):
    """That the calendar opens and closes then, once, on a local day."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(calendar.time_zone))
    tomorrow = midnight + timedelta(days=1)
    begin, end = utc(opens), utc(closes)
    assert next_open(calendar, midnight) == begin
    assert not is_open(calendar, begin - timedelta(seconds=1))
    assert is_open(calendar, end - timedelta(seconds=1))
    assert not is_open(calendar, end)
    assert open_seconds(calendar, midnight, tomorrow) == (end - begin).total_seconds()


def test_spans_that_touch_in_the_hour_that_comes_twice_count_once():
    parts = every_day(("00:00", "02:30"), ("02:30", "24:00"))

    counted = open_seconds(parts, utc("2026-10-24 22:00"), utc("2026-10-25 23:00"))

    assert counted == 25 * HOUR


def test_a_span_that_lies_in_the_hour_left_out_is_not_open():
    calendar = office(hours={"sunday": [("02:10", "02:50")]})

    assert next_open(calendar, utc("2026-03-28 12:00")) == utc("2026-04-05 00:10")


def test_a_day_ends_once_where_clocks_are_put_back_to_its_end():
    havana = Calendar(time_zone="America/Havana", hours={"saturday": [("09:00", "24:00")]})

    counted = open_seconds(havana, utc("2024-11-02 04:00"), utc("2024-11-04 05:00"))

    assert counted == 15 * HOUR


def test_the_end_of_a_day_may_come_again_after_the_next_has_begun():
    newfoundland = {"time_zone": "America/St_Johns"}  # On Sunday, from 00:01 to 23:01.
    saturday = Calendar(hours={"saturday": [("09:00", "24:00")]}, **newfoundland)
    sunday = Calendar(hours={"sunday": [("00:00", "01:00")]}, **newfoundland)
    first_midnight, half_past_eleven = utc("2010-11-07 02:30"), utc("2010-11-07 03:00")

    assert is_open(saturday, first_midnight)
    assert is_open(saturday, half_past_eleven)
    assert open_seconds(sunday, first_midnight - timedelta(hours=1), half_past_eleven) == HOUR / 2


def test_a_zone_may_be_half_an_hour_off():
    kolkata = office(time_zone="Asia/Kolkata")

    assert next_open(kolkata, utc("2026-03-02 00:00")) == utc("2026-03-02 03:30")
    assert after_open_seconds(kolkata, utc("2026-03-02 00:00"), 9 * HOUR) == utc("2026-03-03 04:30")


# --- days on which it is closed


def test_is_closed_on_a_holiday_of_the_country():
    assert is_open(office(), utc("2026-05-01 12:00"))
    assert not is_open(office(holidays="DE"), utc("2026-05-01 12:00"))
    assert next_open(office(holidays="DE"), utc("2026-04-30 20:00")) == utc("2026-05-04 07:00")


def test_is_closed_on_a_holiday_of_the_subdivision_alone():
    womens_day = utc("2027-03-08 12:00")

    assert is_open(office(holidays="DE"), womens_day)
    assert not is_open(office(holidays="DE-BE"), womens_day)


def test_a_holiday_on_a_weekend_changes_nothing_where_nobody_observes_it():
    week = utc("2026-09-28 00:00"), utc("2026-10-05 00:00")

    assert open_seconds(office(holidays="DE"), *week) == 40 * HOUR


def test_is_closed_on_the_working_day_on_which_a_holiday_is_observed():
    week = utc("2026-06-29 00:00"), utc("2026-07-06 00:00")

    assert open_seconds(office(holidays="US"), *week) == 32 * HOUR
    assert not is_open(office(holidays="US"), utc("2026-07-03 12:00"))


def test_a_holiday_is_one_by_the_local_date():
    auckland = every_day(("00:00", "24:00"), time_zone="Pacific/Auckland", holidays="NZ")

    assert not is_open(auckland, utc("2026-12-24 11:00"))
    assert is_open(auckland, utc("2026-12-24 10:59:59"))


def test_is_closed_on_further_days():
    calendar = office(closed_on=["2026-03-03", "2026-03-05"])

    counted = open_seconds(calendar, utc("2026-03-02 00:00"), utc("2026-03-09 00:00"))

    assert counted == 24 * HOUR


# --- what is refused


@pytest.mark.parametrize(
    "ask",
    [
        lambda naive: is_open(AROUND_THE_CLOCK, naive),
        lambda naive: next_open(AROUND_THE_CLOCK, naive),
        lambda naive: open_seconds(AROUND_THE_CLOCK, naive, utc("2026-03-02 00:00")),
        lambda naive: open_seconds(AROUND_THE_CLOCK, utc("2026-03-02 00:00"), naive),
        lambda naive: after_open_seconds(AROUND_THE_CLOCK, naive, 0),
        lambda naive: after_open_seconds(AROUND_THE_CLOCK, naive, 1),
    ],
)
def test_refuses_a_moment_without_a_time_zone(ask):
    with pytest.raises(ValueError, match="without a time zone"):
        ask(datetime(2026, 3, 2))


def test_refuses_to_go_back_in_time():
    with pytest.raises(ValueError, match="positive"):
        after_open_seconds(AROUND_THE_CLOCK, utc("2026-03-02 00:00"), -1)


def test_gives_up_after_ten_years():
    begin = utc("2026-03-02 08:00")
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(11 * 366)]

    with pytest.raises(ValueError, match="does not open within 10 years"):
        next_open(office(closed_on=days), begin)
    with pytest.raises(ValueError, match="not open for so long within 10 years"):
        after_open_seconds(office(), begin, 30_000 * HOUR)


# --- laws


def by_the_minute(calendar: Calendar, about: datetime, days: int) -> dict[datetime, bool]:
    """Whether it is open in each minute, found by looking at the clock in each of them."""
    zone = ZoneInfo(calendar.time_zone)
    length = (days + 3) * 24 * 60
    minutes = [about + timedelta(minutes=n) for n in range(-length, length)]
    shown = [minute.astimezone(zone).replace(tzinfo=None, fold=0) for minute in minutes]
    found = dict.fromkeys(minutes, False)
    for day in {one.date() for one in shown} - set(calendar.closed_on):
        for span in calendar.hours.get(WEEKDAYS[day.weekday()], ()):
            begin, end = (at(day, wall_time) for wall_time in span)
            opens = next((n for n, one in enumerate(shown) if one >= begin), length * 2)
            closes = max((n for n, one in enumerate(shown) if one < end), default=-1)
            found.update(dict.fromkeys(minutes[opens : closes + 1], True))
    return found


def at(day: date, wall_time: str) -> datetime:
    hour, minute = wall_time.split(":")
    return datetime(day.year, day.month, day.day) + timedelta(hours=int(hour), minutes=int(minute))


@settings(max_examples=60, deadline=None)
@given(situations(), st.data())
def test_agrees_with_whoever_looks_at_the_clock_each_minute(situation, data):
    calendar, change = situation
    minutes = by_the_minute(calendar, change, days=2)
    whole = st.integers(-2 * 24 * 60, 2 * 24 * 60).map(lambda n: change + timedelta(minutes=n))
    begin, end = sorted((data.draw(whole), data.draw(whole)))

    expected = [minute for minute, is_so in minutes.items() if is_so and begin <= minute < end]
    assert open_seconds(calendar, begin, end) == 60 * len(expected)
    assert is_open(calendar, begin) == minutes[begin]
    if expected:
        assert next_open(calendar, begin) == expected[0]
        last = after_open_seconds(calendar, begin, 60 * len(expected))
        assert last == expected[-1] + timedelta(minutes=1)


@settings(deadline=None)
@given(situations(), st.data())
def test_open_time_adds_up(situation, data):
    calendar, change = situation
    first, second, third = sorted(data.draw(moments(change, days=15)) for _ in range(3))

    parts = open_seconds(calendar, first, second) + open_seconds(calendar, second, third)
    assert parts == open_seconds(calendar, first, third)


@settings(deadline=None)
@given(situations(), st.data(), st.integers(1, HOUR))
def test_open_time_has_passed_then_and_not_a_second_earlier(situation, data, seconds):
    calendar, change = situation
    calendar = calendar.model_copy(
        update={"hours": calendar.hours | {"monday": (("06:00", "24:00"),)}}
    )
    begin = data.draw(moments(change))

    end = after_open_seconds(calendar, begin, seconds)

    assert open_seconds(calendar, begin, end) == seconds
    assert open_seconds(calendar, begin, end - timedelta(seconds=1)) == seconds - 1


@settings(deadline=None)
@given(situations(), st.data())
def test_it_opens_next_at_the_first_open_second(situation, data):
    calendar, change = situation
    moment = data.draw(moments(change))

    opens = next_open(calendar, moment)

    assert is_open(calendar, opens)
    assert open_seconds(calendar, moment, opens) == 0
    assert (opens == moment) == is_open(calendar, moment)


@settings(deadline=None)
@given(situations(), st.data(), st.integers(0, 999_999))
def test_fractions_of_a_second_count_for_nothing(situation, data, microseconds):
    calendar, change = situation
    begin, end = data.draw(moments(change)), data.draw(moments(change))
    fraction = timedelta(microseconds=microseconds)

    assert open_seconds(calendar, begin + fraction, end) == open_seconds(calendar, begin, end)
    assert open_seconds(calendar, begin, end + fraction) == open_seconds(calendar, begin, end)
