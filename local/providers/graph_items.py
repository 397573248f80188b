"""The items of OneDrive and of SharePoint's document libraries as Microsoft Graph shows them.

An account has one drive, of the type that the account says: a personal OneDrive, one of a business,
or a document library. The case of letters in names does not matter.
"""

import base64
import hashlib
import mimetypes
import time
from typing import Any
from urllib.parse import quote

from local.providers.graph_errors import changed_meanwhile, name_taken
from local.providers.graph_names import check_name, check_path, renamed
from local.providers.ids import sealed, unsealed
from local.providers.messages import Request
from local.providers.store import Account, Entry, Store, parent_of

_ID_BYTES = 20
ROOT = Entry(0, "", None, 0, "0" * 32, 0.0, {})


def drive_id(account: str, drive_type: str) -> str:
    """The id of an account's drive."""
    digest = hashlib.sha256(account.encode()).digest()
    if drive_type == "personal":
        return digest[:8].hex().upper()
    return "b!" + base64.urlsafe_b64encode(digest + digest[:16]).decode()


class Items:
    """The items of one store's drives."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def drive(self, account: Account) -> str:
        return drive_id(account.name, account.drive_type)

    # Ids

    def id_of(self, account: Account, number: int) -> str:
        drive = self.drive(account)
        content = sealed(number, drive, _ID_BYTES)
        if account.drive_type == "personal":
            return f"{drive}!s{content.hex()}"
        return "01" + base64.b32encode(content).decode()

    def find(self, account: Account, item_id: str) -> Entry | None:
        if item_id.lower() == "root":
            return ROOT
        drive = self.drive(account)
        if account.drive_type == "personal":
            number = unsealed(item_id.removeprefix(f"{drive}!s"), drive, bytes.fromhex)
        else:
            number = unsealed(item_id[2:], drive, base64.b32decode)
        if number == 0:
            return ROOT
        return None if number is None else self.store.entry_of(account.name, number)

    # Places

    def at(self, account: Account, above: Entry, path: str) -> Entry | None:
        """The item at a path below another one."""
        found: Entry | None = above
        for name in filter(None, path.split("/")):
            if found is None or found.sha256 is not None:
                return None
            found = self.store.entry_like(account.name, _joined(found.path, name))
        return found

    def place(
        self, account: Account, folder: Entry, name: str, behaviour: str, own: int = 0
    ) -> str:
        """The path for an item, where there may be a file that it replaces; raises Refused.

        `own` is the number of an item that moves."""
        check_name(name, personal=account.drive_type == "personal")
        path, number = _joined(folder.path, name), 0
        check_path(path)
        while (there := self.store.entry_like(account.name, path)) is not None and there.id != own:
            if behaviour == "replace" and there.sha256 is not None:
                return there.path
            if behaviour != "rename":
                raise name_taken()
            number += 1
            path = _joined(folder.path, renamed(name, number))
        return path

    # What Graph shows

    def shown(self, request: Request, account: Account, entry: Entry) -> dict[str, Any]:
        """A driveItem."""
        guid, version, content = _tags(entry)
        name = entry.path.rpartition("/")[2] or "root"
        item: dict[str, Any] = {
            "createdDateTime": moment(entry.meta.get("created", entry.modified)),
            "eTag": f'"{{{guid}}},{version}"',
            "id": self.id_of(account, entry.id),
            "lastModifiedDateTime": moment(entry.modified),
            "name": name,
            "webUrl": f"{request.base}/{quote(account.name)}/Documents/{quote(entry.path)}",
            "cTag": f'"c:{{{guid}}},{content}"',
            "size": entry.size,
            "parentReference": self._parent(account, entry),
            "fileSystemInfo": {
                "createdDateTime": moment(entry.meta.get("created", entry.modified)),
                "lastModifiedDateTime": moment(entry.meta.get("modified", entry.modified)),
            },
        }
        if entry.sha256 is None:
            children, size = self.store.within(account.name, entry.path)
            item |= {"folder": {"childCount": children}, "size": size}
            return item if entry.id else item | {"root": {}}
        mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return item | {"file": {"mimeType": mime_type, "hashes": _hashes(account, entry)}}

    def _parent(self, account: Account, entry: Entry) -> dict[str, Any]:
        drive = {"driveType": account.drive_type, "driveId": self.drive(account)}
        if not entry.id:
            return drive
        above = parent_of(entry.path)
        folder = self.store.entry(account.name, above) if above else ROOT
        path = f"/drives/{drive['driveId']}/root:" + (f"/{quote(above)}" if above else "")
        name = above.rpartition("/")[2] or "root"
        number = folder.id if folder else 0
        return {**drive, "id": self.id_of(account, number), "name": name, "path": path}


def check_tags(request: Request, entry: Entry | None) -> None:
    """Raises Refused where If-Match or If-None-Match does not hold."""
    wanted, unwanted = request.header("If-Match"), request.header("If-None-Match")
    tags: set[str] = set()
    if entry is not None:
        guid, version, content = _tags(entry)
        tags = {"*", f"{{{guid}}},{version}", f"c:{{{guid}}},{content}"}
    if wanted is not None and _bare(wanted) not in tags:
        raise changed_meanwhile()
    if unwanted is not None and _bare(unwanted) in tags:
        raise changed_meanwhile()


def _bare(tag: str) -> str:
    return tag.removeprefix("W/").strip('"')


def _tags(entry: Entry) -> tuple[str, int, int]:
    """What an item's tags are made of: which it is, and how often it and its content changed."""
    digest = hashlib.sha256(f"item {entry.id}".encode()).hexdigest().upper()
    parts = (digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])
    return "-".join(parts), entry.meta.get("version", 1), entry.meta.get("content", 1)


def _hashes(account: Account, entry: Entry) -> dict[str, str]:
    assert entry.sha256 is not None  # noqa: S101 - a file has content
    hashes = {"quickXorHash": entry.meta["quick_xor"]}
    if account.drive_type == "personal":
        hashes |= {"sha1Hash": entry.meta["sha1"].upper(), "sha256Hash": entry.sha256.upper()}
    return hashes


def changed(entry: Entry | None, *, content: bool) -> dict[str, Any]:
    """What is to be said of an item once it, or its content, has changed."""
    if entry is None:
        return {"version": 1, "content": 1, "created": time.time()}
    meta = {**entry.meta, "version": entry.meta.get("version", 1) + 1}
    return meta | {"content": meta.get("content", 1) + 1} if content else meta


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
