"""The hashes of providers, by their own published examples and piece by piece."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.storage.hashes import Digest, digest_of

BLOCK = 4 * 1024 * 1024


def bit_by_bit(content: bytes) -> str:
    """QuickXorHash as it is described, without any shortening."""
    circle = [0] * 20
    for number, byte in enumerate(content):
        for bit in range(8):
            place = (number * 11 + bit) % 160
            circle[place // 8] ^= (byte >> bit & 1) << place % 8
    for number, byte in enumerate(len(content).to_bytes(8, "little")):
        circle[12 + number] ^= byte
    return base64.b64encode(bytes(circle)).decode()


@given(st.binary(max_size=700), st.integers(0, 700))
def test_quickxor_is_the_same_however_the_content_comes_in_pieces(content, cut):
    assert digest_of("quickxor", [content[:cut], content[cut:]]).value == bit_by_bit(content)


def test_quickxor_of_a_known_text():
    assert digest_of("quickxor", [b"hello world"]) == Digest(
        "quickxor", "aCgDG9jwBhDc4Q1yawMZAAAAAAA="
    )


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_dropbox_hashes_the_hashes_of_blocks(size):
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    blocks = [content[at : at + BLOCK] for at in range(0, size, BLOCK)]
    expected = hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in blocks))
    pieces = [content[at : at + 999_999] for at in range(0, size, 999_999)]

    assert digest_of("dropbox", pieces).value == expected.hexdigest()


@pytest.mark.parametrize("name", ["sha1", "sha256", "md5"])
def test_the_others_are_what_everybody_calls_so(name):
    assert digest_of(name, [b"an", b"y"]) == Digest(name, hashlib.new(name, b"any").hexdigest())
