"""Forms with files (RFC 7578), read as they arrive: a part at a time, in the order in which they
were sent, and never a whole file in memory.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from local.providers.messages import PIECE, SMALL

_HEAD = 8000
_BOUNDARY = re.compile(r'multipart/form-data\s*;.*boundary="?([^";]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(r';\s*name="?([^";]*)"?', re.IGNORECASE)


class BadForm(Exception):
    """A body that is no form, or ends in its midst."""


class Form:
    """The parts of a form; each has to be read before the next is asked for."""

    def __init__(self, body: BinaryIO, content_type: str) -> None:
        found = _BOUNDARY.match(content_type)
        if found is None:
            raise BadForm
        self._body = body
        self._delimiter = b"\r\n--" + found[1].encode()
        self._buffer = b"\r\n"  # The first boundary may be the first line.
        self._within = True
        self._to_delimiter()

    def next(self) -> str | None:
        """The name of the next part; None where there is none. Raises BadForm."""
        if self._within:
            self._to_delimiter()
        while len(self._buffer) < 2:
            self._fill()
        if self._buffer.startswith(b"--"):
            return None
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _HEAD:
                raise BadForm
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        named = _NAME.search(head.decode("utf-8", "replace"))
        self._within = True
        return named[1] if named else ""

    def text(self) -> bytes:
        """The content of a part that is a command and not a file. Raises BadForm."""
        content = b""
        for piece in self.content():
            content += piece
            if len(content) > SMALL:
                raise BadForm
        return content

    def content(self) -> Iterator[bytes]:
        """The content of the part. Raises BadForm where the body ends before it does."""
        while True:
            at = self._buffer.find(self._delimiter)
            if at >= 0:
                piece, self._buffer = self._buffer[:at], self._buffer[at + len(self._delimiter) :]
                self._within = False
                if piece:
                    yield piece
                return
            sure = len(self._buffer) - len(self._delimiter) + 1
            if sure > 0:
                piece, self._buffer = self._buffer[:sure], self._buffer[sure:]
                yield piece
            self._fill()

    def _to_delimiter(self) -> None:
        for _ in self.content():
            pass

    def _fill(self) -> None:
        piece = self._body.read1(PIECE)  # type: ignore[attr-defined]
        if not piece:
            raise BadForm
        self._buffer += piece
