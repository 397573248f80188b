"""WebDAV (RFC 4918, without locks) as a plain server speaks it.

Whoever logs in (Basic) sees the own files at `/`. Errors are worded as SabreDAV words them.
"""

import base64
import hmac
import mimetypes
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from local.providers.limiter import Call
from local.providers.messages import (
    Part,
    Refused,
    Request,
    Response,
    pieces,
    precondition,
    ranged,
)
from local.providers.profiles import Kind, Profile, sabre
from local.providers.replies import worded
from local.providers.store import Entry, NoRoom, Store, parent_of

XML = "application/xml; charset=utf-8"
_KINDS: dict[str, Kind] = {
    "PROPFIND": "find",
    "MKCOL": "create_folder",
    "PUT": "upload",
    "GET": "read",
    "HEAD": "read",
    "MOVE": "move",
    "DELETE": "delete",
}
_EXCEPTIONS = {
    400: "BadRequest",
    401: "NotAuthenticated",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
    415: "UnsupportedMediaType",
    507: "InsufficientStorage",
}
PREFIXES = {"DAV:": "d", "http://owncloud.org/ns": "oc", "http://nextcloud.org/ns": "nc"}


def refused(status: int, message: str = "") -> Refused:
    body = sabre(f"Sabre\\DAV\\Exception\\{_EXCEPTIONS[status]}", escape(message)).encode()
    headers = {"Content-Type": XML}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="simulator", charset="UTF-8"'
    return Refused(Response(status, body, headers))


class Dav:
    """Answers the requests to one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # What the gate asks

    def call(self, request: Request) -> Call:
        """Who asks for what; raises nothing."""
        try:
            path = self.located(request.path)
            target = self._destination(request) if request.method == "MOVE" else ""
        except Refused:
            path = target = ""
        account, size = self._account(request) or "", request.length or 0
        kind = _KINDS.get(request.method, "other")
        return Call(kind, account, path, target, path.partition("/")[0], size)

    def answer(self, request: Request, call: Call, profile: Profile) -> Response:
        """Do what is asked for; raises Refused."""
        if not call.account:
            raise refused(401, "No public access to this resource.")
        try:
            return self.authorised(request, call.account, profile)
        except NoRoom:
            raise refused(507, "Insufficient space") from None

    # Where things are

    def root(self, account: str) -> str:
        """Where an account's files begin, with no slash at the end."""
        return ""

    def located(self, path: str) -> str:
        """A file's path from that of a URL."""
        return checked(path.strip("/"))

    def _destination(self, request: Request) -> str:
        given = request.header("Destination")
        if not given:
            raise refused(400, "The destination header was not supplied")
        return self.located(unquote(urlsplit(given).path))

    def _account(self, request: Request) -> str | None:
        scheme, _, given = (request.header("Authorization") or "").partition(" ")
        try:
            name, _, password = base64.b64decode(given).decode().partition(":")
        except ValueError:
            return None
        account = self.store.accounts.get(name)
        if scheme.lower() != "basic" or account is None:
            return None
        right = hmac.compare_digest(account.password.encode(), password.encode())
        return name if right else None

    # Methods

    def authorised(self, request: Request, account: str, profile: Profile) -> Response:
        methods: dict[str, Callable[[Request, str, str], Response]] = {
            "OPTIONS": self._options,
            "PROPFIND": self._propfind,
            "PUT": self._put,
            "GET": self._get,
            "HEAD": self._get,
            "MOVE": self._move,
            "DELETE": self._delete,
        }
        path = self.located(request.path)
        if request.method == "MKCOL":
            return self._mkcol(request, account, path, profile)
        if request.method not in methods:
            raise refused(405, f"There is no method {request.method} here")
        return methods[request.method](request, account, path)

    def _options(self, _request: Request, _account: str, _path: str) -> Response:
        allowed = "OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, MKCOL, MOVE"
        return Response(200, headers={"Allow": allowed, "DAV": "1", "MS-Author-Via": "DAV"})

    def _propfind(self, request: Request, account: str, path: str) -> Response:
        depth = request.header("Depth")
        if depth not in ("0", "1"):
            finite = '<d:error xmlns:d="DAV:"><d:propfind-finite-depth/></d:error>'
            raise Refused(Response(403, finite.encode(), {"Content-Type": XML}))
        wanted = wanted_properties(request.command())
        found = self._found(account, path)
        entries = [found]
        if depth == "1" and found.sha256 is None:
            entries += self.store.children(account, path)
        return multistatus(
            (self._href(account, entry), self.properties(account, entry), wanted)
            for entry in entries
        )

    def _mkcol(self, request: Request, account: str, path: str, profile: Profile) -> Response:
        if request.length != 0:
            raise refused(415, "The request body must be empty")
        with self.store.transaction():
            found = self._entry(account, path)
            if found is not None:
                reply = profile.existing_folder
                assert reply is not None  # noqa: S101 - a path leads to one folder
                name = path.rpartition("/")[2]
                raise Refused(worded(reply, name=name, id=str(found.id)))
            self._need_parent(account, path)
            made = self.store.put_folder(account, path)
        return Response(201, headers=self.made_headers(made))

    def _put(self, request: Request, account: str, path: str) -> Response:
        if request.header("Content-Range") is not None:
            raise refused(400, "Content-Range on PUT requests are forbidden.")

        def check(before: Entry | None) -> None:
            if not path or (before is not None and before.sha256 is None):
                raise refused(405, "PUT is not allowed on non-files.")
            if precondition(request, before.etag if before else None):
                raise refused(412, "An If-Match or If-None-Match header did not hold.")
            self._need_parent(account, path)

        before = self.store.entry(account, path)
        check(before)
        self.store.check_quota(account, request.size - (before.size if before else 0))
        meta, modified = self.said_of(request)
        with self.store.arriving(pieces(request.body)) as blob:
            made, replaced = self.store.put(account, path, blob, meta, check, modified=modified)
        headers = {**self.made_headers(made), **self.hash_headers(request, blob.sha256)}
        return Response(204 if replaced else 201, headers=headers)

    def _get(self, request: Request, account: str, path: str) -> Response:
        opened = self.store.opened(account, path)
        if opened is None:
            self._found(account, path)
            raise refused(405, "GET is only implemented for File objects")
        return file_response(request, *opened, error=refused)

    def _move(self, request: Request, account: str, path: str) -> Response:
        target = self._destination(request)
        with self.store.transaction():
            source = self._found(account, path)
            if precondition(request, source.etag):
                raise refused(412, "An If-Match or If-None-Match header did not hold.")
            if target == path or not path:
                raise refused(403, "Source and destination uri are identical.")
            if f"{target}/".startswith(f"{path}/"):
                raise refused(409, "The destination may not be part of the same subtree.")
            replaced = self.make_way(request, account, target)
            self.store.move(account, path, target)
        made = self._found(account, target)
        return Response(204 if replaced else 201, headers=self.made_headers(made))

    def make_way(self, request: Request, account: str, target: str) -> bool:
        """Remove what is at the target of a MOVE, if that is allowed; whether there was any."""
        self._need_parent(account, target)
        if self.store.entry(account, target) is None:
            return False
        if (request.header("Overwrite") or "T").upper() == "F":
            raise refused(412, "The destination node already exists, and overwrite is F")
        self.store.delete(account, target)
        return True

    def _delete(self, _request: Request, account: str, path: str) -> Response:
        if not path:
            raise refused(403, "The root cannot be deleted")
        self._found(account, path)
        self.store.delete(account, path)
        return Response(204)

    # What is there

    def _entry(self, account: str, path: str) -> Entry | None:
        return self.store.entry(account, path) if path else Entry(0, "", None, 0, "root", 0.0, {})

    def _found(self, account: str, path: str) -> Entry:
        found = self._entry(account, path)
        if found is None:
            raise refused(404, f"File with name {path} could not be located")
        return found

    def _need_parent(self, account: str, path: str) -> None:
        parent = self._entry(account, parent_of(path))
        if parent is None or parent.sha256 is not None:
            raise refused(409, "Parent node does not exist")

    def _href(self, account: str, entry: Entry) -> str:
        path = f"{self.root(account)}/{entry.path}"
        return quote(path + "/" if entry.sha256 is None and entry.path else path)

    # What else a server may say or be told

    def properties(self, account: str, entry: Entry) -> dict[str, str]:
        """An entry's properties by their names, as XML."""
        folder = entry.sha256 is None
        name = entry.path.rpartition("/")[2]
        shown = {
            "{DAV:}displayname": escape(name),
            "{DAV:}resourcetype": "<d:collection/>" if folder else "",
            "{DAV:}getlastmodified": formatdate(entry.modified, usegmt=True),
            "{DAV:}getetag": f'"{entry.etag}"',
        }
        if not folder:
            shown["{DAV:}getcontentlength"] = str(entry.size)
            shown["{DAV:}getcontenttype"] = _content_type(entry)
            return shown
        quota = self.store.accounts[account].storage_quota
        if quota is not None:
            used = self.store.used(account)
            shown["{DAV:}quota-used-bytes"] = str(used)
            shown["{DAV:}quota-available-bytes"] = str(max(0, quota - used))
        return shown

    def made_headers(self, made: Entry) -> dict[str, str]:
        return {} if made.sha256 is None else {"ETag": f'"{made.etag}"'}

    def hash_headers(self, request: Request, sha256: str) -> dict[str, str]:
        return {}

    def said_of(self, request: Request) -> tuple[dict[str, str], float | None]:
        """What a client says of a file that it uploads, and when that was modified."""
        return {}, None


def checked(path: str) -> str:
    """A path with names between its slashes; raises Refused."""
    if path and ({"", ".", ".."} & set(path.split("/")) or "\0" in path):
        raise refused(400, "Invalid path")
    return path


def file_response(
    request: Request, entry: Entry, file: BinaryIO, error: Callable[[int, str], Refused]
) -> Response:
    """A file, or the part of it that is asked for; closes the file where there is none to send."""
    headers = {
        "ETag": f'"{entry.etag}"',
        "Last-Modified": formatdate(entry.modified, usegmt=True),
        "Content-Type": entry.meta.get("content-type") or _content_type(entry),
        "Accept-Ranges": "bytes",
    }
    try:
        status = precondition(request, entry.etag)
        if status == 304:
            raise Refused(Response(304, headers=headers))
        if status is not None:
            raise error(412, "An If-Match header did not hold.")
        part = ranged(request, entry.size)
    except Refused:
        file.close()
        raise
    if part is None:
        return Response(200, Part(file, 0, entry.size), headers)
    start, length = part
    headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    return Response(206, Part(file, start, length), headers)


def _content_type(entry: Entry) -> str:
    return mimetypes.guess_type(entry.path)[0] or "application/octet-stream"


def wanted_properties(body: bytes) -> list[str] | None:
    """The names of the properties that a PROPFIND asks for; None where it asks for all."""
    if not body.strip():
        return None
    if b"<!" in body:
        raise refused(400, "Documents with declarations are not read")
    try:
        document = ElementTree.fromstring(body)  # noqa: S314 - small, and without declarations
    except ElementTree.ParseError:
        raise refused(400, "The request body is no XML") from None
    names = document.find("{DAV:}prop")
    return None if names is None else [name.tag for name in names]


def multistatus(entries: Iterable[tuple[str, dict[str, str], list[str] | None]]) -> Response:
    """What PROPFIND answers, from each entry's address, its properties and those asked for."""
    spaces = "".join(f' xmlns:{prefix}="{space}"' for space, prefix in PREFIXES.items())
    body = [f'<?xml version="1.0" encoding="utf-8"?>\n<d:multistatus{spaces}>']
    for href, properties, wanted in entries:
        names = list(properties) if wanted is None else wanted
        there = "".join(_element(name, properties[name]) for name in names if name in properties)
        absent = "".join(_element(name, "") for name in names if name not in properties)
        body.append(f"<d:response><d:href>{escape(href)}</d:href>")
        body += [_propstat(there, "200 OK")] if there or not absent else []
        body += [_propstat(absent, "404 Not Found")] if absent else []
        body.append("</d:response>")
    body.append("</d:multistatus>\n")
    return Response(207, "".join(body).encode(), {"Content-Type": XML})


def _propstat(elements: str, status: str) -> str:
    prop = f"<d:prop>{elements}</d:prop>"
    return f"<d:propstat>{prop}<d:status>HTTP/1.1 {status}</d:status></d:propstat>"


def _element(name: str, content: str) -> str:
    space, _, local = name.removeprefix("{").rpartition("}")
    prefix = PREFIXES.get(space)
    if prefix is None:
        return f'<x:{local} xmlns:x="{escape(space)}">{content}</x:{local}>'
    return f"<{prefix}:{local}>{content}</{prefix}:{local}>"
