"""Box's files and folders: how they are told of, what they may be called, and how Box says no.

A file is told of by its id, which stays the same however often there is a new version of it. Names
keep the case in which they were given, and are the same in any.
"""

import base64
import json
import time
import uuid
import zlib
from collections.abc import Iterable
from typing import Any

from local.providers.messages import Refused, Request, Response
from local.providers.store import Entry, Store, parent_of

ROOT = "0"
_HELP = "https://developer.box.com/guides/api-calls/permissions-and-errors/common-errors/"
_LONGEST_NAME = 255
_MOST = 1000
_WEST = 8 * 3600
_MINI = ("type", "id", "sequence_id", "etag", "name", "sha1", "file_version")


def error(status: int, code: str, message: str = "", **context: Any) -> Refused:
    document = {"type": "error", "status": status, "code": code}
    if context:
        document["context_info"] = context
    document |= {"help_url": _HELP, "message": message, "request_id": uuid.uuid4().hex[:16]}
    return Refused(answer(status, document))


def answer(status: int, document: Any) -> Response:
    return Response(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def not_found(what: str) -> Refused:
    found = [{"reason": "invalid_parameter", "name": what, "message": "Invalid value"}]
    return error(404, "not_found", "Not Found", errors=found)


def checked_name(name: Any) -> str:
    """A name as it was given; raises Refused."""
    if not isinstance(name, str) or not name:
        raise error(400, "bad_request", "Bad Request: the name is missing")
    if len(name) > _LONGEST_NAME:
        raise error(400, "item_name_too_long", "Item name too long")
    wrong = name in (".", "..") or name != name.strip(" ")
    if wrong or "/" in name or "\\" in name or not all(map(_is_printable, name)):
        raise error(400, "item_name_invalid", "Item name invalid")
    return name


def _is_printable(character: str) -> bool:
    return character >= " " and character != "\x7f" and not "\ud800" <= character <= "\udfff"


class Items:
    """The files and folders of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def folder(self, account: str, identity: Any) -> Entry:
        """A folder by its id; raises Refused."""
        if identity == ROOT:
            return Entry(0, "", None, 0, "", 0.0, {})
        found = self._of(account, identity)
        if found is None or found.sha256 is not None:
            raise not_found("folder")
        return found

    def file(self, account: str, identity: str) -> Entry:
        """A file by its id; raises Refused."""
        found = self._of(account, identity)
        if found is None or found.sha256 is None:
            raise not_found("item")
        return found

    def _of(self, account: str, identity: Any) -> Entry | None:
        if not (isinstance(identity, str) and identity.isascii() and identity.isdigit()):
            return None
        return self._store.entry_of(account, int(identity))

    def free_path(self, account: str, parent: Entry, name: str, *, kind: str) -> str:
        """Where a file or a folder of that name goes; raises Refused where one is there."""
        path = f"{parent.path}/{name}" if parent.path else name
        there = self._store.entry_like(account, path)
        if there is not None:
            told = self.mini(there)
            # Of folders it tells in a list, of files in an object.
            conflicts = [told] if kind == "folder" else told
            message = "Item with the same name already exists"
            raise error(409, "item_name_in_use", message, conflicts=conflicts)
        return path

    # How they are told of

    def mini(self, entry: Entry) -> dict[str, Any]:
        """What is told of an item within another."""
        root = not entry.path
        told: dict[str, Any] = {
            "type": "folder" if entry.sha256 is None else "file",
            "id": ROOT if root else str(entry.id),
        }
        if entry.sha256 is not None:
            version = {"type": "file_version", "id": entry.meta["version"]}
            told["file_version"] = {**version, "sha1": entry.meta["sha1"]}
            told["sha1"] = entry.meta["sha1"]
        number = None if root else "0" if entry.sha256 is None else entry.etag
        name = "All Files" if root else entry.path.rpartition("/")[2]
        return told | {"sequence_id": number, "etag": number, "name": name}

    def full(self, account: str, entry: Entry) -> dict[str, Any]:
        """What is told of an item that is asked for."""
        above = self._above(account, entry)
        modified = moment(entry.modified) if entry.path else None
        user = {
            "type": "user",
            "id": str(zlib.crc32(account.encode())),
            "name": account,
            "login": f"{account}@example.com",
        }
        return self.mini(entry) | {
            "description": "",
            "size": self._size(account, entry),
            "path_collection": {"total_count": len(above), "entries": above},
            "created_at": entry.meta.get("created_at", modified),
            "modified_at": modified,
            "content_created_at": entry.meta.get("content_created_at", modified),
            "content_modified_at": entry.meta.get("content_modified_at", modified),
            "created_by": user,
            "modified_by": user,
            "owned_by": user,
            "trashed_at": None,
            "purged_at": None,
            "shared_link": None,
            "parent": above[-1] if above else None,
            "item_status": "active",
        }

    def _above(self, account: str, entry: Entry) -> list[dict[str, Any]]:
        """The folders that an item is in, the root first."""
        if not entry.path:
            return []
        above: list[dict[str, Any]] = []
        path = parent_of(entry.path)
        while path:
            parent = self._store.entry(account, path)
            above += [self.mini(parent)] if parent else []
            path = parent_of(path)
        return [self.mini(self.folder(account, ROOT)), *reversed(above)]

    def _size(self, account: str, entry: Entry) -> int:
        if entry.sha256 is not None:
            return entry.size
        first, last = (f"{entry.path}/", f"{entry.path}0") if entry.path else ("", "\U0010ffff")
        return sum(below.size for below in self._store.below(account, first, last, -1))

    def shown(self, request: Request, account: str, entry: Entry) -> dict[str, Any]:
        """An item with the fields that are asked for, or all that are usual."""
        full = self.full(account, entry)
        fields = request.query.get("fields")
        if not fields:
            return full
        wanted = [*_MINI, *(field.strip() for field in fields.split(","))]
        return {name: value for name, value in full.items() if name in wanted}

    def listed(self, request: Request, account: str, folder: Entry) -> dict[str, Any]:
        """A page of a folder's items: folders come first, each kind by name."""
        items = sorted(
            self._store.children(account, folder.path),
            key=lambda entry: (entry.sha256 is not None, entry.path.lower()),
        )
        query = request.query
        limit = max(1, min(whole_number(query.get("limit"), "limit", 100), _MOST))
        if query.get("usemarker", "").lower() == "true":
            return self._marked_page(request, account, items, limit)
        offset = whole_number(query.get("offset"), "offset", 0)
        return {
            "total_count": len(items),
            "entries": self._page(request, account, items[offset : offset + limit]),
            "offset": offset,
            "limit": limit,
            "order": [{"by": "type", "direction": "ASC"}, {"by": "name", "direction": "ASC"}],
        }

    def _marked_page(
        self, request: Request, account: str, items: list[Entry], limit: int
    ) -> dict[str, Any]:
        """A marker is the item before: what comes and goes meanwhile moves no other item."""
        after = _unmarked(request.query.get("marker", ""))
        rest = [item for item in items if _mark_of(item) > after] if after else items
        more = len(rest) > limit
        marker = json.dumps(_mark_of(rest[limit - 1])).encode() if more else None
        return {
            "entries": self._page(request, account, rest[:limit]),
            "limit": limit,
            "next_marker": base64.urlsafe_b64encode(marker).decode() if marker else None,
        }

    def _page(self, request: Request, account: str, items: Iterable[Entry]) -> list[dict[str, Any]]:
        if request.query.get("fields"):
            return [self.shown(request, account, item) for item in items]
        return [self.mini(item) for item in items]


def _mark_of(item: Entry) -> list[Any]:
    return [item.sha256 is not None, item.path.lower()]


def _unmarked(marker: str) -> list[Any] | None:
    if marker in ("", "0"):
        return None
    try:
        kind, path = json.loads(base64.urlsafe_b64decode(marker))
    except (ValueError, TypeError):
        raise error(400, "invalid_marker", "Invalid marker") from None
    return [bool(kind), str(path)]


def whole_number(text: str | None, name: str, otherwise: int) -> int:
    """What a client has written as a number, if anything; raises Refused where it is none."""
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit()):
        raise error(400, f"invalid_{name}", f"{name.capitalize()} is not a valid number")
    return int(text)


def moment(seconds: float) -> str:
    """A time as Box writes it: with the offset of where it is, and not as UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S-08:00", time.gmtime(seconds - _WEST))
