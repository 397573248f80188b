"""The SHA-256 that S3 tells of an object, in our own buckets and in those of customers."""

import base64
import re
from collections.abc import Mapping
from typing import Any

NOTE = "sha256"
"""The name of an object's metadata in which it stands in hexadecimal."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def sha256_told(reply: Mapping[str, Any]) -> str | None:
    """The SHA-256 of a whole object in hexadecimal, from a reply to HeadObject or GetObject.

    S3 has compared its own checksum with the bytes; what is noted in the metadata is the word of
    whoever put the object. None where there is neither; a checksum of parts' checksums is none.
    """
    checksum = str(reply.get("ChecksumSHA256", ""))
    if reply.get("ChecksumType") != "COMPOSITE" and len(checksum) == 44:
        return in_hexadecimal(checksum)
    noted = str(reply.get("Metadata", {}).get(NOTE, "")).lower()
    return noted if _SHA256.fullmatch(noted) else None


def in_hexadecimal(checksum: str) -> str:
    """A checksum as S3 writes it, in base64, in the way in which all others do."""
    return base64.b64decode(checksum).hex()
