"""Digests of content that passes, as providers want them besides SHA-256 of the whole."""

import hashlib
from collections.abc import Iterable, Iterator

_BLOCK = 4 * 1024 * 1024


class ContentHash:
    """Dropbox's: SHA-256 over the SHA-256s of blocks of 4 MiB. Iterate over it once."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content, self._whole = content, hashlib.sha256()
        self._block, self._filled = hashlib.sha256(), 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._content:
            rest = memoryview(piece)
            while rest:
                part = rest[: _BLOCK - self._filled]
                self._block.update(part)
                self._filled += len(part)
                rest = rest[len(part) :]
                if self._filled == _BLOCK:
                    self._end_block()
            yield piece

    def hexdigest(self) -> str:
        """Once all content has passed."""
        if self._filled:
            self._end_block()
        return self._whole.hexdigest()

    def _end_block(self) -> None:
        self._whole.update(self._block.digest())
        self._block, self._filled = hashlib.sha256(), 0


class Sha1:
    """SHA-1, which Box uses throughout. Iterate over it once."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content, self._digest = content, hashlib.sha1(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._content:
            self._digest.update(piece)
            yield piece

    def hexdigest(self) -> str:
        """Once all content has passed."""
        return self._digest.hexdigest()
