"""Calendars and moments for the tests of what counts as time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import strategies as st

from shared.public_holidays import WEEKDAYS
from tickets.rules.business_hours import Calendar

HOUR = 3600
WORKING_DAYS = WEEKDAYS[:5]


def office(**changed) -> Calendar:
    """Nine to five in Berlin, on working days."""
    hours = dict.fromkeys(WORKING_DAYS, (("09:00", "17:00"),))
    return Calendar(**{"time_zone": "Europe/Berlin", "hours": hours} | changed)


def every_day(*spans, **changed) -> Calendar:
    return office(hours=dict.fromkeys(WEEKDAYS, spans), **changed)


def utc(text: str) -> datetime:
    """`2026-03-02 09:00`, or with seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CLOCK_CHANGES = [
    ("UTC", "2026-03-02 12:00"),
    ("Asia/Kathmandu", "2026-03-02 12:00"),
    ("Europe/Berlin", "2026-03-29 01:00"),
    ("Europe/Berlin", "2026-10-25 01:00"),
    ("America/New_York", "2026-03-08 07:00"),
    ("America/New_York", "2026-11-01 06:00"),
    ("Australia/Lord_Howe", "2026-04-04 15:00"),  # Half an hour.
    ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ("America/Havana", "2024-11-03 05:00"),  # From 01:00 to midnight.
    ("America/Santiago", "2024-04-07 03:00"),  # From midnight to 23:00.
    ("America/Santiago", "2024-09-08 04:00"),  # From midnight to 01:00.
    ("America/St_Johns", "2010-11-07 02:31"),  # From 00:01 to 23:01.
    ("Pacific/Apia", "2011-12-30 10:00"),  # A whole day is left out.
]
"""Zones, and where their clocks were changed, if ever."""

minutes_of_a_day = st.integers(0, 24 * 60)


@st.composite
def spans(draw):
    bounds = sorted(draw(st.sets(minutes_of_a_day, max_size=6)))
    texts = [f"{minute // 60:02}:{minute % 60:02}" for minute in bounds]
    pairs = list(zip(texts[::2], texts[1::2], strict=False))
    touching = list(pairwise(texts))
    return draw(st.sampled_from([pairs, touching]))


@st.composite
def situations(draw):
    """A calendar, and the change of clocks about which to look at it."""
    zone, change = draw(st.sampled_from(CLOCK_CHANGES))
    moment = utc(change)
    hours = draw(
        st.dictionaries(st.sampled_from(WEEKDAYS), spans()).filter(lambda h: any(h.values()))
    )
    days = st.integers(-3, 3).map(lambda n: (moment + timedelta(days=n)).date())
    calendar = Calendar(time_zone=zone, hours=hours, closed_on=draw(st.lists(days, max_size=1)))
    return calendar, moment


def moments(about: datetime, days: int = 4):
    """Whole seconds before and after a moment."""
    return st.integers(-days * 24 * HOUR, days * 24 * HOUR).map(
        lambda seconds: about + timedelta(seconds=seconds)
    )
