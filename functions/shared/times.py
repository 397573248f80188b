"""The one way a time is written: UTC, `YYYY-MM-DDTHH:MM:SSZ`.

Two such times compare as text. Step Functions engines take nothing else in a Wait: fractions are
dropped there, so a time before which nothing may happen is rounded up.
"""

import math
from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


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
