"""What Microsoft Graph says: of files, and of why it refuses a request."""

from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import Field

from replication.storage.hashes import Digest
from replication.storage.interface import Found, Throttled
from replication.storage.json_api import Answer, Reply, by_status
from replication.storage.replies import retry_after
from shared.errors import StorageRefused, TransientError

_DEEPEST_ERROR = 8


class Hashes(Reply):
    sha256: str | None = Field(default=None, alias="sha256Hash")
    quickxor: str | None = Field(default=None, alias="quickXorHash")


class FileFacet(Reply):
    hashes: Hashes = Hashes()


class Item(Reply):
    """A file or a folder; `SELECTED` asks for what is here."""

    id: str = ""
    name: str = ""
    size: int = -1
    etag: str | None = Field(default=None, alias="eTag")
    file: FileFacet | None = None
    folder: dict[str, Any] | None = None

    @property
    def found(self) -> Found:
        """As it lies there. Whatever is neither a file nor a folder, such as a notebook, has no
        bytes that could be compared.
        """
        if self.file is None:
            return Found(-1, None)
        sha256, quickxor = self.file.hashes.sha256, self.file.hashes.quickxor
        if sha256:
            sha256 = sha256.lower()
            return Found(self.size, sha256, digest=Digest("sha256", sha256))
        return Found(self.size, None, digest=Digest("quickxor", quickxor) if quickxor else None)


SELECTED = "id,name,size,eTag,file,folder"


class Page(Reply):
    value: tuple[Item, ...] = ()
    next: str | None = Field(default=None, alias="@odata.nextLink")


class Begun(Reply):
    """An upload in parts, that has begun."""

    url: str = Field(alias="uploadUrl", min_length=1)


class Session(Reply):
    """An upload in parts; the ranges that are missing still, as `26-` or `0-26`."""

    missing: tuple[str, ...] = Field(default=(), alias="nextExpectedRanges")

    @property
    def begins(self) -> int:
        """The first byte that is missing."""
        starts = [text.partition("-")[0] for text in self.missing]
        numbers = [int(start) for start in starts if start.isdecimal() and len(start) < 16]
        if not numbers:
            raise TransientError("ReplyNotUnderstood", "Microsoft does not say what is missing")
        return min(numbers)


def same_origin(url: str, other: str) -> bool:
    """Whether a URL leads where credentials may go."""
    one, two = urlsplit(url), urlsplit(other)
    return (one.scheme, one.netloc) == (two.scheme, two.netloc)


# --- refusals

_FULL = ("StorageFull", "the account has no space left: free some, or raise its quota")
_TOO_LARGE = ("FileTooLarge", "Microsoft takes no file of this size")
_TOO_LONG = ("NameIllegal", "Microsoft takes no path of this length: give folders shorter names")
_REFUSALS = {
    "accessDenied": (
        "CredentialsRefused",
        "the app may not do this here: have the customer's administrators give it the permission"
        " that the runbook names, and write access to this site or drive",
    ),
    "accessRestricted": (
        "CredentialsRefused",
        "only the owner may do this here: have them share the folder for editing",
    ),
    "insufficientStorage": _FULL,
    "invalidPath": ("NameIllegal", "Microsoft takes no such name: rename it"),
    "malwareDetected": ("FileRefused", "Microsoft takes the document for malware"),
    "maxFileSizeExceeded": _TOO_LARGE,
    "maxStreamSizeExceeded": _TOO_LARGE,
    "notAllowed": (
        "NotAllowed",
        "Microsoft does not allow this here: have the customer's administrators look whether the"
        " site or drive is frozen, over its quota or read-only",
    ),
    "pathIsTooLong": _TOO_LONG,
    "pathTooDeep": _TOO_LONG,
    "quotaLimitReached": _FULL,
    "virusSuspicious": ("FileRefused", "Microsoft takes the document for malware"),
}
_THROTTLES = frozenset({"activityLimitReached", "throttledRequest", "TooManyRequests"})


class NotThere(Exception):
    """No item is there, or the app may not see it."""


def meaning(answer: Answer) -> Exception | None:
    """What a refusal means; None where only its status says it."""
    status, codes = answer.status, codes_of(answer)
    if status in (429, 503, 509) or _THROTTLES & set(codes):
        named = [code for code in codes if code in _THROTTLES]
        return Throttled(named[0] if named else f"HTTP{status}", retry_after(answer.headers))
    if status == 423:
        return TransientError("Locked", "somebody has opened or locked what is at this place")
    for code in reversed(codes):  # The innermost says most.
        if code in _REFUSALS:
            return StorageRefused(*_REFUSALS[code])
    if status == 414:
        return StorageRefused(*_TOO_LONG)
    return NotThere() if status == 404 else None


def meaning_of_download(reply: requests.Response) -> Exception:
    """What it means that a file's bytes cannot be read from where they are kept."""
    answer = Answer(reply.status_code, reply.headers, {})
    return meaning(answer) or by_status(answer)


def codes_of(answer: Answer) -> list[str]:
    """The codes of a refusal from the outermost to the innermost; none where there are none."""
    error = answer.document.get("error")
    codes: list[str] = []
    for _ in range(_DEEPEST_ERROR):
        if not isinstance(error, dict):
            break
        if isinstance(code := error.get("code"), str):
            codes.append(code)
        error = error.get("innerError", error.get("innererror"))
    return codes
