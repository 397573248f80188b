"""Hashes of content while it arrives, besides those that every file has."""

import base64
import hashlib
from collections.abc import Iterable, Iterator

_WIDTH = 160
"""Bits of a QuickXorHash. After as many bytes their places repeat."""

_BLOCK = _WIDTH * 1024
_SHIFT = 11


class QuickXorHash:
    """Microsoft's hash of files in OneDrive and SharePoint.

    Each byte is put, by exclusive or, at a place in a ring of 160 bits that moves on by 11 bits
    from byte to byte; in the end the length goes over the last 64 bits. All numbers are little
    endian. Bytes whose places are the same are put together first, many at a time.
    """

    def __init__(self) -> None:
        self._folded, self._rest, self._length = 0, b"", 0

    def update(self, content: bytes) -> None:
        self._length += len(content)
        pending = self._rest + content
        whole = len(pending) - len(pending) % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._folded ^= int.from_bytes(pending[start : start + _BLOCK], "little")
        self._rest = pending[whole:]

    def digest(self) -> bytes:
        block = (self._folded ^ int.from_bytes(self._rest, "little")).to_bytes(_BLOCK, "little")
        row = 0
        for start in range(0, _BLOCK, _WIDTH):
            row ^= int.from_bytes(block[start : start + _WIDTH], "little")
        ring = 0
        for index, byte in enumerate(row.to_bytes(_WIDTH, "little")):
            ring ^= byte << (index * _SHIFT % _WIDTH)
        ring = (ring & ((1 << _WIDTH) - 1)) ^ (ring >> _WIDTH)
        ring ^= self._length % (1 << 64) << (_WIDTH - 64)
        return ring.to_bytes(_WIDTH // 8, "little")


class Hashed:
    """Iterate over it as over the content; afterwards it tells its hashes."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content = content
        self._sha1, self._quick = hashlib.sha1(usedforsecurity=False), QuickXorHash()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._content:
            self._sha1.update(piece)
            self._quick.update(piece)
            yield piece

    @property
    def sha1(self) -> str:
        return self._sha1.hexdigest()

    @property
    def quick_xor(self) -> str:
        return base64.b64encode(self._quick.digest()).decode()
