"""Requests and answers, with bodies that never lie in memory as a whole."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

PIECE = 1 << 18
"""Bytes that are read and written at once."""

SMALL = 1 << 20
"""Bytes of the largest body that is a command and not a file."""


class Reset(Exception):
    """The connection is to be reset, without an answer."""


class BrokenOff(Exception):
    """The client went away before its body had ended."""


@dataclass
class Part:
    """A part of a file that is open for reading."""

    file: BinaryIO
    start: int
    length: int


@dataclass
class Response:
    """An answer; its length is told from the body. To HEAD only the length is sent."""

    status: int
    body: bytes | Part = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, Part) else len(self.body)

    def close(self) -> None:
        if isinstance(self.body, Part):
            self.body.file.close()


class Refused(Exception):
    """A request that comes to nothing, and its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass
class Request:
    """`path` is decoded; `length` is None where a body comes in chunks.

    `heard` is what a dialect has already understood of it, in a form of its own."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: io.BufferedReader
    length: int | None
    heard: Any = None
    kept: int | None = None
    """Of a file, no more than so many bytes are to be stored."""
    _command: bytes | None = None

    def header(self, name: str) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.strip()

    @property
    def size(self) -> int:
        """How long the content is, as far as that is known: without the frames of S3's chunks."""
        decoded = self.header("x-amz-decoded-content-length") or ""
        return int(decoded) if decoded.isdigit() else self.length or 0

    @property
    def base(self) -> str:
        """How the client has reached this server: where absolute addresses begin."""
        scheme = self.header("X-Forwarded-Proto") or "http"
        return f"{scheme}://{self.header('Host') or 'localhost'}"

    def command(self) -> bytes:
        """The body of a command, as often as it is asked for; raises Refused where it is large."""
        if self._command is None:
            text = self.body.read(SMALL + 1)
            if len(text) > SMALL:
                raise Refused(Response(413))
            self._command = text
        return self._command


class Body(io.RawIOBase):
    """A request's body as it arrives: of a known length, or in HTTP's chunks.

    `begin` is called before the first byte is read: that is when a client that asks whether to
    send it (`Expect: 100-continue`) is told to.
    """

    def __init__(
        self, source: io.BufferedReader, length: int | None, begin: Callable[[], None]
    ) -> None:
        self._source, self._begin = source, begin
        self._left, self._chunked = length or 0, length is None
        self.begun = False
        self.ended = length == 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self.ended:
            return 0
        if not self.begun:
            self.begun = True
            self._begin()
        if self._chunked and not self._left:
            self._next_chunk()
            if self.ended:
                return 0
        count = self._source.readinto1(memoryview(buffer)[: self._left])
        if not count:
            raise BrokenOff
        self._left -= count
        self._after(count)
        return count

    def _after(self, count: int) -> None:
        if self._left:
            return
        if self._chunked:
            self._source.readline(8)
        else:
            self.ended = True

    def _next_chunk(self) -> None:
        size = self._source.readline(1000).split(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise BrokenOff from None
        if not self._left:
            while self._source.readline(8000).strip():
                pass  # Trailers say nothing that we need.
            self.ended = True


def shortened(request: Request, length: int) -> Request:
    """The request as if its body, or the file in it, ended after so many bytes."""
    body = Body(request.body, min(length, request.length or length), lambda: None)
    return replace(request, body=io.BufferedReader(body, PIECE), kept=length)


def whole_number(text: str | None, otherwise: int = 0) -> int:
    """What a client has written as a number, if anything; raises Refused where it is none."""
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit()):
        raise Refused(Response(400))
    return int(text)


def pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def ranged(request: Request, size: int) -> tuple[int, int] | None:
    """The first byte and the length that a Range header asks for; None for the whole file.

    Raises Refused with 416 where there is nothing of it."""
    unit, _, wanted = (request.header("Range") or "").partition("=")
    first, dash, last = wanted.partition("-")
    if unit != "bytes" or not dash or "," in wanted or not (first + last).isdigit():
        return None
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    else:
        start, end = max(0, size - int(last)), size - 1
    if start >= size or end < start:
        raise Refused(Response(416, headers={"Content-Range": f"bytes */{size}"}))
    return start, end - start + 1


def precondition(request: Request, etag: str | None) -> int | None:
    """The status that If-Match or If-None-Match make of a request; None where they hold.

    `etag` is that of what is there, without its quotes; None where nothing is."""
    wanted, unwanted = request.header("If-Match"), request.header("If-None-Match")
    if wanted is not None and not _among(etag, wanted):
        return 412
    if unwanted is not None and _among(etag, unwanted):
        return 304 if request.method in ("GET", "HEAD") else 412
    return None


def _among(etag: str | None, tags: str) -> bool:
    if etag is None:
        return False
    return tags == "*" or etag in [
        tag.strip().removeprefix("W/").strip('"') for tag in tags.split(",")
    ]
