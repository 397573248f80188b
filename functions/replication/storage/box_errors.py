"""What Box's errors mean: by their code where they have one, else by the status."""

from typing import Any

from replication.storage.json_api import Answer
from shared.errors import StorageRefused, TransientError

CHECKSUM_MISMATCH = "ChecksumMismatch"
_NAME = ("NameIllegal", "Box takes no such name: rename it")
_FULL = ("StorageFull", "the account has no space left: free some, or raise its quota")
_DENIED = ("CredentialsRefused", "the app's user may not do this here: make them an editor of the"
           " folder, and give the app the scope to read and write all files")  # fmt: skip
_REFUSALS = {
    "access_denied_insufficient_permissions": _DENIED,
    "access_denied_item_locked": ("FileLocked", "somebody has locked what is at this place: ask"
                                  " them to unlock it"),
    "file_size_limit_exceeded": ("FileTooLarge", "Box takes no file of this size in the account's"
                                 " plan"),
    "forbidden_by_policy": ("CredentialsRefused", "a policy of the customer's forbids this: have"
                            " their administrator make an exception"),
    "insufficient_scope": _DENIED,
    "item_name_invalid": _NAME,
    "item_name_too_long": _NAME,
    "storage_limit_exceeded": _FULL,
    "user_storage_limit_exceeded": _FULL,
}  # fmt: skip
_TRANSIENT = {
    "bad_digest": (CHECKSUM_MISMATCH, "other bytes have arrived than were sent"),
    "digest_mismatch": (CHECKSUM_MISMATCH, "other bytes have arrived than were sent"),
    "name_temporarily_reserved": ("Locked", "somebody puts something at the same place just now"),
    "operation_blocked_temporary": ("Locked", "the folder is being changed: it is locked"),
}


class NotThere(Exception):
    """No such folder, or no such upload session."""


def meaning(answer: Answer) -> Exception | None:
    code = code_of(answer)
    if code in _REFUSALS:
        return StorageRefused(*_REFUSALS[code])
    if code in _TRANSIENT:
        return TransientError(*_TRANSIENT[code])
    return NotThere() if answer.status == 404 or code == "trashed" else None


def code_of(answer: Answer) -> str:
    return str(answer.document.get("code"))


def conflict_in(answer: Answer) -> dict[str, Any] | None:
    """What has the name already: an item, told in a list of folders and alone of files. Empty where
    Box does not tell; None where it is no such conflict.
    """
    if code_of(answer) != "item_name_in_use":
        return None
    context = answer.document.get("context_info")
    told = context.get("conflicts") if isinstance(context, dict) else None
    first = told[0] if isinstance(told, list) and told else told
    return first if isinstance(first, dict) else {}
