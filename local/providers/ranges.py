"""Which bytes of a file a request brings, where a file is uploaded piece by piece."""

import re
from dataclasses import dataclass

from local.providers.messages import Request

_FORM = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class ContentRange:
    """`first` and `last` are None where nothing is brought, `total` is where it is unknown."""

    first: int | None
    last: int | None
    total: int | None

    @property
    def length(self) -> int:
        return 0 if self.first is None or self.last is None else self.last - self.first + 1


class BadRange(Exception):
    """A Content-Range header that cannot be read."""


def content_range(request: Request) -> ContentRange | None:
    """What the header says, None where there is none; raises BadRange."""
    text = request.header("Content-Range")
    if text is None:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadRange
    first, last, total = (int(part) if part and part != "*" else None for part in found.groups())
    said = ContentRange(first, last, total)
    if first is not None and last is not None and (last < first or last >= (total or last + 1)):
        raise BadRange
    return said
