"""How files come to Google Drive: at once, with what is said of them in front, or in chunks."""

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from email import message_from_string
from email.message import Message
from typing import Any
from urllib.parse import urlencode

from local.providers.drive_errors import bad_request, invalid, not_found, refused
from local.providers.drive_files import (
    FOLDER,
    UNKNOWN_TYPE,
    WRITABLE,
    Files,
    changed,
    guessed_type,
    name_of,
)
from local.providers.hashes import Hashed
from local.providers.messages import PIECE, BrokenOff, Request, Response, pieces
from local.providers.profiles import Profile
from local.providers.ranges import BadRange, ContentRange, content_range
from local.providers.store import BIN, Entry, parent_of

_MULTIPART_MAXIMUM = 5 * 1024**2
_LINE = 8000
_TYPES = {
    "id": str,
    "name": str,
    "mimeType": str,
    "description": str,
    "parents": list,
    "trashed": bool,
    "starred": bool,
    "properties": dict,
    "appProperties": dict,
}


class Uploads:
    """Puts what arrives among the files of one store."""

    def __init__(self, files: Files) -> None:
        self._files, self._store = files, files.store

    # Files and folders

    def folder(self, space: str, parents: list[str]) -> Entry:
        """The one folder that a file is to be in; raises Refused."""
        if len(parents) > 1:
            raise invalid("parents")
        parent_id = parents[0] if parents else "root"
        found = self._files.find(space, parent_id)
        if found is None:
            raise not_found(parent_id)
        if found.sha256 is not None:
            raise refused(403, "parentNotAFolder", "The specified parent is not a folder.")
        return found

    def make_folder(self, space: str, said: dict[str, Any]) -> Entry:
        with self._store.transaction():
            number, path, meta = self._new(space, said)
            return self._store.put_folder(space, path, meta, number=number)

    def store_new(
        self, space: str, said: dict[str, Any], content: Iterable[bytes], upload: str | None = None
    ) -> Entry:
        """Make a file; raises Refused."""
        if said.get("mimeType") == FOLDER:
            raise bad_request("A folder has no content.")
        self._new(space, said)
        hashed = Hashed(content)
        with self._store.arriving(hashed) as blob, self._store.transaction():
            number, path, meta = self._new(space, said)
            meta |= {"md5": blob.md5, "sha1": hashed.sha1}
            when = moment_of(said, "modifiedTime")
            more = {"modified": when, "upload": upload, "number": number}
            return self._store.put(space, path, blob, meta, _anything, **more)[0]

    def replace(
        self,
        space: str,
        file_id: str,
        said: dict[str, Any],
        content: Iterable[bytes],
        upload: str | None = None,
    ) -> Entry:
        """Give a file other content; raises Refused where it has gone meanwhile."""
        hashed = Hashed(content)
        with self._store.arriving(hashed) as blob, self._store.transaction():
            entry = self._files.find(space, file_id)
            if entry is None:
                raise not_found(file_id)
            meta = {**changed(entry.meta), **said_of(said)}
            meta |= {"md5": blob.md5, "sha1": hashed.sha1}
            when = moment_of(said, "modifiedTime")
            more = {"modified": when, "upload": upload}
            return self._store.put(space, entry.path, blob, meta, _anything, **more)[0]

    def _new(self, space: str, said: dict[str, Any]) -> tuple[int | None, str, dict[str, Any]]:
        """A new file's number, if the client has brought one, its path and what is said of it."""
        number = self._number(space, said.get("id"))
        parent = self.folder(space, said.get("parents") or [])
        meta = {"name": "Untitled", **said_of(said)}
        meta["created"] = moment_of(said, "createdTime") or time.time()
        if meta.get("mimeType", UNKNOWN_TYPE) == UNKNOWN_TYPE:
            meta["mimeType"] = guessed_type(meta["name"])
        return number, self._files.free_path(space, parent, meta["name"]), meta

    def _number(self, space: str, file_id: str | None) -> int | None:
        if file_id is None:
            return None
        number = self._files.number(space, file_id)
        if number is None:
            message = "The provided file ID is not usable."
            raise refused(400, "invalid", message, parameter="file.id")
        if self._store.entry_of(space, number) is not None:
            raise refused(409, "fileIdInUse", "A file already exists with the provided ID.")
        return number

    # Uploads in chunks

    def place(self, upload: str) -> tuple[str, str]:
        """Whose upload it is, and where it leads to."""
        begun = self._store.upload(upload)
        return (begun[0], begun[1]) if begun else ("", "")

    def begin(self, request: Request, space: str, said: dict[str, Any], file_id: str) -> Response:
        if file_id:
            entry = self._files.find(space, file_id)
            path = entry.path if entry else ""
        else:
            path = self._new(space, said)[1]
        length = request.header("X-Upload-Content-Length") or ""
        total = int(length) if length.isdigit() else None
        self._store.check_quota(space, total or 0)
        upload = f"ADPycd{secrets.token_urlsafe(48)}"
        meta = {"said": said, "file": file_id, "total": total, "begun": time.time()}
        self._store.begin_upload(upload, space, path, meta)
        query = urlencode({**request.query, "upload_id": upload})
        headers = {"Location": f"{request.base}{request.path}?{query}"}
        return Response(200, headers={**headers, "X-GUploader-UploadID": upload})

    def put(self, request: Request, profile: Profile) -> tuple[str, Entry | Response]:
        """Take a chunk, or tell what is there; the file once it is whole, and whose it is."""
        upload = request.query.get("upload_id", "")
        begun = self._store.upload(upload)
        if begun is None or self._expired(upload, begun[2], profile):
            raise refused(404, "notFound", "Not Found")
        space, _, meta = begun
        if "done" in meta:
            entry = self._files.find(space, meta["done"])
            return space, entry if entry is not None else Response(404)
        said = _range(request, meta["total"])
        received = sum(part.size for part in self._store.parts(upload))
        if said.first is not None:
            received = self._take(request, upload, said, received, profile)
        elif said.length == 0 and request.length:
            raise bad_request("A request for the state has no content.")
        if said.total is None or received < said.total:
            range_ = {"Range": f"bytes=0-{received - 1}"} if received else {}
            return space, Response(308, headers=range_)
        return space, self._complete(upload, space, meta)

    def _expired(self, upload: str, meta: dict[str, Any], profile: Profile) -> bool:
        last = max([part.modified for part in self._store.parts(upload)], default=meta["begun"])
        return time.time() >= last + profile.session_seconds

    def _take(
        self, request: Request, upload: str, said: ContentRange, received: int, profile: Profile
    ) -> int:
        """Store a chunk, or what has come of it before the client went away; the bytes so far."""
        if said.first != received or request.length not in (None, said.length):
            raise bad_request("The Content-Range is not the one that comes next.")
        final = said.total is not None and received + said.length == said.total
        if not final and said.length % profile.chunk_minimum:
            raise bad_request("A chunk is to have a multiple of 256 KiB.")
        arriving = _UntilTheEnd(request)
        with self._store.arriving(arriving) as blob:
            if blob.size:
                name = str(received)
                self._store.put_part(upload, received, name, blob, blob.md5, {})
        if arriving.broken_off:
            raise BrokenOff
        return received + blob.size

    def _complete(self, upload: str, space: str, meta: dict[str, Any]) -> Entry:
        parts = self._store.parts(upload)
        content = self._store.contents(part.sha256 for part in parts)
        said = meta["said"]
        with self._store.transaction():
            if meta["file"]:
                entry = self.replace(space, meta["file"], said, content, upload)
                self._rename(space, entry)
                entry = self._files.find(space, meta["file"]) or entry
            else:
                entry = self.store_new(space, said, content, upload)
            # Whoever has not heard that the last chunk came can still ask.
            done = {**meta, "done": self._files.id_of(space, entry.id), "begun": time.time()}
            self._store.begin_upload(upload, space, entry.path, done)
        return entry

    def _rename(self, space: str, entry: Entry) -> None:
        if entry.path.startswith(BIN):
            return
        above = parent_of(entry.path)
        parent = self._store.entry(space, above) if above else self._files.find(space, "root")
        assert parent is not None  # noqa: S101 - a file lies in a folder
        path = self._files.free_path(space, parent, name_of(entry), entry.id)
        self._store.move(space, entry.path, path)


def _anything(_: Entry | None) -> None:
    """A file is put at a free path, or in place of one that was looked up: nothing hinders it."""


class _UntilTheEnd:
    """A body as far as it comes: iterate over it, and ask whether the client went away."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.broken_off = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            while piece := self._request.body.read1(PIECE):
                yield piece
        except BrokenOff:
            self.broken_off = True


def asks_for_state(request: Request) -> bool:
    """Whether a request to an upload brings nothing, and wants to know what has come."""
    return (request.header("Content-Range") or "").startswith("bytes */")


def _range(request: Request, total: int | None) -> ContentRange:
    try:
        said = content_range(request)
    except BadRange:
        raise bad_request("Failed to parse Content-Range header.") from None
    if said is None:
        length = request.length if request.length is not None else total
        if length is None:
            raise bad_request("The length of the content is missing.")
        said = ContentRange(0 if length else None, length - 1 if length else None, length)
    if total is not None and said.total not in (None, total):
        raise bad_request("The Content-Range does not fit what was said at the beginning.")
    return ContentRange(said.first, said.last, said.total if said.total is not None else total)


# What is said of a file


def metadata(request: Request) -> dict[str, Any]:
    """What comes as JSON, alone or in front of the content; raises Refused, BrokenOff."""
    kind = request.query.get("uploadType")
    if kind == "media":
        return _typed({}, request.header("Content-Type"))
    if kind == "multipart":
        said, media_type = _first_part(request)
        return _typed(_parsed(said), media_type)
    said = _parsed(request.command())
    return _typed(said, request.header("X-Upload-Content-Type") if kind == "resumable" else None)


def _typed(said: dict[str, Any], media_type: str | None) -> dict[str, Any]:
    known = media_type if media_type and not media_type.startswith(UNKNOWN_TYPE) else None
    return {"mimeType": known, **said} if known else said


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text) if text.strip() else {}
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise refused(400, "parseError", "Parse Error")
    said = {name: value for name, value in said.items() if value is not None}
    right = all(isinstance(said[name], kind) for name, kind in _TYPES.items() if name in said)
    if not right or not all(isinstance(one, str) for one in said.get("parents", [])):
        raise refused(400, "parseError", "Parse Error")
    return said


def said_of(said: dict[str, Any]) -> dict[str, Any]:
    """What is kept of it as it is."""
    return {name: said[name] for name in WRITABLE if name in said}


def moment_of(said: dict[str, Any], name: str) -> float | None:
    if said.get(name) is None:
        return None
    try:
        return datetime.fromisoformat(said[name]).timestamp()
    except (ValueError, TypeError):
        raise invalid(name) from None


def content(request: Request) -> Iterable[bytes]:
    """The content of a file that comes in one request; raises Refused."""
    if request.query.get("uploadType") != "multipart":
        return pieces(request.body)
    delimiter = b"\r\n--" + _boundary(request) + b"--"
    rest = b"\r\n" + request.body.read(_MULTIPART_MAXIMUM + _LINE)
    media, end, _ = rest.rpartition(delimiter)
    if len(media) - 2 > _MULTIPART_MAXIMUM or (not end and len(rest) > _MULTIPART_MAXIMUM):
        raise refused(413, "uploadTooLarge", "A multipart upload has 5 MB at most.")
    if request.kept is not None:
        return iter([(media if end else rest)[2:]])
    if not end:
        raise bad_request("Malformed multipart body.")
    return iter([media[2:]])


def _first_part(request: Request) -> tuple[bytes, str]:
    """The JSON of a multipart body, and the content's type; it is read up to the content."""
    delimiter = b"--" + _boundary(request)
    _until(request, delimiter)
    _headers(request)
    said = _until(request, delimiter)
    return said, _headers(request)["Content-Type"] or UNKNOWN_TYPE


def _until(request: Request, delimiter: bytes) -> bytes:
    lines: list[bytes] = []
    while (line := request.body.readline(_LINE)).rstrip() != delimiter:
        if not line:
            raise bad_request("Malformed multipart body.")
        lines.append(line)
    return b"".join(lines)


def _headers(request: Request) -> Message:
    lines: list[str] = []
    while line := request.body.readline(_LINE).strip():
        lines.append(line.decode("latin-1"))
    return message_from_string("\n".join([*lines, "", ""]))


def _boundary(request: Request) -> bytes:
    header = Message()
    header["Content-Type"] = request.header("Content-Type") or ""
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/related" or not isinstance(boundary, str):
        raise bad_request("A multipart upload is multipart/related, with a boundary.")
    return boundary.encode()
