"""Dropbox's files and folders: what is told of them, and where they may be put.

Paths keep the case in which they were made, and are found in any.
"""

import time
from typing import Any

from local.providers.dropbox_arguments import WriteFailed, failure
from local.providers.store import Entry, Store, parent_of

_ID = "id:simulated"


def described(entry: Entry) -> dict[str, Any]:
    """An entry's metadata, without the tag that says of which kind it is."""
    told: dict[str, Any] = {
        "name": entry.path.rpartition("/")[2],
        "path_lower": f"/{entry.path.lower()}",
        "path_display": f"/{entry.path}",
        "id": f"{_ID}{entry.id:011d}",
    }
    if entry.sha256 is None:
        return told
    modified = _time(entry.modified)
    return told | {
        "client_modified": entry.meta.get("client_modified") or modified,
        "server_modified": modified,
        "rev": entry.etag,
        "size": entry.size,
        "is_downloadable": True,
        "content_hash": entry.meta["content_hash"],
    }


def tagged(entry: Entry) -> dict[str, Any]:
    """An entry's metadata where it may be of either kind."""
    return {".tag": "folder" if entry.sha256 is None else "file", **described(entry)}


def found(store: Store, account: str, path: str | None) -> Entry | dict[str, Any]:
    """The entry at a path or with an id, or the LookupError: `path` is None if it is malformed."""
    if path is None:
        return failure("malformed_path")
    entry = store.entry_like(account, path)
    if path.startswith("id:"):
        number = path.removeprefix(_ID)
        entry = store.entry_of(account, int(number)) if number.isdigit() else None
    return entry or failure("not_found")


def place(store: Store, account: str, path: str) -> str:
    """Where an entry of that path goes, with the folders above it, which are made if need be.

    Call it within a transaction; raises WriteFailed.
    """
    above = parent_of(path)
    if not above:
        return path
    name = path.rpartition("/")[2]
    parent = store.entry_like(account, above)
    if parent is None:
        parent = store.put_folder(account, place(store, account, above))
    if parent.sha256 is not None:
        raise WriteFailed("conflict", "file_ancestor")
    return f"{parent.path}/{name}"


def free_path(store: Store, account: str, path: str, mark: str | None) -> str:
    """A path beside one that is taken, with a mark or a number in its name."""
    above, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    number = 2
    while True:
        shown = mark if mark and number == 2 else f"{mark} {number - 1}" if mark else str(number)
        candidate = f"{above}{slash}{stem} ({shown}){dot}{extension}"
        if store.entry_like(account, candidate) is None:
            return candidate
        number += 1


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
