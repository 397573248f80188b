"""What a recording's file name, metadata and tags say about the call.

The default patterns read names such as
`Orders_GUID_42_AGENT_DanaM_CUST_C1001_DT_2026-11-02T09-30-00_Stereo.flac`: markers in capitals,
each followed by its value, in any order and each optional. A pattern is a regular expression with
named groups out of `agent`, `customer_id`, `guid` and `started_at`; several are searched one by one
and the first that knows a value gives it. A name that matches nothing gives nothing.

S3 object tags override S3 user metadata, which overrides the name. Their keys: `agent`,
`customer-id`, `guid`, `started-at` (ISO 8601) and `agent-channel` (`0` or `1`, counted from the
left; which channel of a stereo recording the agent is on).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.times import format_time

DEFAULT_PATTERNS = (
    r"(?:^|_)GUID_(?P<guid>[^_.]+)",
    r"(?:^|_)AGENT_(?P<agent>[^_.]+)",
    r"(?:^|_)CUST_(?P<customer_id>[^_.]+)",
    r"(?:^|_)DT_(?P<started_at>\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2})",
)
DEFAULT_TIME_FORMAT = "%Y-%m-%dT%H-%M-%S"
MAX_LENGTH = 128

_GROUPS = frozenset({"agent", "customer_id", "guid", "started_at"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class RecordingMetadata(TypedDict, total=False):
    """`started_at` is UTC, `YYYY-MM-DDTHH:MM:SSZ`; what is not known is not there."""

    agent: str
    customer_id: str
    guid: str
    started_at: str
    agent_channel: Literal[0, 1]


class RecordingNames:
    """Reads metadata as one contact centre writes it.

    Raises ValueError at once for a pattern that is no regular expression or has other groups, and
    for a time zone that does not exist.
    """

    def __init__(
        self,
        patterns: Sequence[str] = DEFAULT_PATTERNS,
        *,
        time_format: str = DEFAULT_TIME_FORMAT,
        time_zone: str = "UTC",
    ) -> None:
        self._patterns = [_compile(pattern) for pattern in patterns]
        self._time_format = time_format
        try:
            self._time_zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {time_zone!r}") from error

    def read(
        self,
        key: str,
        *,
        user_metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RecordingMetadata:
        """Everything known of the recording at `key`.

        ValueError for a value that is no date or channel, unless something stronger overrides it.
        """
        attributes = _plain(user_metadata or {}) | _plain(tags or {})
        overriding = self._read_attributes(attributes)
        return self._read_name(key, without=set(overriding)) | overriding

    def read_name(self, key: str) -> RecordingMetadata:
        """What the last part of the object key says."""
        return self._read_name(key, without=set())

    def _read_name(self, key: str, without: set[str]) -> RecordingMetadata:
        name = key.rsplit("/", 1)[-1]
        found: dict[str, str] = {}
        for pattern in self._patterns:
            if match := pattern.search(name):
                known = {group: _clean(text) for group, text in match.groupdict("").items()}
                found = {group: text for group, text in known.items() if text} | found
        found = {group: text for group, text in found.items() if group not in without}
        metadata = _texts(found)
        if "started_at" in found:
            metadata["started_at"] = self._name_time(found["started_at"])
        return metadata

    def _read_attributes(self, known: Mapping[str, str]) -> RecordingMetadata:
        metadata = _texts(known)
        if text := known.get("started_at"):
            metadata["started_at"] = self._attribute_time(text)
        if text := known.get("agent_channel"):
            if text not in ("0", "1"):
                raise ValueError(f"agent-channel must be 0 or 1, not {text!r}")
            metadata["agent_channel"] = 1 if text == "1" else 0
        return metadata

    def _name_time(self, text: str) -> str:
        try:
            moment = datetime.strptime(text, self._time_format)
        except ValueError as error:
            raise ValueError(
                f"the name's time {text!r} is no date of the form {self._time_format!r}"
            ) from error
        return self._in_utc(moment)

    def _attribute_time(self, text: str) -> str:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"started-at {text!r} is no ISO 8601 date and time") from error
        return self._in_utc(moment)

    def _in_utc(self, moment: datetime) -> str:
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._time_zone)
        return format_time(moment.astimezone(UTC))


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"file name pattern {pattern!r} is no regular expression: {error}"
        ) from error
    groups = set(compiled.groupindex)
    if not groups or not groups <= _GROUPS:
        raise ValueError(
            f"file name pattern {pattern!r} must name groups out of {sorted(_GROUPS)},"
            f" it names {sorted(groups)}"
        )
    return compiled


def _clean(text: str) -> str:
    return _CONTROL.sub("", text).strip()[:MAX_LENGTH]


def _plain(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes by the names of RecordingMetadata, without those that say nothing."""
    cleaned = {key.lower().replace("-", "_"): _clean(text) for key, text in attributes.items()}
    return {name: text for name, text in cleaned.items() if text}


def _texts(known: Mapping[str, str]) -> RecordingMetadata:
    metadata = RecordingMetadata()
    if agent := known.get("agent"):
        metadata["agent"] = agent
    if customer_id := known.get("customer_id"):
        metadata["customer_id"] = customer_id
    if guid := known.get("guid"):
        metadata["guid"] = guid
    return metadata
