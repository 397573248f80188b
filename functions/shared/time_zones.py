"""The one way to name a time zone, for whoever has to know what people's clocks show."""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator


@cache
def _time_zones() -> set[str]:
    return available_timezones()


def _known_time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"there is no time zone {name!r}")
    return name


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]
"""A zone of the IANA database, such as `Europe/Berlin`."""
