"""The files of Google Drive as its API shows them, by their ids and in a store that knows paths.

Several files in a folder may have one name; in the store a mark behind a name tells them apart.
What is in the trash lies apart from the folders, and is still found by its id.
"""

import mimetypes
import time
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from local.providers.drive_errors import not_found
from local.providers.ids import from_url_safe, sealed, unsealed, url_safe
from local.providers.store import BIN, LAST, Entry, Store, parent_of

FOLDER = "application/vnd.google-apps.folder"
UNKNOWN_TYPE = "application/octet-stream"
_TWIN = "\x1f"
_ID_BYTES = 24
_SLASH = "\u2215"
"""In a path, where a name has a slash."""

WRITABLE = ("name", "mimeType", "description", "starred", "properties", "appProperties")


class Files:
    """One store's files. Ids are those of the API, and `space` is an account's name."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # Ids

    def root_id(self, space: str) -> str:
        digest = blake2b(space.encode(), digest_size=11).digest()
        return f"0A{url_safe(digest)[:14]}PVA"

    def id_of(self, space: str, number: int) -> str:
        return "1" + url_safe(sealed(number, space, _ID_BYTES))

    def number(self, space: str, file_id: str) -> int | None:
        """What an id stands for, whether there is such a file or not."""
        return unsealed(file_id[1:], space, from_url_safe) if file_id.startswith("1") else None

    def find(self, space: str, file_id: str) -> Entry | None:
        """A file or a folder; the root folder has the number 0."""
        if file_id in ("root", self.root_id(space)):
            return Entry(0, "", None, 0, "root", 0.0, {"name": "My Drive"})
        number = self.number(space, file_id)
        return None if number is None else self.store.entry_of(space, number)

    # Places

    def free_path(self, space: str, parent: Entry, name: str, own: int = 0) -> str:
        """Where a file of that name goes in a folder; `own` is the number of a file that moves."""
        segment = name.replace("/", _SLASH)
        first = path = f"{parent.path}/{segment}" if parent.path else segment
        number = 1
        while (there := self.store.entry(space, path)) is not None and there.id != own:
            number += 1
            path = f"{first}{_TWIN}{number}"
        return path

    def parent(self, space: str, entry: Entry) -> Entry | None:
        """The folder that a file is in, or was in before it was thrown away; None of the root."""
        if not entry.id:
            return None
        if "was_in" in entry.meta:
            number = entry.meta["was_in"]
            return self.store.entry_of(space, number) if number else self.find(space, "root")
        above = parent_of(entry.path)
        return self.store.entry(space, above) if above else self.find(space, "root")

    def trash(self, space: str, entry: Entry, parent: Entry) -> None:
        meta = changed(entry.meta) | {"was_in": parent.id}
        self.store.revise(entry, meta)
        self.store.move(space, entry.path, f"{BIN}{entry.id}")

    def restore(self, space: str, entry: Entry) -> None:
        folder = self.parent(space, entry) if entry.meta["was_in"] else None
        if folder is None or folder.path.startswith(BIN):
            folder = self.find(space, "root")
        assert folder is not None  # noqa: S101 - there is always a root
        meta = {name: value for name, value in changed(entry.meta).items() if name != "was_in"}
        self.store.revise(entry, meta)
        self.store.move(space, entry.path, self.free_path(space, folder, name_of(entry)))

    # What the API shows

    def shown(self, space: str, folder_id: str | None = None) -> Iterator[dict[str, Any]]:
        """All files and folders but the root; those of one folder, or of all."""
        if folder_id is None:
            entries = self.store.everything(space)
        else:
            entries = self._in_folder(space, self.find(space, folder_id))
        for entry in entries:
            yield self.resource(space, entry)

    def _in_folder(self, space: str, folder: Entry | None) -> list[Entry]:
        if folder is None:
            raise not_found("")  # So Google says it, without the id.
        thrown_away = self.store.below(space, BIN, BIN + LAST, -1)
        from_there = [one for one in thrown_away if one.meta.get("was_in") == folder.id]
        return self.store.children(space, folder.path) + from_there

    def resource(self, space: str, entry: Entry) -> dict[str, Any]:
        """A file with all that may be asked of it."""
        above = self.parent(space, entry)
        parents = [] if above is None else [self._id(space, above)]
        return self._resource(space, entry, parents)

    def _id(self, space: str, entry: Entry) -> str:
        return self.id_of(space, entry.id) if entry.id else self.root_id(space)

    def _resource(self, space: str, entry: Entry, parents: list[str]) -> dict[str, Any]:
        meta, thrown_away = entry.meta, entry.path.startswith(BIN)
        file = {
            "kind": "drive#file",
            "id": self._id(space, entry),
            "name": name_of(entry),
            "mimeType": mime_type(entry),
            "starred": meta.get("starred", False),
            "trashed": thrown_away,
            "explicitlyTrashed": "was_in" in meta,
            "spaces": ["drive"],
            "version": str(meta.get("version", 1)),
            "createdTime": moment(meta.get("created", entry.modified)),
            "modifiedTime": moment(entry.modified),
            "shared": False,
            "ownedByMe": True,
            "quotaBytesUsed": str(entry.size),
            **{name: meta[name] for name in WRITABLE if name in meta},
        }
        if parents:
            file["parents"] = parents
        return file if entry.sha256 is None else file | _content_of(entry)


def _content_of(entry: Entry) -> dict[str, Any]:
    name = name_of(entry)
    return {
        "size": str(entry.size),
        "md5Checksum": entry.meta["md5"],
        "sha1Checksum": entry.meta["sha1"],
        "sha256Checksum": entry.sha256,
        "headRevisionId": "0B" + url_safe(bytes.fromhex(entry.etag) * 2),
        "originalFilename": name,
        "fullFileExtension": name.partition(".")[2],
        "fileExtension": name.rpartition(".")[2] if "." in name else "",
    }


def name_of(entry: Entry) -> str:
    name: str = entry.meta["name"]
    return name


def mime_type(entry: Entry) -> str:
    if entry.sha256 is None:
        return FOLDER
    given: str | None = entry.meta.get("mimeType")
    return given or UNKNOWN_TYPE


def guessed_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or UNKNOWN_TYPE


def changed(meta: dict[str, Any]) -> dict[str, Any]:
    """What is said of a file once something of it has changed."""
    return {**meta, "version": meta.get("version", 1) + 1}


def moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
