"""The clock of a ticket: it runs in open time, and stands still in pauses.

A pause is, for example, the time in which a ticket waits for its customer. Pauses may begin before
the clock starts, may touch, and the last may be open. Times are counted as business_hours does.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from shared.times import format_time, parse_time
from tickets.rules.business_hours import (
    MOST_SECONDS,
    MOST_YEARS,
    Calendar,
    Stretch,
    open_stretches,
    reached,
    second_of,
)

_FOR_EVER = sys.maxsize


def _as_written(text: str) -> str:
    if format_time(parse_time(text)) != text:
        raise ValueError("a time is written YYYY-MM-DDTHH:MM:SSZ")
    return text


type Time = Annotated[str, AfterValidator(_as_written)]


class Pause(BaseModel):
    """From when to when the clock stood still; it still does where `ended_at` is None."""

    model_config = ConfigDict(frozen=True)

    began_at: Time
    ended_at: Time | None = None

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.ended_at is not None and self.ended_at < self.began_at:
            raise ValueError("a pause cannot end before it began")
        return self


def elapsed_seconds(
    calendar: Calendar, started_at: datetime, pauses: Sequence[Pause], at: datetime
) -> int:
    """Open time from the start until `at`, without that inside pauses; 0 before the start."""
    stretches = open_stretches(calendar, second_of(started_at), second_of(at))
    return sum(end - begin for begin, end in _without(stretches, pauses))


def time_of(
    calendar: Calendar, started_at: datetime, pauses: Sequence[Pause], seconds: int
) -> datetime | None:
    """The earliest moment at which so many seconds have elapsed: the start itself for 0.

    None where the clock stands still in an open pause before that. Raises ValueError where it takes
    more than ten years from the start or from the last pause's end, or the seconds are negative.
    """
    begin = second_of(started_at)
    if seconds == 0:
        return started_at.astimezone(UTC)
    standing = [_second_of(pause.began_at) for pause in pauses if pause.ended_at is None]
    ends = [_second_of(pause.ended_at) for pause in pauses if pause.ended_at is not None]
    end = min(standing) if standing else max([begin, *ends]) + MOST_SECONDS
    found = reached(_without(open_stretches(calendar, begin, end), pauses), seconds)
    if found is None and not standing:
        raise ValueError(f"so many seconds do not elapse within {MOST_YEARS} years")
    return found


def _without(stretches: Iterable[Stretch], pauses: Iterable[Pause]) -> Iterator[Stretch]:
    """What pauses leave of stretches; both are gone through once, side by side."""
    left = deque(sorted(_bounds(pause) for pause in pauses))
    for begin, end in stretches:
        while left and left[0][0] < end:
            pause_begin, pause_end = left[0]
            if begin < pause_begin:
                yield begin, pause_begin
            begin = max(begin, pause_end)
            if pause_end > end:
                break
            left.popleft()
        if begin < end:
            yield begin, end


def _bounds(pause: Pause) -> Stretch:
    end = _FOR_EVER if pause.ended_at is None else _second_of(pause.ended_at)
    return _second_of(pause.began_at), end


def _second_of(time: Time) -> int:
    return second_of(parse_time(time))
