"""When a task of a period is due, by rules that count calendar days or an entity's business days.

A rule is JSON with its name and its numbers:

| rule | due on | and |
|---|---|---|
| `end_of_period` | the last calendar day of the period | `shift` |
| `days_after_end` | the calendar day `days` after the last one of the period | `shift` |
| `business_days_after_end` | the business day number `days` after the period | |
| `business_day_of_period` | the business day number `day` in the period, or its last | |
| `last_business_day` | the last business day in the period | |
| `business_days_before_end` | the business day `days` business days before that one | |

`shift` says what becomes of a calendar day that is no business day: `next` and `previous` take the
nearest business day after it or before it, `none` (unless told) leaves it. A period without any
business day, such as the month of the works holidays, has the first one after it instead.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from replication.rules.periods import Period
from shared.public_holidays import WEEKDAYS, Region, Weekday, is_public_holiday

MOST_CLOSED_DAYS = 3 * 366
"""In a row; a calendar that is closed for longer is a mistake."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class BusinessCalendar(_Value):
    """Which days somebody works on: all but weekends, public holidays and the days `closed_on`."""

    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    holidays: Region | None = None
    closed_on: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _somebody_works_some_day(self) -> Self:
        if len(set(self.weekend)) == len(WEEKDAYS):
            raise ValueError("a weekend of all seven days leaves no business day")
        return self

    def is_business_day(self, day: date) -> bool:
        return not (
            WEEKDAYS[day.weekday()] in self.weekend
            or day in self.closed_on
            or is_public_holiday(self.holidays, day)
        )

    def business_days(self, begin: date, step: Literal[1, -1] = 1) -> Iterator[date]:
        """Business days without end, from a day on or (-1) from it back.

        Raises ValueError where there is none for three years.
        """
        day, closed = begin, 0
        while closed <= MOST_CLOSED_DAYS:
            if self.is_business_day(day):
                closed = 0
                yield day
            else:
                closed += 1
            day += timedelta(days=step)
        raise ValueError("the calendar has no business day for three years")

    def days_of(self, period: Period) -> list[date]:
        """The business days in a period; where it has none, the first one after it."""
        days: list[date] = []
        for day in self.business_days(period.first_day):
            if days and day > period.last_day:
                break
            days.append(day)
        return days


type Shift = Literal["next", "previous", "none"]
type Days = Annotated[int, Field(ge=1, le=100)]


def _shifted(day: date, shift: Shift, calendar: BusinessCalendar) -> date:
    if shift == "none":
        return day
    return next(calendar.business_days(day, 1 if shift == "next" else -1))


class EndOfPeriod(_Value):
    rule: Literal["end_of_period"]
    shift: Shift = "none"

    def due(self, period: Period, calendar: BusinessCalendar) -> date:
        return _shifted(period.last_day, self.shift, calendar)


class DaysAfterEnd(_Value):
    rule: Literal["days_after_end"]
    days: Days
    shift: Shift = "none"

    def due(self, period: Period, calendar: BusinessCalendar) -> date:
        return _shifted(period.last_day + timedelta(days=self.days), self.shift, calendar)


class BusinessDaysAfterEnd(_Value):
    rule: Literal["business_days_after_end"]
    days: Days

    def due(self, period: Period, calendar: BusinessCalendar) -> date:
        days = calendar.business_days(period.last_day + timedelta(days=1))
        return next(islice(days, self.days - 1, None))


class BusinessDayOfPeriod(_Value):
    rule: Literal["business_day_of_period"]
    day: Annotated[int, Field(ge=1, le=31)]

    def due(self, period: Period, calendar: BusinessCalendar) -> date:
        return calendar.days_of(period)[: self.day][-1]


class LastBusinessDay(_Value):
    rule: Literal["last_business_day"]

    def due(self, period: Period, calendar: BusinessCalendar) -> date:
        return calendar.days_of(period)[-1]


class BusinessDaysBeforeEnd(_Value):
    rule: Literal["business_days_before_end"]
    days: Days

    def due(self, period: Period, calendar: BusinessCalendar) -> date:
        last = calendar.days_of(period)[-1]
        return next(islice(calendar.business_days(last, -1), self.days, None))


type DueRule = Annotated[
    EndOfPeriod
    | DaysAfterEnd
    | BusinessDaysAfterEnd
    | BusinessDayOfPeriod
    | LastBusinessDay
    | BusinessDaysBeforeEnd,
    Field(discriminator="rule"),
]
"""Each says by `due(period, calendar)` on which day."""
