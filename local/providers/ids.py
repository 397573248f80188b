"""Ids as providers give them out: they look random, and tell who made them and which entry it is.

An id holds the entry's number and a digest of it, so that no list of ids is needed and an invented
one is known as such.
"""

import base64
from collections.abc import Callable
from hashlib import blake2b

_NUMBER = 6
"""Bytes of an entry's number."""


def _digest(number: bytes, owner: str, size: int) -> bytes:
    return blake2b(
        number, digest_size=size, key=blake2b(owner.encode(), digest_size=32).digest()
    ).digest()


def sealed(number: int, owner: str, size: int) -> bytes:
    """The bytes of an id, `size` of them."""
    plain = number.to_bytes(_NUMBER)
    digest = _digest(plain, owner, size - _NUMBER)
    return digest + bytes(a ^ b for a, b in zip(plain, reversed(digest), strict=False))


def unsealed(text: str, owner: str, decode: Callable[[str], bytes]) -> int | None:
    """The entry's number; None for what is not an id of this owner's."""
    try:
        content = decode(text)
    except ValueError:
        return None
    digest, hidden = content[:-_NUMBER], content[-_NUMBER:]
    plain = bytes(a ^ b for a, b in zip(hidden, reversed(digest), strict=False))
    if len(content) <= 2 * _NUMBER or _digest(plain, owner, len(digest)) != digest:
        return None
    return int.from_bytes(plain)


def url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_url_safe(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
