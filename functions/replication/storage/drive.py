"""A customer's folder in Google Drive, in My Drive or in a shared drive.

Drive knows files by ids: a path is found out folder by folder, and what was found is kept for some
minutes. Names may occur twice in a folder, and nothing can be put on condition that its name is
free. So an id is asked for beforehand: who makes the same once more, because the reply was lost, is
told that the id is taken. And it is looked before anything is made, but where drive_keys.py says
that there is no need. Where there are two of a name nevertheless, the oldest is meant.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from replication.storage import drive_replies, uploading
from replication.storage.drive_keys import Keys
from replication.storage.drive_replies import (
    FILE_FIELDS,
    FOLDER,
    LIST_FIELDS,
    File,
    Ids,
    NotThere,
    Page,
)
from replication.storage.folder_ids import EntityFolderIds
from replication.storage.interface import Document, Found, Meter, Upload
from replication.storage.json_api import Answer, Api, Connection
from replication.storage.names import DRIVE, illegal
from replication.storage.sending import Body
from replication.storage.upload_sessions import UploadGone, part_refused, send_parts
from shared.errors import AmbiguousError, StorageRefused, TransientError

GOOGLE = "https://www.googleapis.com"

AT_ONCE_BYTES = 4_900_000
"""Google takes 5 MB in one request, what is said of the file included."""

PART_BYTES = 64 * 256 * 1024
"""Longer documents go in parts of a multiple of 256 KiB; they are in memory nowhere."""

DEEPEST = 100
"""Levels of folders that Drive takes."""

LONGEST_NAME = 1024
"""Google documents none; a URL with a query for a longer one may be too long."""

IDS_AT_ONCE = 100
PAGE_FILES = 1000
_FILES, _UPLOADS = "/drive/v3/files", "/upload/drive/v3/files"
_EVERYWHERE = {"supportsAllDrives": "true"}
_LISTED_EVERYWHERE = {**_EVERYWHERE, "includeItemsFromAllDrives": "true"}


@dataclass
class Memory:
    """What a process knows of an account: ids that nothing has yet.

    `making` has the ids of folders whose creation nobody has heard the end of.
    """

    ids: list[str] = field(default_factory=list)
    making: dict[str, str] = field(default_factory=dict)


class _IdSpent(Exception):
    """An id is taken, and not by what was to be made: that is gone, or something else has it."""


_memories: WeakKeyDictionary[Connection, Memory] = WeakKeyDictionary()


class Drive(uploading.KnownByDigest):
    """See `Storage`. `location` is the id of a folder or of a shared drive, or `root`."""

    def __init__(
        self, location: str, endpoint: str | None, connection: Connection, meter: Meter
    ) -> None:
        self._root = location
        self._base = (endpoint or GOOGLE).rstrip("/")
        self._api = Api(connection, meter, drive_replies.meaning)
        self._folders = EntityFolderIds(connection.folder_ids)
        self._memory = _memories.setdefault(connection, Memory())
        self._keys = Keys((), {}, self._new_ids)

    def illegal(self, path: str) -> str | None:
        if path.count("/") >= DEEPEST:
            return f"has more than {DEEPEST} folders below each other"
        return illegal(path, DRIVE, LONGEST_NAME)

    def go_on(self, folders: Sequence[str], notes: dict[str, Any]) -> None:
        written = [DRIVE.path_written(folder) for folder in folders]
        self._folders.go_on(written, notes.setdefault("folders", {}))
        self._keys = Keys(written, notes, self._new_ids)

    def create_folder(self, path: str) -> bool:
        """True as well where it was made under the id that is noted for it."""
        written = DRIVE.path_written(path)
        above, _, name = written.rpartition("/")

        def make(parent: str) -> bool:
            key = self._keys.of_folder(written)
            if key is None or not self._keys.made(parent):
                there = self._oldest(parent, name, folders=True)
                if there is not None:
                    self._folders.put(written, there.id)
                    return there.id == key
            try:
                folder = self._made(written, parent, key)
            except _IdSpent:
                if key is None:
                    raise _id_spent() from None
                self._keys.give_up()
                return make(parent)
            self._folders.put(written, folder.id)
            return True

        made = self._in_folder(above, make)
        if made is None:
            raise _folder_gone()
        return made

    def find(self, folder: str) -> Mapping[str, Found]:
        oldest: dict[str, File] = {}

        def list_them(parent: str) -> bool:
            oldest.clear()
            for file in self._files(parent, f"mimeType != '{FOLDER}'"):
                if file.name not in oldest or file.age < oldest[file.name].age:
                    oldest[file.name] = file
            return True

        self._in_folder(DRIVE.path_written(folder), list_them)
        read = ((DRIVE.read(name), file) for name, file in oldest.items())
        return {name: file.found for name, file in read if name is not None}

    # --- what `uploading` needs

    def look(self, path: str) -> Found | None:
        file = self._file(DRIVE.path_written(path))
        return file.found if file else None

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        """Send a document unless something has its name. Drive shows nothing of an upload that
        broke off, so nothing is ever replaced.

        `progress` has the id that the file gets, and where a long one goes. While it has an id,
        whatever has that id is ours.
        """
        if progress and progress["sha256"] != document.sha256:
            progress.clear()
            self._keys.give_up()  # What was sent before may have arrived.
        written = DRIVE.path_written(path)
        if self._keys.made(self._folders.get(written.rpartition("/")[0])):
            file = self._sent_under_key(written, document, progress)
            if file is not None:
                return self._verified(file, document, progress)
        there = self._file(written)
        if there is not None and there.id != progress.get("id"):
            return None
        try:
            file = _seen(there) if there else self._sent(written, document, progress)
        except _IdSpent:
            progress.clear()
            raise _id_spent() from None
        return self._verified(file, document, progress)

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """What has arrived of a long upload can be seen by nobody, and Google removes it."""

    # --- sending

    def _sent_under_key(
        self, path: str, document: Document, progress: dict[str, Any]
    ) -> File | None:
        """The file that has come of it; None where its id is good for nothing any more."""
        if not progress:
            progress |= {"sha256": document.sha256, "id": self._keys.of_next_document()}
        try:
            file = self._sent(path, document, progress)
        except _IdSpent:
            file = None
        if file is None or file.trashed:
            progress.clear()
            self._keys.give_up()
            return None
        return file

    def _sent(self, path: str, document: Document, progress: dict[str, Any]) -> File:
        """The file that has come of it; where the reply is lost, its id finds out.

        Raises _IdSpent.
        """
        above, _, name = path.rpartition("/")
        if "id" not in progress:
            progress |= {"sha256": document.sha256, "id": self._new_id()}

        def send(parent: str) -> File:
            said = {"id": progress["id"], "name": name, "parents": [parent]}
            if document.size <= AT_ONCE_BYTES:
                return self._sent_at_once(said, document)
            return self._sent_in_parts(said, document, progress)

        try:
            file = self._in_folder(above, send)
        except AmbiguousError as error:
            file = self._with_id_after(error, progress["id"], name)
        if file is None:
            raise _folder_gone()
        return file

    def _sent_at_once(self, said: dict[str, Any], document: Document) -> File:
        boundary = secrets.token_hex(16)
        before = (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(said)}\r\n"
            f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        body = Body(
            *(document, 0, document.size),
            before=before.encode(),
            after=f"\r\n--{boundary}--\r\n".encode(),
        )
        answer = self._api.ask(
            *("upload", "POST", self._url(_UPLOADS, uploadType="multipart", fields=FILE_FIELDS)),
            (200, 201, 409),
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            body=body,
            in_doubt=True,
        )
        return self._with_taken_id(said) if answer.status == 409 else answer.read(File)

    def _sent_in_parts(
        self, said: dict[str, Any], document: Document, progress: dict[str, Any]
    ) -> File:
        try:
            if "url" in progress:
                begin = self._where_it_goes_on(progress["url"], document)
            else:
                begin = self._begun(said, document, progress)
            if isinstance(begin, File):
                return begin
            return send_parts(
                *(self._api, progress["url"], document, begin),
                part_bytes=PART_BYTES,
                statuses=(200, 201, 308, 400, 404, 410),
                read=_came_of_part,
            )
        except UploadGone:
            progress.pop("url", None)  # The id stays: the last reply may have been lost.
            raise TransientError("UploadExpired", "Google has given the upload up: again") from None

    def _begun(
        self, said: dict[str, Any], document: Document, progress: dict[str, Any]
    ) -> int | File:
        """Ask for a URL; the file, where an earlier attempt has made it."""
        answer = self._api.ask(
            *("upload", "POST", self._url(_UPLOADS, uploadType="resumable", fields=FILE_FIELDS)),
            (200, 409),
            headers={
                "X-Upload-Content-Type": "application/octet-stream",
                "X-Upload-Content-Length": str(document.size),
            },
            document=said,
        )
        if answer.status == 409:
            return self._with_taken_id(said)
        progress["url"] = answer.headers["Location"]
        return 0

    def _where_it_goes_on(self, url: str, document: Document) -> int | File:
        said = _came_of_part(
            self._api.ask(
                *("find", "PUT", url, (200, 201, 308, 404, 410)),
                headers={"Content-Range": f"bytes */{document.size}"},
                body=b"",
                with_token=False,
            )
        )
        return _seen(said) if isinstance(said, File) else said

    # --- verifying

    def _verified(self, file: File, document: Document, progress: dict[str, Any]) -> Upload:
        """Compare what has arrived, by Google's own checksum. What is broken goes to the trash,
        where it does not stand in the way of the next attempt, unless somebody may have changed it.
        """
        if file.trashed:
            progress.clear()
            self._folders.clear()
            raise _folder_gone()
        if file.found.digest is None:
            file = self._with_id(file.id)
        digest = file.found.digest
        if digest is None:
            raise TransientError("ChecksumMissing", "Google does not say yet what has arrived")
        is_whole = uploading.digest_of_document(document, digest.name) == digest
        if is_whole or file.seen_later:
            progress.clear()
            return "uploaded" if is_whole else "conflict"
        self._throw_away(file.id)
        progress.clear()
        raise TransientError("ChecksumMismatch", "other bytes have arrived than were sent")

    def _throw_away(self, file_id: str) -> None:
        url = self._url(f"{_FILES}/{file_id}", fields="id")
        self._api.ask("upload", "PATCH", url, (200, 404), document={"trashed": True})

    # --- folders

    def _made(self, path: str, parent: str, key: str | None) -> File:
        """Make a folder, and once more with the same id if the reply is lost: there is one then.
        Raises _IdSpent.
        """
        making = self._memory.making
        if key is None and path not in making:
            making[path] = self._new_id()
        said = {
            "id": key or making[path],
            "name": path.rpartition("/")[2],
            "mimeType": FOLDER,
            "parents": [parent],
        }
        try:
            try:
                folder = self._folder_created(said)
            except AmbiguousError:
                folder = self._folder_created(said)
        except _IdSpent:
            making.pop(path, None)
            raise
        making.pop(path, None)
        if folder.trashed and key is not None:
            raise _IdSpent
        if folder.trashed:  # So is the folder above.
            raise _location_missing() if parent == self._root else NotThere
        return folder

    def _folder_created(self, said: dict[str, Any]) -> File:
        """The folder, also where it has been made already."""
        answer = self._api.ask(
            *("create_folder", "POST", self._url(_FILES, fields=FILE_FIELDS), (200, 201, 409)),
            document=said,
            in_doubt=True,
        )
        return self._with_taken_id(said) if answer.status == 409 else answer.read(File)

    def _in_folder[T](self, path: str, action: Callable[[str], T]) -> T | None:
        """Do something with a folder's id, once more where an id that was kept is good no longer.

        None where there is no such folder.
        """
        for _ in range(2):
            try:
                folder = self._folder(path)
                return None if folder is None else action(folder)
            except NotThere:
                self._folders.clear()
        if not path:
            raise _location_missing()
        return None

    def _folder(self, path: str) -> str | None:
        """A folder's id."""
        if not path:
            return self._root
        known = self._folders.get(path)
        if known is not None:
            return known
        above, _, name = path.rpartition("/")
        parent = self._folder(above)
        found = self._oldest(parent, name, folders=True) if parent is not None else None
        if found is None:
            return None
        self._folders.put(path, found.id)
        return found.id

    # --- asking

    def _file(self, path: str) -> File | None:
        """The file at a path."""
        above, _, name = path.rpartition("/")
        return self._in_folder(above, lambda parent: self._oldest(parent, name, folders=False))

    def _oldest(self, parent: str, name: str, *, folders: bool) -> File | None:
        """The oldest file or folder of a name; Drive itself does not tell capital letters apart."""
        kind = f"mimeType {'=' if folders else '!='} '{FOLDER}'"
        files = self._files(parent, f"{kind} and name = {_quoted(name)}")
        return min((file for file in files if file.name == name), key=lambda f: f.age, default=None)

    def _files(self, parent: str, which: str) -> Iterator[File]:
        asked = _LISTED_EVERYWHERE | {
            "q": f"{_quoted(parent)} in parents and trashed = false and {which}",
            "fields": LIST_FIELDS,
            "pageSize": str(PAGE_FILES),
        }
        more: dict[str, str] = {}
        while True:
            try:
                url = self._url(_FILES, **asked, **more)
                page = self._api.ask("find", "GET", url, (200,)).read(Page)
            except NotThere:
                if parent == self._root:
                    raise _location_missing() from None
                raise
            if page.incomplete:
                raise TransientError("SearchIncomplete", "Google has not looked everywhere")
            yield from page.files
            if not page.next:
                return
            more = {"pageToken": page.next}

    def _with_id(self, file_id: str) -> File:
        url = self._url(f"{_FILES}/{file_id}", fields=FILE_FIELDS)
        return _seen(self._api.ask("verify", "GET", url, (200,)).read(File))

    def _with_taken_id(self, said: dict[str, Any]) -> File:
        """What has an id that is taken, if it is what was to be made. Raises _IdSpent."""
        try:
            file = self._with_id(said["id"])
        except NotThere:
            raise _IdSpent from None
        return _with_name(file, said["name"])

    def _with_id_after(self, lost: AmbiguousError, file_id: str, name: str) -> File:
        """The file whose creation nobody has heard of; TransientError where it was not made."""
        try:
            return _with_name(self._with_id(file_id), name)
        except NotThere:
            raise TransientError("UploadBrokeOff", "the connection ended too early") from None
        except TransientError as error:
            raise AmbiguousError(f"{lost}; and it cannot be found out: {error}") from None

    def _new_id(self) -> str:
        """An id that nothing has, from those that were asked for in advance."""
        if not self._memory.ids:
            self._memory.ids = self._new_ids(IDS_AT_ONCE)
        return self._memory.ids.pop()

    def _new_ids(self, number: int) -> list[str]:
        url = f"{self._base}{_FILES}/generateIds?count={number}&space=drive"
        return list(self._api.ask("verify", "GET", url, (200,)).read(Ids).ids)

    def _url(self, path: str, **query: str) -> str:
        return f"{self._base}{path}?{urlencode(_EVERYWHERE | query)}"


def _came_of_part(answer: Answer) -> int | File:
    """Where an upload goes on, or the file that it has made."""
    if answer.status in (404, 410):
        raise UploadGone
    if answer.status == 400:
        raise part_refused()
    if answer.status != 308:
        return answer.read(File)
    range_ = re.fullmatch(r"bytes=0-(\d{1,15})", answer.headers.get("Range", ""))
    return int(range_[1]) + 1 if range_ else 0


def _seen(file: File) -> File:
    return file.model_copy(update={"seen_later": True})


def _with_name(file: File, name: str) -> File:
    if file.name != name:
        raise _IdSpent
    return file


def _quoted(text: str) -> str:
    """A text as a query has it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _folder_gone() -> TransientError:
    return TransientError("FolderMissing", "the folder above is not there (any more)")


def _id_spent() -> TransientError:
    return TransientError("IdSpent", "what was made is gone already: it is made again")


def _location_missing() -> StorageRefused:
    return StorageRefused(
        "LocationMissing",
        "the account sees no folder with the location's id: share it with the account, or correct"
        " the id",
    )
