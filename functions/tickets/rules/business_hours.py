"""Business hours: when a calendar is open, and how much open time lies between two moments.

A calendar's spans are what the clocks on its walls show, and they are turned into UTC day by day. A
span begins when those clocks first show its begin or later, and ends when they last show a time
before its end. So, where clocks are changed:

- what lies in the hour that is left out in spring falls away: a span that begins in that hour
  begins when the hour is over, one that ends in it ends at that same moment, and one that lies in
  it is not open at all. The whole day has 23 hours;
- in the hour that comes twice in autumn, a span begins the first time and ends the second time,
  and stays open in between, also over a break within that hour. One that ends just where clocks are
  put back to has ended when they show that for the first time. The whole day has 25 hours.

Times are counted in whole seconds; what a moment has beyond them is dropped. A moment without a
time zone raises ValueError.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from shared.public_holidays import WEEKDAYS, Region, Weekday, is_public_holiday
from shared.time_zones import TimeZone

MOST_YEARS = 10
"""How far ahead open time is looked for."""

MOST_SECONDS = MOST_YEARS * 366 * 24 * 3600

type WallTime = Annotated[
    str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
]
"""What a clock on the wall shows; 24:00 is the end of the day."""

type Span = tuple[WallTime, WallTime]
"""From when to when; the end is not part of it."""

type Stretch = tuple[int, int]
"""The same in seconds since 1970."""


class Calendar(BaseModel):
    """The hours of a week, and the days on which they do not count.

    Closed are the public holidays of the region `holidays`. `closed_on` are further days, such as a
    works outing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    time_zone: TimeZone = "UTC"
    hours: dict[Weekday, tuple[Span, ...]]
    holidays: Region | None = None
    closed_on: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _spans_are_in_order(self) -> Self:
        if not any(self.hours.values()):
            raise ValueError("a calendar is open for at least one span a week")
        for weekday, spans in self.hours.items():
            if any(begin >= end for begin, end in spans):
                raise ValueError(f"each span of {weekday} must end after it begins, by 24:00")
            if any(late[0] < early[1] for early, late in pairwise(spans)):
                raise ValueError(f"the spans of {weekday} must be sorted and must not overlap")
        return self


AROUND_THE_CLOCK = Calendar(hours=dict.fromkeys(WEEKDAYS, (("00:00", "24:00"),)))


def is_open(calendar: Calendar, moment: datetime) -> bool:
    second = second_of(moment)
    return next(open_stretches(calendar, second, second + 1), None) is not None


def next_open(calendar: Calendar, moment: datetime) -> datetime:
    """The moment itself where the calendar is open, else when it opens.

    Raises ValueError where it does not within ten years.
    """
    second = second_of(moment)
    opening = next(open_stretches(calendar, second, second + MOST_SECONDS), None)
    if opening is None:
        raise ValueError(f"the calendar does not open within {MOST_YEARS} years")
    return moment.astimezone(UTC) if opening[0] == second else moment_of(opening[0])


def open_seconds(calendar: Calendar, begin: datetime, end: datetime) -> int:
    """How long the calendar is open from begin on and before end; 0 where end is not later."""
    stretches = open_stretches(calendar, second_of(begin), second_of(end))
    return sum(closes - opens for opens, closes in stretches)


def after_open_seconds(calendar: Calendar, begin: datetime, seconds: int) -> datetime:
    """The earliest moment at which the calendar was open for so long since begin.

    That is begin itself for 0 seconds, and closing time where they end with it. Raises ValueError
    where it takes more than ten years, or the seconds are negative.
    """
    if seconds == 0:
        return _aware(begin).astimezone(UTC)
    second = second_of(begin)
    found = reached(open_stretches(calendar, second, second + MOST_SECONDS), seconds)
    if found is None:
        raise ValueError(f"the calendar is not open for so long within {MOST_YEARS} years")
    return found


def open_stretches(calendar: Calendar, begin: int, end: int) -> Iterator[Stretch]:
    """The open time between two seconds, in order, day by day; stretches may touch.

    The day before and the day after are looked at too: where clocks are put back over midnight,
    the end of a day comes again after the next one has begun.
    """
    zone = ZoneInfo(calendar.time_zone)
    closed = frozenset(calendar.closed_on)
    first = datetime.fromtimestamp(begin, zone).toordinal() - 1
    last = datetime.fromtimestamp(end, zone).toordinal() + 1
    for ordinal in range(first, last + 1):
        day = date.fromordinal(ordinal)
        spans = calendar.hours.get(WEEKDAYS[day.weekday()])
        if not spans or day in closed or is_public_holiday(calendar.holidays, day):
            continue
        for opens, closes in spans:
            stretch_begin = max(begin, _first_shown(zone, _local(day, opens)))
            stretch_end = min(end, _last_before(zone, _local(day, closes)))
            if stretch_begin < stretch_end:
                yield stretch_begin, stretch_end
                begin = stretch_end


def reached(stretches: Iterable[Stretch], seconds: int) -> datetime | None:
    """The moment at which the stretches have lasted so long; None where they are shorter.

    Raises ValueError for less than a second: that is reached before the first one begins.
    """
    if seconds < 1:
        raise ValueError("only a positive number of seconds is reached within stretches")
    for begin, end in stretches:
        if seconds <= end - begin:
            return moment_of(begin + seconds)
        seconds -= end - begin
    return None


def second_of(moment: datetime) -> int:
    """The second since 1970 in which a moment lies."""
    return math.floor(_aware(moment).timestamp())


def moment_of(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone is no moment")
    return moment


def _local(day: date, wall_time: WallTime) -> datetime:
    """What clocks show, as a datetime without a zone; 24:00 is the next day's 00:00."""
    minutes = int(wall_time[:2]) * 60 + int(wall_time[3:])
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)


def _first_shown(zone: ZoneInfo, local: datetime) -> int:
    """The first second in which clocks show this time or a later one."""
    first, second = _occurrences(zone, local)
    return first if first <= second else _end_of_gap(zone, local, second, first)


def _last_before(zone: ZoneInfo, local: datetime) -> int:
    """The end of the last second in which clocks show an earlier time."""
    first, second = _occurrences(zone, local)
    if first > second:
        return _end_of_gap(zone, local, second, first)
    return second if first < second and _shown(zone, second - 1) < local else first


def _occurrences(zone: ZoneInfo, local: datetime) -> Stretch:
    """When clocks show this time: twice the same, mostly.

    In a fold the first is earlier than the second. In a gap it is later: then the clocks never show
    it, and were changed between the two.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    return int(first), int(second)


def _end_of_gap(zone: ZoneInfo, local: datetime, before: int, after: int) -> int:
    return before + bisect_left(
        range(before, after), local, key=lambda second: _shown(zone, second)
    )


def _shown(zone: ZoneInfo, second: int) -> datetime:
    return datetime.fromtimestamp(second, zone).replace(tzinfo=None)
