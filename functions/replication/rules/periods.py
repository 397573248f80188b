"""Periods: the calendar months that entities get folders, checklists and due dates for."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

FIRST_YEAR, LAST_YEAR = 2000, 2099


@dataclass(frozen=True, order=True)
class Period:
    """One month; raises ValueError for one that is none, or not in the years 2000 to 2099."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (FIRST_YEAR <= self.year <= LAST_YEAR and 1 <= self.month <= 12):
            raise ValueError(
                f"{self.year}-{self.month} is no period: it must be a month of the years"
                f" {FIRST_YEAR} to {LAST_YEAR}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what str() writes: `2026-12`."""
        found = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text)
        if found is None:
            raise ValueError("a period is written as its year and month, such as 2026-12")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        """The period that a day lies in."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    @property
    def previous(self) -> Self:
        """The period before; raises ValueError before the first one that there is."""
        return self.of(self.first_day - timedelta(days=1))

    @property
    def following(self) -> Self:
        """The period after; raises ValueError after the last one that there is."""
        return self.of(self.last_day + timedelta(days=1))
