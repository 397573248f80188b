"""A customer's folder on a WebDAV server, or in Nextcloud, which knows more than the standard.

Nextcloud tells the SHA-256 of what has arrived and keeps one for later, and it takes long documents
in chunks. From any other server a document is read back to know that it arrived whole.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests

from replication.storage import uploading
from replication.storage.interface import Document, Found, Meter, Upload
from replication.storage.multistatus import PROPERTIES, Entry, ReplyNotUnderstood, read_multistatus
from replication.storage.sending import Body, Sender
from replication.storage.webdav_requests import meaning
from shared.errors import AmbiguousError, StorageRefused, TransientError

PIECE_BYTES = 1024 * 1024
CHUNK_BYTES = 10 * 1024 * 1024
"""Nextcloud takes longer documents in chunks of this size; all but the last must have 5 MB."""

MOST_CHUNKS = 10_000
LARGEST_BYTES = 5 * 1024**3
"""What is sent in one request must have arrived within a step's time."""

TRIED_BYTES = 1024 * 1024
"""A longer document is not sent twice to find out what a server heeds."""

LONGEST_NAME_BYTES = 255
_MADE = (200, 201, 204)


heeds_conditions: dict[str, bool] = {}
"""By host: whether a file is put only where the request's condition holds. Some servers, such as
those of rclone, put it whatever the condition says; there we look before.
"""


class WebDav(uploading.Uploads):
    """See `Storage`. `location` is the URL of a folder that is there."""

    def __init__(self, location: str, session: requests.Session, meter: Meter) -> None:
        self._root = location.rstrip("/")
        self._server = Sender(session, meter, meaning)
        parts = urlsplit(self._root)
        self._is_nextcloud = "/remote.php/" in f"{parts.path}/"
        self._host = parts.netloc
        files = re.match(r"(.*/remote\.php/dav)/files/([^/]+)", parts.path)
        self._chunks_url = (
            f"{parts.scheme}://{parts.netloc}{files[1]}/uploads/{files[2]}" if files else None
        )

    def illegal(self, path: str) -> str | None:
        return next(filter(None, map(_illegal_name, path.split("/"))), None)

    def create_folder(self, path: str) -> bool:
        status, _ = self._server.ask("create_folder", "MKCOL", self._url(path, "/"), (*_MADE, 405))
        if status != 405:
            return True
        if any(entry.is_folder for entry in self._entries(self._url(path, "/"), "0")):
            return False
        if self.look(path) is None:
            raise TransientError("FolderMissing", "the folder was there and is there no more")
        raise StorageRefused("NameTaken", "a file has the folder's name: rename or move the file")

    def find(self, folder: str) -> Mapping[str, Found]:
        url = self._url(folder, "/")
        prefix = _path_of(url)
        entries = self._entries(url, "1")
        if entries and not any(entry.path == prefix for entry in entries):
            raise StorageRefused(
                "ReplyNotUnderstood",
                "the server names its files by other URLs than the account's location: write the"
                " location as the server does",
            )
        inside = (entry for entry in entries if not entry.is_folder)
        below = ((entry.path.removeprefix(f"{prefix}/"), entry.found) for entry in inside)
        return {name: found for name, found in below if name and "/" not in name}

    # --- what `uploading` needs

    def look(self, path: str) -> Found | None:
        """The file at a path; None where there is none, or a folder."""
        entries = self._entries(self._url(path), "0")
        return next((entry.found for entry in entries if not entry.is_folder), None)

    def sha256_of(self, path: str, found: Found) -> str | None:
        """What Nextcloud has kept, or else worked out by reading the file back."""
        return found.sha256 or self.read_back(path, found)

    def read_back(self, path: str, found: Found) -> str | None:
        return self._read_back(path)[0]

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        """Send a document unless that is done, and verify it; `progress` has the ETag it got.

        A server that nobody knows yet gets its first document a second time: if it heeds the
        condition, it refuses; if it does not, its own document is all that it replaces.
        """
        if progress.get("sha256") != document.sha256:
            self.give_up(path, progress)
            progress.clear()
        if "etag" not in progress:
            known = self._is_nextcloud or heeds_conditions.get(self._host)
            if replaced is None and not known and self.look(path) is not None:
                return None
            headers = self._sent(path, document, replaced, progress)
            if headers is None:
                return None
            progress.clear()
            progress |= {"sha256": document.sha256, "etag": headers.get("ETag")}
            told = headers.get("X-Hash-SHA256")
            if told and told.lower() == document.sha256:
                progress.clear()
                return "uploaded"
            if known is None and document.size <= TRIED_BYTES:
                progress["etag"] = self._etag_after_trying(path, document, progress["etag"])
        return self._verified(path, document, progress)

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """Remove the folder with an upload's chunks."""
        if "chunks" in progress:
            url = f"{self._chunks_url}/{progress['chunks']}/"
            self._server.ask("upload", "DELETE", url, (*_MADE, 404), in_doubt=False)

    # --- sending

    def _sent(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Mapping[str, str] | None:
        """Headers of the reply; None where something else is at the path."""
        if self._chunks_url is not None and document.size > CHUNK_BYTES:
            return self._sent_in_chunks(path, document, replaced, progress)
        if document.size > LARGEST_BYTES:
            raise StorageRefused(
                "FileTooLarge",
                f"the document has more than {LARGEST_BYTES} bytes, which a WebDAV server takes"
                " only in one request: bring it there in another way",
            )
        condition = {"If-Match": str(replaced.etag)} if replaced else {"If-None-Match": "*"}
        status, headers = self._server.ask(
            "upload",
            "PUT",
            self._url(path),
            (*_MADE, 412),
            headers=condition | self._checksums(document),
            body=Body(document, 0, document.size),
        )
        return None if status == 412 else headers

    def _etag_after_trying(self, path: str, document: Document, etag: str | None) -> str | None:
        """Find out whether the server heeds conditions; the ETag that the document then has."""
        try:
            status, headers = self._server.ask(
                "upload",
                "PUT",
                self._url(path),
                (*_MADE, 412),
                headers={"If-None-Match": "*"},
                body=Body(document, 0, document.size),
            )
        except AmbiguousError:
            return None
        heeds_conditions[self._host] = status == 412
        return etag if status == 412 else headers.get("ETag")

    def _sent_in_chunks(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Mapping[str, str] | None:
        """Nextcloud's chunked upload, version 2. The folder's name is the same in every attempt:
        so one finds what another has left there, even if its `progress` is lost.
        """
        target = self._url(path)
        name = hashlib.sha256(f"{target}\n{document.sha256}".encode()).hexdigest()[:32]
        folder = f"{self._chunks_url}/aftercall-{name}"
        arrived = self._chunks_that_are_there(folder, target, progress)
        progress |= {"sha256": document.sha256, "chunks": f"aftercall-{name}"}
        size = max(CHUNK_BYTES, -(-document.size // MOST_CHUNKS))
        for number, start in enumerate(range(0, document.size, size), 1):
            length = min(size, document.size - start)
            if arrived.get(f"{number:05}") != length:
                body = Body(document, start, length)
                self._send_chunk(f"{folder}/{number:05}", target, body, progress)
        return self._assembled(folder, target, document, replaced)

    def _chunks_that_are_there(
        self, folder: str, target: str, progress: dict[str, Any]
    ) -> dict[str, int]:
        """The sizes of chunks by their names, in a folder that is made if need be."""
        if "chunks" not in progress:
            where = {"Destination": target}
            status, _ = self._server.ask(
                *("upload", "MKCOL", f"{folder}/", (*_MADE, 405)), headers=where, in_doubt=False
            )
            if status != 405:
                return {}
        entries = self._entries(f"{folder}/", "1")
        if not entries:
            progress.clear()
            raise TransientError("UploadExpired", "the server has removed the chunks: begin again")
        return {entry.path.rpartition("/")[2]: entry.found.size for entry in entries}

    def _send_chunk(self, url: str, target: str, body: Body, progress: dict[str, Any]) -> None:
        where = {"Destination": target}
        status, _ = self._server.ask(
            *("upload", "PUT", url, (*_MADE, 404, 409)), headers=where, body=body, in_doubt=False
        )
        if status in (404, 409):
            progress.clear()
            raise TransientError("UploadExpired", "the server has removed the chunks: begin again")

    def _assembled(
        self, folder: str, target: str, document: Document, replaced: Found | None
    ) -> Mapping[str, str] | None:
        """Have the chunks made a file. A condition on the target stands in `If`, as `If-Match`
        would be on the source. The source is gone where an earlier attempt has moved it.
        """
        condition = {"Overwrite": "F"}
        if replaced:
            condition = {"Overwrite": "T", "If": f"<{target}> ([{replaced.etag}])"}
        status, headers = self._server.ask(
            "upload",
            "MOVE",
            f"{folder}/.file",
            (*_MADE, 404, 412),
            headers={"Destination": target, "OC-Total-Length": str(document.size)}
            | condition
            | self._checksums(document),
        )
        return None if status in (404, 412) else headers

    def _checksums(self, document: Document) -> dict[str, str]:
        if not self._is_nextcloud:
            return {}
        return {"X-Hash": "sha256", "OC-Checksum": f"SHA256:{document.sha256}"}

    # --- verifying

    def _verified(self, path: str, document: Document, progress: dict[str, Any]) -> Upload:
        """Read back what was sent. What has arrived broken is removed, if it is ours for certain:
        it would stand in the way of the next attempt.
        """
        sent_etag = progress["etag"]
        sha256, etag = self._read_back(path)
        progress.clear()
        if sha256 == document.sha256:
            return "uploaded"
        if sha256 is not None and sent_etag and etag and etag != sent_etag:
            return "conflict"  # Somebody has changed it since.
        if sha256 is not None and _strong(sent_etag):
            where = {"If-Match": sent_etag}
            self._server.ask(
                *("upload", "DELETE", self._url(path), (*_MADE, 404, 412)),
                headers=where,
                in_doubt=False,
            )
        raise TransientError("ChecksumMismatch", "other bytes have arrived than were sent")

    def _read_back(self, path: str) -> tuple[str | None, str | None]:
        """A file's SHA-256 and ETag; None where it is gone."""
        with self._server.open("verify", "GET", self._url(path), (200, 404)) as reply:
            if reply.status_code == 404:
                return None, None
            # As it lies there: servers call a packed file a packed reply.
            pieces = reply.raw.stream(PIECE_BYTES, decode_content=False)
            sha256, _ = uploading.sha256_and_size(pieces)
            return sha256, reply.headers.get("ETag")

    # --- asking

    def _entries(self, url: str, depth: str) -> list[Entry]:
        """What the server says of a file or a folder, and of what lies right in it; [] of none."""
        headers = {"Depth": depth, "Content-Type": "application/xml; charset=utf-8"}
        with self._server.open(
            "find", "PROPFIND", url, (207, 404, 405, 501), headers=headers, body=PROPERTIES
        ) as reply:
            if reply.status_code == 404:
                return []
            if reply.status_code != 207:
                raise StorageRefused("NoWebDav", "the location is no WebDAV folder: correct it")
            try:
                return read_multistatus(reply.iter_content(PIECE_BYTES), _path_of(url))
            except ReplyNotUnderstood as error:
                raise StorageRefused("ReplyNotUnderstood", str(error)) from None

    def _url(self, path: str, end: str = "") -> str:
        names = [quote(name, safe="") for name in path.split("/") if name]
        return "/".join([self._root, *names]) + end


def _illegal_name(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "has a part that is empty, `.` or `..`"
    if name != name.strip():
        return "has a part that begins or ends with a space"
    if "\\" in name:
        return "has a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "has a character that cannot be printed"
    if len(name.encode()) > LONGEST_NAME_BYTES:
        return f"has a part of more than {LONGEST_NAME_BYTES} bytes"
    return None


def _path_of(url: str) -> str:
    """The path of a URL as `Entry` has it."""
    return unicodedata.normalize("NFC", unquote(urlsplit(url).path)).rstrip("/")


def _strong(etag: str | None) -> bool:
    return bool(etag) and not str(etag).startswith("W/")
