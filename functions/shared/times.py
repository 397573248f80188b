"""The one way a time is written: UTC, `YYYY-MM-DDTHH:MM:SSZ`.

Two such times compare as text. Step Functions engines take nothing else in a Wait: fractions are
dropped there, so a time before which nothing may happen is rounded up. And the one way to name a
time zone, for whoever has to know what people's clocks show.
"""

import math
from datetime import UTC, datetime
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@cache
def _time_zones() -> set[str]:
    return available_timezones()


def _known_time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"there is no time zone {name!r}")
    return name


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]
"""A zone of the IANA database, such as `Europe/Berlin`."""


def format_time(moment: datetime) -> str:
    """Write an aware datetime, rounded up to the second."""
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone cannot be written as UTC")
    return datetime.fromtimestamp(math.ceil(moment.timestamp()), UTC).strftime(_FORMAT)


def parse_time(text: str) -> datetime:
    """Read a time that `format_time` or an AWS event wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)


def now() -> datetime:
    return datetime.now(UTC)
