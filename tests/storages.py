"""What storage clients are given in tests: a meter, and documents of any size."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from replication.storage.interface import Operation, Pause

PIECE_BYTES = 1024 * 1024


class Purse:
    """A meter that notes what is paid; `limit` is how often it pays, for one kind of operation or
    any, before it asks for a pause.
    """

    def __init__(self, limit: int | None = None, *, of: Operation | None = None) -> None:
        self.spent: list[Operation] = []
        self.advice: list[tuple[float, float]] = []
        self.limit, self.of = limit, of

    def spend(self, operation: Operation) -> None:
        counted = [one for one in (*self.spent, operation) if self.of in (None, one)]
        if self.limit is not None and len(counted) > self.limit:
            raise Pause
        self.spent.append(operation)

    def advise(self, remaining: float, reset_seconds: float) -> None:
        self.advice.append((remaining, reset_seconds))

    def counts(self) -> dict[str, int]:
        return dict(Counter(self.spent))


class BytesDocument:
    """A document of bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @contextmanager
    def read(self, start: int, length: int) -> Iterator[Iterator[bytes]]:
        part = self.content[start : start + length]
        yield (part[at : at + PIECE_BYTES] for at in range(0, len(part), PIECE_BYTES))


class LongDocument:
    """A document of any size, whose bytes are made when they are read: it is in memory nowhere.

    Each piece of 1 MiB is another. `reading` is called for each piece with its number.
    """

    def __init__(self, mebibytes: int, reading: Callable[[int], None] = lambda _: None) -> None:
        self.size = mebibytes * PIECE_BYTES
        self._reading = reading
        digest = hashlib.sha256()
        for number in range(mebibytes):
            digest.update(piece(number))
        self.sha256 = digest.hexdigest()

    @contextmanager
    def read(self, start: int, length: int) -> Iterator[Iterator[bytes]]:
        yield self._parts(start, start + length)

    def _parts(self, start: int, end: int) -> Iterator[bytes]:
        for number in range(start // PIECE_BYTES, -(-end // PIECE_BYTES)):
            self._reading(number)
            first = number * PIECE_BYTES
            yield piece(number)[max(start - first, 0) : end - first]


def piece(number: int) -> bytes:
    return number.to_bytes(8) * (PIECE_BYTES // 8)
