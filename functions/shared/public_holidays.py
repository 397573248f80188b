"""Public holidays of countries and their subdivisions, for whoever counts working days.

A region is named as the library `holidays` names it: a country, or a country and its subdivision,
such as `DE` and `DE-BE`. Its holidays are the public ones, and the working days on which they are
observed where one falls on a weekend.
"""

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator, StringConstraints

if TYPE_CHECKING:
    from holidays import HolidayBase

type Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday.__value__)
"""In the order of `date.weekday()`."""

type RegionName = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-.{1,60})?$")]
"""What may be a region. Nobody has looked whether there is one: that imports the library."""


def known_region(region: str) -> str:
    """The region itself; raises ValueError where nobody knows its holidays."""
    try:
        _holidays_of(region)
    except NotImplementedError as error:
        raise ValueError("nobody knows the holidays of such a country or subdivision") from error
    return region


type Region = Annotated[RegionName, AfterValidator(known_region)]


def is_public_holiday(region: str | None, day: date) -> bool:
    """Whether a day is one; never for None."""
    return region is not None and day in _holidays_of(region)


@cache
def _holidays_of(region: str) -> "HolidayBase":
    """The holidays of all years; each is worked out when somebody first asks for a day of it.

    Raises NotImplementedError for a region that the library does not know.
    """
    from holidays import country_holidays  # Slow to import, and not every calendar has holidays.

    country, _, subdivision = region.partition("-")
    return country_holidays(country, subdiv=subdivision or None)
