"""What Dropbox's errors mean.

An endpoint's own error comes with HTTP 409: a union whose tag holds the next one, and so on. What
all endpoints have in common has a status of its own, and may be plain text.

`too_many_write_operations` says that somebody else is writing into the account at this moment, not
that there are too many requests. Our own workers do not, as the meter's lease lets in one at a
time; so it is the customer, or another app. To slow down, as after a throttle, would not help, and
to fail after some tries would be wrong: so it is a Pause for as long as Dropbox says, which costs
neither rate nor attempts, and the lease goes to whoever comes next.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from replication.storage.interface import Pause
from replication.storage.json_api import Answer, safe_code
from replication.storage.replies import retry_after
from shared.errors import StorageRefused, TransientError

_SCOPES = "files.metadata.read and files.content.write"
_REFUSALS = {
    "insufficient_space": (
        "StorageFull", "the account has no space left: free some, or raise its quota"),
    "insufficient_quota": (
        "StorageFull", "the account has no space left: free some, or raise its quota"),
    "conflict": ("NameTaken", "a file has a folder's name, or a folder a document's: rename it"),
    "not_folder": ("NameTaken", "a file has a folder's name: rename or move the file"),
    "malformed_path": ("NameIllegal", "Dropbox takes no such name: rename it"),
    "disallowed_name": ("NameIllegal", "Dropbox takes no such name: rename it"),
    "no_write_permission": (
        "CredentialsRefused", "the app's user may not write here: give them the right to"),
    "cant_save": ("CredentialsRefused", "the app's user may not write here: give them the right"),
    "team_folder": ("CredentialsRefused", "a team folder takes no such change: choose a folder in"
                    " it as the account's location"),
    "restricted_content": ("Restricted", "Dropbox has restricted what is at this place"),
    "payload_too_large": ("FileTooLarge", "Dropbox takes no request of this size"),
    "too_large": ("FileTooLarge", "Dropbox takes no file of this size"),
    "missing_scope": ("CredentialsRefused", f"the app lacks {_SCOPES}: add them, and have the"
                      " customer authorise it again"),
    "user_suspended": ("CredentialsRefused", "the app's user is suspended in Dropbox"),
    "invalid_select_user": ("CredentialsRefused", "the app is a team's: register one for users"),
}  # fmt: skip
_TRANSIENT = {
    "content_hash_mismatch": ("ChecksumMismatch", "other bytes have arrived than were sent"),
    "not_found": ("FolderMissing", "the folder above is not there (any more)"),
    "operation_suppressed": ("Locked", "Dropbox suppresses changes at this place just now"),
    "reset": ("ListChanged", "the list has changed while it was read: read it again"),
}
_LOCKED = "too_many_write_operations"
_LOCKED_SECONDS = 2.0
_LOOKUP = frozenset({"incorrect_offset", "not_found", "closed", "not_closed", "lookup_failed"})


@dataclass(frozen=True)
class Failure:
    """An endpoint's error: its tags from the outside to the inside."""

    tags: tuple[str, ...]
    correct_offset: int | None
    retry_after: float | None

    @property
    def is_lookup(self) -> bool:
        """Whether an upload session is not as we believe."""
        return self.tags[0] in _LOOKUP

    def meaning(self) -> Exception:
        for tag in self.tags:
            if tag == _LOCKED:
                return _locked(self.retry_after)
            if tag in _REFUSALS:
                return StorageRefused(*_REFUSALS[tag])
            if tag in _TRANSIENT:
                return TransientError(*_TRANSIENT[tag])
        return StorageRefused(safe_code(self.tags[-1]), "Dropbox refused the request")


def failure_in(answer: Answer) -> Failure | None:
    """The endpoint's error; None where it has succeeded."""
    if answer.status != 409:
        return None
    unions = list(_unions(answer.document.get("error")))
    offsets = [union["correct_offset"] for union in unions if "correct_offset" in union]
    offset = offsets[0] if offsets and isinstance(offsets[0], int) else None
    tags = tuple(str(union[".tag"]) for union in unions) or ("Unknown",)
    return Failure(tags, offset, retry_after(answer.headers))


def meaning(answer: Answer) -> Exception | None:
    """What is common to all endpoints and the status alone does not say.

    401 is `expired_access_token` or `invalid_access_token` mostly, and left to whoever has tokens;
    429 may be plain text, which is about too many requests like any other.
    """
    error = answer.document.get("error")
    if answer.status == 429:
        reason = error.get("reason") if isinstance(error, dict) else None
        is_locked = any(union[".tag"] == _LOCKED for union in _unions(reason))
        return _locked(retry_after(answer.headers)) if is_locked else None
    if answer.status not in (401, 403):
        return None
    tags = [str(union[".tag"]) for union in _unions(error)]
    return next((StorageRefused(*_REFUSALS[tag]) for tag in tags if tag in _REFUSALS), None)


def _locked(seconds: float | None) -> Pause:
    return Pause(time.time() + (_LOCKED_SECONDS if seconds is None else seconds))


def _unions(union: Any) -> Iterator[Mapping[str, Any]]:
    """A tagged union, and those in it. A failed upload has the next one under `reason`."""
    while isinstance(union, Mapping) and isinstance(union.get(".tag"), str):
        yield union
        union = union.get(union[".tag"], union.get("reason"))
