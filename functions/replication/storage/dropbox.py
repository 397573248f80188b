"""A customer's folder in Dropbox, by its API version 2.

Each request that carries content says its `content_hash`, and Dropbox takes nothing else: so what
has arrived is verified. Paths are found in any case, and folders above a path are made with it.

`upload_session/finish_batch_v2` commits many files under one lock. It is Dropbox's cure for workers
that keep each other from writing, which the meter's lease cures here; and an upload ends with what
has come of its one document, so there is nothing to gather.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from replication.storage import uploading
from replication.storage.dropbox_errors import Failure, failure_in, meaning
from replication.storage.hashes import Digest
from replication.storage.interface import Document, Found, Meter, Operation, Upload
from replication.storage.json_api import Answer, Api, Connection, Reply
from replication.storage.names import DROPBOX, illegal
from replication.storage.sending import Body
from shared.errors import TransientError

API_URL = "https://api.dropboxapi.com"
CONTENT_URL = "https://content.dropboxapi.com"
LARGEST_REQUEST = 150 * 1000 * 1000
"""Longer documents go through an upload session."""

CHUNK_BYTES = 32 * 1024 * 1024
"""A multiple of 4 MiB, as Dropbox wants it."""

LONGEST_NAME = 255
_ENTRIES_AT_ONCE = 2000


class _Entry(Reply):
    """A file or a folder, as lists and uploads tell it. What Dropbox has no bytes of, such as its
    own documents, has no hash.
    """

    tag: str = Field("file", alias=".tag")
    name: str
    size: int = 0
    content_hash: str = ""


class _Page(Reply):
    entries: list[_Entry]
    cursor: str
    has_more: bool


class _Session(Reply):
    session_id: str


class Dropbox(uploading.KnownByDigest):
    """See `Storage`. `location` is the path of a folder; the root is `/`."""

    def __init__(
        self, location: str, endpoint: str | None, connection: Connection, meter: Meter
    ) -> None:
        self._root = location.rstrip("/")
        own = endpoint.rstrip("/") if endpoint else None
        self._api_url = f"{own or API_URL}/2/files"
        self._content_url = f"{own or CONTENT_URL}/2/files"
        self._api = Api(connection, meter, meaning)

    def illegal(self, path: str) -> str | None:
        return illegal(path, DROPBOX, LONGEST_NAME)

    def create_folder(self, path: str) -> bool:
        argument = {"path": self._path(path), "autorename": False}
        answer = self._call("create_folder", "create_folder_v2", argument, in_doubt=True)
        failure = failure_in(answer)
        if failure is not None and failure.tags != ("path", "conflict", "folder"):
            raise failure.meaning()
        return failure is None

    def find(self, folder: str) -> Mapping[str, Found]:
        files = [one for one in self._entries(folder) if one.tag == "file"]
        read = ((DROPBOX.read(one.name), one) for one in files)
        return {name: _found(one) for name, one in read if name is not None}

    # --- what `uploading` needs

    def look(self, path: str) -> Found | None:
        """The file at a path, whose name may be written in another case."""
        answer = self._call("find", "get_metadata", {"path": self._path(path)})
        failure = failure_in(answer)
        if failure is None:
            entry = answer.read(_Entry)
            return _found(entry) if entry.tag == "file" else None
        if failure.tags == ("path", "not_found"):
            return None
        raise failure.meaning()

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        if progress.get("sha256") != document.sha256:
            progress.clear()
        if document.size > LARGEST_REQUEST:
            return self._put_in_session(path, document, progress)
        argument = self._commit(path)
        return self._made(self._send("upload", argument, document, 0, document.size), document)

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """Dropbox forgets an upload session by itself after a week."""

    # --- sending

    def _put_in_session(
        self, path: str, document: Document, progress: dict[str, Any]
    ) -> Upload | None:
        """`progress` keeps the session's id and how many bytes are there for certain."""
        if "session" not in progress:
            self._begin(document, progress)
        while True:
            is_last = document.size - progress["offset"] <= CHUNK_BYTES
            route, argument = (
                ("finish", {"commit": self._commit(path)})
                if is_last
                else ("append_v2", {"close": False})
            )
            answer = self._send_chunk(route, argument, document, progress)
            failure = failure_in(answer)
            if failure is not None and failure.is_lookup:
                _go_on_from(failure, document, progress)
            elif is_last:
                return self._made(answer, document)
            elif failure is not None:
                raise failure.meaning()
            else:
                progress["offset"] += CHUNK_BYTES

    def _begin(self, document: Document, progress: dict[str, Any]) -> None:
        answer = self._send("upload_session/start", {"close": False}, document, 0, CHUNK_BYTES)
        failure = failure_in(answer)
        if failure is not None:
            raise failure.meaning()
        session_id = answer.read(_Session).session_id
        progress |= {"sha256": document.sha256, "session": session_id, "offset": CHUNK_BYTES}

    def _send_chunk(
        self, route: str, argument: dict[str, Any], document: Document, progress: dict[str, Any]
    ) -> Answer:
        cursor = {"session_id": progress["session"], "offset": progress["offset"]}
        length = min(CHUNK_BYTES, document.size - progress["offset"])
        argument = {"cursor": cursor, **argument}
        return self._send(f"upload_session/{route}", argument, document, progress["offset"], length)

    def _send(
        self, route: str, argument: dict[str, Any], document: Document, start: int, length: int
    ) -> Answer:
        """Send a part of a document. Only what commits a file leaves a doubt."""
        digest = uploading.digest_of_part(document, "dropbox", start, length)
        headers = {
            "Content-Type": "application/octet-stream",
            "Dropbox-API-Arg": json.dumps({**argument, "content_hash": digest.value}),
        }
        return self._api.ask(
            "upload",
            "POST",
            f"{self._content_url}/{route}",
            (200, 409),
            headers=headers,
            body=Body(document, start, length),
            in_doubt=route in ("upload", "upload_session/finish"),
        )

    def _commit(self, path: str) -> dict[str, Any]:
        """Where a file goes, and that it takes no other one's place."""
        return {
            "path": self._path(path),
            "mode": "add",
            "autorename": False,
            "mute": True,
            "strict_conflict": True,
        }

    def _made(self, answer: Answer, document: Document) -> Upload | None:
        """What has come of a commit; None where another file is at the path."""
        failure = failure_in(answer)
        if failure is not None:
            if failure.tags == ("path", "conflict", "file"):
                return None
            raise failure.meaning()
        if answer.read(_Entry).size != document.size:
            raise TransientError("ChecksumMismatch", "other bytes have arrived than were sent")
        return "uploaded"

    # --- asking

    def _entries(self, folder: str) -> Iterator[_Entry]:
        route = "list_folder"
        argument: dict[str, Any] = {"path": self._path(folder), "limit": _ENTRIES_AT_ONCE}
        while True:
            answer = self._call("find", route, argument)
            failure = failure_in(answer)
            if failure is not None:
                if failure.tags == ("path", "not_found"):
                    return
                raise failure.meaning()
            page = answer.read(_Page)
            yield from page.entries
            if not page.has_more:
                return
            route, argument = "list_folder/continue", {"cursor": page.cursor}

    def _call(
        self,
        operation: Operation,
        route: str,
        argument: dict[str, Any],
        *,
        in_doubt: bool = False,
    ) -> Answer:
        url = f"{self._api_url}/{route}"
        return self._api.ask(
            operation, "POST", url, (200, 409), document=argument, in_doubt=in_doubt
        )

    def _path(self, path: str) -> str:
        return f"{self._root}/{DROPBOX.path_written(path)}" if path else self._root


def _found(entry: _Entry) -> Found:
    return Found(entry.size, None, digest=Digest("dropbox", entry.content_hash))


def _go_on_from(failure: Failure, document: Document, progress: dict[str, Any]) -> None:
    """Dropbox has more or less of an upload than we know of, as when a reply was lost."""
    offset = failure.correct_offset
    if offset is None or offset == progress["offset"] or not 0 <= offset <= document.size:
        progress.clear()
        raise TransientError("UploadExpired", "Dropbox has no such upload: begin again")
    progress["offset"] = offset
