"""What the headers of a provider's replies say of its quota."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from replication.storage.interface import Meter

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds the provider asks to wait; None where it does not say.

    A date is compared with the provider's own clock where the reply tells it.
    """
    value = _header(headers, "retry-after")
    if value is None or _SECONDS.fullmatch(value):
        return float(value) if value else None
    until = _seconds_of(value)
    if until is None:
        return None
    date = _header(headers, "date")
    now = _seconds_of(date) if date else None
    return max(0.0, until - (time.time() if now is None else now))


def heed(meter: Meter, headers: Mapping[str, str]) -> None:
    """Hand on what a reply says of the units that are left."""
    remaining = _header(headers, "ratelimit-remaining") or ""
    reset = _header(headers, "ratelimit-reset") or ""
    if _SECONDS.fullmatch(remaining) and _SECONDS.fullmatch(reset):
        meter.advise(float(remaining), float(reset))


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value; boto3 tells names in small letters, requests in any."""
    value = headers.get(name)
    return value.strip() if value else None


def _seconds_of(date: str) -> float | None:
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    aware: datetime = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.timestamp()
