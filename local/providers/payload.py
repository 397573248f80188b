"""An S3 object's content as it arrives, framed or not, and what a client says of it."""

import base64
import hashlib
import zlib
from collections.abc import Iterator

from local.providers.messages import PIECE, BrokenOff, Request, pieces
from local.providers.store import Blob, encoded

_CHECKSUM = "x-amz-checksum-"
_ALGORITHMS = ("sha256", "sha1", "crc32", "crc32c", "crc64nvme")


class Mismatch(Exception):
    """Content is not what was said of it; the first argument is S3's code."""


class Payload:
    """Iterate over it once, then verify it.

    SHA-256, SHA-1, CRC32 and MD5 are verified; the newer CRCs are kept as they were said, as
    Python cannot compute them. Signatures of chunks are not looked at.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._signed = request.header("x-amz-content-sha256") or ""
        coding = request.header("Content-Encoding") or ""
        self._framed = self._signed.startswith("STREAMING-") or "aws-chunked" in coding
        self._said = {
            name: value for name in _ALGORITHMS if (value := request.header(_CHECKSUM + name))
        }
        self._crc32, self._sha1 = 0, hashlib.sha1(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._unframed() if self._framed else pieces(self._request.body):
            self._crc32 = zlib.crc32(piece, self._crc32)
            self._sha1.update(piece)
            yield piece

    def _unframed(self) -> Iterator[bytes]:
        body = self._request.body
        try:
            while left := int(body.readline(1000).split(b";")[0], 16):
                while left:
                    piece = body.read(min(left, PIECE))
                    if not piece:
                        raise BrokenOff
                    left -= len(piece)
                    yield piece
                body.readline(8)
        except ValueError:
            raise Mismatch("IncompleteBody", "A chunk has no length.") from None
        while trailer := body.readline(8000).strip().decode("latin-1"):
            name, _, value = trailer.partition(":")
            if name.lower().startswith(_CHECKSUM):
                self._said[name.lower().removeprefix(_CHECKSUM)] = value.strip()

    def verify(self, blob: Blob) -> dict[str, str]:
        """The checksums that the client has said; raises Mismatch where one is wrong."""
        if self._framed and self._request.size != blob.size:
            raise Mismatch("IncompleteBody", "The body has not the length that was said.")
        if not self._framed and len(self._signed) == 64 and self._signed != blob.sha256:
            raise Mismatch("XAmzContentSHA256Mismatch", "The content is not the one signed.")
        computed = {
            "sha256": encoded(blob.sha256),
            "sha1": encoded(self._sha1.hexdigest()),
            "crc32": encoded(f"{self._crc32:08x}"),
        }
        wrong = [name for name, value in self._said.items() if computed.get(name, value) != value]
        said_md5 = self._request.header("Content-MD5")
        if wrong or said_md5 not in (None, encoded(blob.md5)):
            raise Mismatch("BadDigest", "The checksum you specified did not match the content.")
        return self._said


def composite(algorithm: str, values: list[str]) -> str | None:
    """The checksum of an object in parts, from those of its parts; None if it cannot be told."""
    digests = b"".join(base64.b64decode(value) for value in values)
    match algorithm:
        case "sha256":
            digest = hashlib.sha256(digests).digest()
        case "sha1":
            digest = hashlib.sha1(digests, usedforsecurity=False).digest()
        case "crc32":
            digest = zlib.crc32(digests).to_bytes(4, "big")
        case _:
            return None
    return f"{base64.b64encode(digest).decode()}-{len(values)}"
