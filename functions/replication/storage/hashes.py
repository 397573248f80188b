"""The hashes by which providers tell what a file holds, reckoned from a document as it is read.

Dropbox hashes the hashes of blocks, Microsoft has QuickXorHash; each is written as its provider
writes it.
"""

import base64
import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

type HashName = Literal["sha256", "sha1", "md5", "dropbox", "quickxor"]

_BLOCK_BYTES = 4 * 1024 * 1024
_WIDTH_BITS = 160
_SHIFT_BITS = 11
_CYCLE_BYTES = 160
"""After so many bytes QuickXorHash begins at its first bit again."""


class Digest(NamedTuple):
    """What a provider says of a file's content."""

    name: HashName
    value: str


def digest_of(name: HashName, pieces: Iterable[bytes]) -> Digest:
    """The hash of a name, of pieces that come one after another."""
    match name:
        case "sha256" | "sha1" | "md5":
            plain = hashlib.new(name, usedforsecurity=False)
            for piece in pieces:
                plain.update(piece)
            return Digest(name, plain.hexdigest())
        case "dropbox":
            return Digest(name, _dropbox(pieces))
        case "quickxor":
            return Digest(name, _quickxor(pieces))


def _dropbox(pieces: Iterable[bytes]) -> str:
    """SHA-256 of the SHA-256 of each block of 4 MiB, in hexadecimal."""
    whole, block, room = hashlib.sha256(), hashlib.sha256(), _BLOCK_BYTES
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            part, rest = rest[:room], rest[room:]
            block.update(part)
            room -= len(part)
            if not room:
                whole.update(block.digest())
                block, room = hashlib.sha256(), _BLOCK_BYTES
    if room < _BLOCK_BYTES:
        whole.update(block.digest())
    return whole.hexdigest()


def _quickxor(pieces: Iterable[bytes]) -> str:
    """Each byte is XORed into a circle of 160 bits, 11 bits behind the one before; then the length
    in front of the end. In base64.

    Bytes that are 160 apart meet at the same bit: so they are XORed first, as one long number.
    """
    folded, length = 0, 0
    for piece in pieces:
        start = length % _CYCLE_BYTES
        folded ^= _folded(bytes(start) + piece)
        length += len(piece)
    circle, mask = 0, (1 << _WIDTH_BITS) - 1
    for position, byte in enumerate(folded.to_bytes(_CYCLE_BYTES, "little")):
        shifted = byte << (position * _SHIFT_BITS % _WIDTH_BITS)
        circle ^= (shifted & mask) | (shifted >> _WIDTH_BITS)
    circle ^= length << (_WIDTH_BITS - 64)
    return base64.b64encode(circle.to_bytes(_WIDTH_BITS // 8, "little")).decode()


def _folded(data: bytes) -> int:
    """All parts of 160 bytes, XORed."""
    cycles = -(-len(data) // _CYCLE_BYTES)
    number = int.from_bytes(data, "little")
    while cycles > 1:
        half = cycles // 2
        bits = (cycles - half) * _CYCLE_BYTES * 8
        number = (number >> bits) ^ (number & ((1 << bits) - 1))
        cycles -= half
    return number
