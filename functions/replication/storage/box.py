"""A customer's folder in Box, by its API version 2.0.

Box knows folders by their ids, which are kept for a while, and tells the SHA-1 of each file. It
compares that with what has arrived, so nothing is read back. Names are the same in any case.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from replication.storage import uploading
from replication.storage.box_errors import CHECKSUM_MISMATCH, NotThere, conflict_in, meaning
from replication.storage.folder_ids import EntityFolderIds
from replication.storage.hashes import Digest
from replication.storage.interface import Document, Found, Meter, Operation, Pause, Upload
from replication.storage.json_api import Answer, Api, Connection, Reply, by_status, read
from replication.storage.names import BOX, illegal
from replication.storage.replies import retry_after
from replication.storage.sending import Body
from shared.errors import StorageRefused, TransientError

API_URL = "https://api.box.com"
UPLOAD_URL = "https://upload.box.com"
LARGEST_REQUEST = 50_000_000
"""Longer documents go through an upload session."""

LONGEST_NAME = 255
_ITEMS_AT_ONCE = 1000
_FIELDS = "type,id,name,size,sha1"

_BESIDES: Operation = "find"
"""What a request about an upload session costs that carries none of its content."""

_FOLDER_MISSING = ("FolderMissing", "the folder above is not there (any more)")
_LOCATION_MISSING = (
    "LocationMissing",
    "the account's location is not there, or the app's user may not see it: correct it, or invite"
    " them to the folder",
)
_NAME_TAKEN = ("NameTaken", "a file has a folder's name, or a folder a document's: rename it")


class _Item(Reply):
    type: str
    id: str
    name: str = ""
    size: int = 0
    sha1: str | None = None


class _Page(Reply):
    entries: list[_Item]
    next_marker: str | None = None


class _Uploaded(Reply):
    entries: list[_Item]


class _Session(Reply):
    id: str
    part_size: int


class _Part(Reply):
    part_id: str
    offset: int
    size: int
    sha1: str


class _PartMade(Reply):
    part: _Part


class _Parts(Reply):
    entries: list[_Part]
    total_count: int


class Box(uploading.KnownByDigest):
    """See `Storage`. `location` is the id of a folder; the root's is `0`."""

    def __init__(
        self, location: str, endpoint: str | None, connection: Connection, meter: Meter
    ) -> None:
        self._location = location
        own = endpoint.rstrip("/") if endpoint else None
        self._api_url = f"{own or API_URL}/2.0"
        self._upload_url = f"{own or UPLOAD_URL}/api/2.0/files"
        self._ids = EntityFolderIds(connection.folder_ids)
        self._api = Api(connection, meter, meaning)

    def illegal(self, path: str) -> str | None:
        return illegal(path, BOX, LONGEST_NAME)

    def go_on(self, folders: Sequence[str], notes: dict[str, Any]) -> None:
        self._ids.go_on(folders, notes.setdefault("folders", {}))

    def create_folder(self, path: str) -> bool:
        above, _, name = path.rpartition("/")

        def create(parent: str) -> Answer:
            return self._api.ask(
                "create_folder",
                "POST",
                f"{self._api_url}/folders",
                (201, 409),
                document={"name": BOX.written(name), "parent": {"id": parent}},
                in_doubt=True,
            )

        answer = self._within(above, create)
        if answer.status == 201:
            self._ids.put(path, answer.read(_Item).id)
            return True
        conflict = conflict_in(answer)
        if conflict is None:
            raise _refusal(answer)
        there = read(_Item, conflict)
        if there.type != "folder":
            raise StorageRefused(*_NAME_TAKEN)
        self._ids.put(path, there.id)
        return False

    def find(self, folder: str) -> Mapping[str, Found]:
        try:
            items = self._in_folder(folder, lambda folder_id: list(self._items(folder_id)))
        except NotThere:
            return {}
        named = ((BOX.read(item.name), item) for item in items if item.type == "file")
        return {name: _found(item) for name, item in named if name is not None}

    # --- what `uploading` needs

    def look(self, path: str) -> Found | None:
        """The file at a path, whose name may be written in another case."""
        above, _, name = path.rpartition("/")
        files = self.find(above)
        alike = (found for other, found in files.items() if _is_alike(other, name))
        return files.get(name) or next(alike, None)

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        if progress.get("sha256") != document.sha256:
            self.give_up(path, progress)
            progress.clear()
        if document.size <= LARGEST_REQUEST:
            return self._put_whole(path, document)
        try:
            return self._put_in_parts(path, document, progress)
        except NotThere:
            progress.clear()
            raise TransientError("UploadExpired", "Box has no such upload: begin again") from None

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """Remove the parts of an upload: they count against the account's storage."""
        if "session" not in progress:
            return
        try:
            self._api.ask(_BESIDES, "DELETE", self._session_url(progress), (204,))
        except NotThere:
            return

    # --- sending

    def _put_whole(self, path: str, document: Document) -> Upload | None:
        above, _, name = path.rpartition("/")
        sha1 = uploading.digest_of_part(document, "sha1", 0, document.size).value

        def send(folder_id: str) -> Answer:
            boundary = uuid4().hex
            return self._api.ask(
                "upload",
                "POST",
                f"{self._upload_url}/content",
                (201, 409),
                headers={
                    "Content-Type": f"multipart/form-data; boundary={boundary}",
                    "Content-MD5": sha1,  # It is SHA-1 that Box wants under this name.
                },
                body=_form(document, boundary, BOX.written(name), folder_id),
                in_doubt=True,
            )

        return _made(self._within(above, send), sha1)

    def _put_in_parts(
        self, path: str, document: Document, progress: dict[str, Any]
    ) -> Upload | None:
        """`progress` keeps the session, the parts' size and the document's SHA-1; Box knows which
        parts have arrived.
        """
        parts: dict[int, _Part] = {}
        if "session" in progress:
            parts = {part.offset: part for part in self._parts_that_are_there(progress)}
        else:
            begun = self._begin(path, document, progress)
            if begun.status != 201:
                return _made(begun, progress["sha1"])
        size = progress["part_bytes"]
        for start in range(0, document.size, size):
            if start not in parts:
                length = min(size, document.size - start)
                parts[start] = self._put_part(document, start, length, progress)
        return self._committed([parts[start] for start in sorted(parts)], progress)

    def _begin(self, path: str, document: Document, progress: dict[str, Any]) -> Answer:
        above, _, name = path.rpartition("/")
        sha1 = uploading.digest_of_part(document, "sha1", 0, document.size).value
        answer = self._within(
            above,
            lambda folder_id: self._api.ask(
                _BESIDES,
                "POST",
                f"{self._upload_url}/upload_sessions",
                (201, 409),
                document={
                    "folder_id": folder_id,
                    "file_size": document.size,
                    "file_name": BOX.written(name),
                },
            ),
        )
        progress |= {"sha256": document.sha256, "sha1": sha1}
        if answer.status == 201:
            session = answer.read(_Session)
            progress |= {"session": session.id, "part_bytes": session.part_size}
        return answer

    def _parts_that_are_there(self, progress: dict[str, Any]) -> Iterator[_Part]:
        offset = 0
        while True:
            query = urlencode({"limit": _ITEMS_AT_ONCE, "offset": offset})
            url = f"{self._session_url(progress)}/parts?{query}"
            page = self._api.ask(_BESIDES, "GET", url, (200,)).read(_Parts)
            yield from page.entries
            offset += len(page.entries)
            if not page.entries or offset >= page.total_count:
                return

    def _put_part(
        self, document: Document, start: int, length: int, progress: dict[str, Any]
    ) -> _Part:
        sha1 = uploading.digest_of_part(document, "sha1", start, length).value
        answer = self._api.ask(
            "upload",
            "PUT",
            self._session_url(progress),
            (200,),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {start}-{start + length - 1}/{document.size}",
                "Digest": _digest_header(sha1),
            },
            body=Body(document, start, length),
        )
        return answer.read(_PartMade).part

    def _committed(self, parts: list[_Part], progress: dict[str, Any]) -> Upload | None:
        """Have the parts made a file; a Pause where Box has not processed all of them yet."""
        try:
            answer = self._api.ask(
                "upload",
                "POST",
                f"{self._session_url(progress)}/commit",
                (201, 202, 409),
                headers={"Digest": _digest_header(progress["sha1"])},
                document={"parts": [part.model_dump() for part in parts]},
                in_doubt=True,
            )
        except TransientError as error:
            if error.code == CHECKSUM_MISMATCH:  # Of no use to anybody any more.
                self.give_up("", progress)
                progress.clear()
            raise
        if answer.status == 202:
            raise Pause(time.time() + (retry_after(answer.headers) or 1.0))
        sha1 = progress["sha1"]
        if answer.status == 201:
            progress.clear()
        return _made(answer, sha1)

    def _session_url(self, progress: dict[str, Any]) -> str:
        return f"{self._upload_url}/upload_sessions/{progress['session']}"

    # --- folders

    def _within[Kind](self, folder: str, action: Callable[[str], Kind]) -> Kind:
        """Do something with a folder that has to be there."""
        try:
            return self._in_folder(folder, action)
        except NotThere:
            raise TransientError(*_FOLDER_MISSING) from None

    def _in_folder[Kind](self, folder: str, action: Callable[[str], Kind]) -> Kind:
        """Do something with a folder's id; raises NotThere. An id that Box knows no longer is
        looked up again.
        """
        try:
            return self._done_in(folder, action)
        except NotThere:
            self._ids.clear()
        return self._done_in(folder, action)

    def _done_in[Kind](self, folder: str, action: Callable[[str], Kind]) -> Kind:
        folder_id = self._folder_id(folder)
        try:
            return action(folder_id)
        except NotThere:
            if folder_id == self._location:
                raise StorageRefused(*_LOCATION_MISSING) from None
            raise

    def _folder_id(self, folder: str) -> str:
        """A folder's id; those of the folders that come before it in the list are kept, too."""
        if not folder:
            return self._location
        known = self._ids.get(folder)
        if known is not None:
            return known
        above, slash, name = folder.rpartition("/")

        def search(parent: str) -> str | None:
            for item in self._items(parent):
                other = BOX.read(item.name) if item.type == "folder" else None
                if other is None:
                    continue
                self._ids.put(f"{above}{slash}{other}", item.id)
                if _is_alike(other, name):
                    self._ids.put(folder, item.id)
                    return item.id
            return None

        found = self._done_in(above, search)
        if found is None:
            raise NotThere
        return found

    def _items(self, folder_id: str) -> Iterator[_Item]:
        query = {"fields": _FIELDS, "limit": str(_ITEMS_AT_ONCE), "usemarker": "true"}
        while True:
            url = f"{self._api_url}/folders/{folder_id}/items?{urlencode(query)}"
            page = self._api.ask("find", "GET", url, (200,)).read(_Page)
            yield from page.entries
            if not page.next_marker:
                return
            query["marker"] = page.next_marker


def _refusal(answer: Answer) -> Exception:
    return meaning(answer) or by_status(answer)


def _made(answer: Answer, sha1: str) -> Upload | None:
    """What has come of an upload. Where a file has the name already, Box mostly tells its SHA-1;
    None where it does not.
    """
    if answer.status == 201:
        made = answer.read(_Uploaded).entries
        if [item.sha1 for item in made] != [sha1]:
            raise TransientError(CHECKSUM_MISMATCH, "other bytes have arrived than were sent")
        return "uploaded"
    conflict = conflict_in(answer)
    if conflict is None:
        raise _refusal(answer)
    if conflict.get("type") == "folder":
        raise StorageRefused(*_NAME_TAKEN)
    theirs = conflict.get("sha1")
    if not isinstance(theirs, str):
        return None
    return "identical" if theirs == sha1 else "conflict"


def _found(item: _Item) -> Found:
    return Found(item.size, None, digest=Digest("sha1", item.sha1 or ""))


def _form(document: Document, boundary: str, name: str, folder_id: str) -> Body:
    """A form with what the file is called and where it goes, and then the file."""
    attributes = json.dumps({"name": name, "parent": {"id": folder_id}})
    part = f"--{boundary}\r\nContent-Disposition: form-data; name="
    before = (
        f'{part}"attributes"\r\nContent-Type: application/json\r\n\r\n{attributes}\r\n'
        f'{part}"file"; filename="document"\r\nContent-Type: application/octet-stream\r\n\r\n'
    )
    after = f"\r\n--{boundary}--\r\n"
    return Body(document, 0, document.size, before=before.encode(), after=after.encode())


def _digest_header(sha1: str) -> str:
    return f"sha={base64.b64encode(bytes.fromhex(sha1)).decode()}"


def _is_alike(name: str, other: str) -> bool:
    return name.casefold() == other.casefold()
