"""Google Drive, version 3 of its API: files and folders of one user's My Drive.

Whoever comes with an access token sees the own files. Names may occur twice in a folder; an id that
was made beforehand cannot be used twice, by which a creation is known that was done already. What
is listed is always up to date, which Google does not promise.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from local.providers import drive_uploads
from local.providers.dav import file_response
from local.providers.drive_errors import (
    bad_request,
    invalid,
    not_allowed,
    not_found,
    refused,
    reply,
    unauthorised,
)
from local.providers.drive_files import FOLDER, Files, changed, mime_type, name_of
from local.providers.drive_query import FILE_FIELDS, InvalidQuery, mask, masked, matching, ordered
from local.providers.drive_uploads import Uploads, metadata, moment_of, said_of
from local.providers.limiter import Call
from local.providers.messages import BrokenOff, Refused, Request, Response
from local.providers.profiles import Kind, Profile
from local.providers.store import Entry, NoRoom, Store
from local.providers.tokens import Tokens

_FILES = "/drive/v3/files"
_UPLOADS = "/upload/drive/v3/files"
_ROUTES: dict[tuple[str, str], tuple[str, Kind]] = {
    ("GET", "/drive/v3/about"): ("about", "other"),
    ("GET", f"{_FILES}/generateIds"): ("generate_ids", "other"),
    ("GET", _FILES): ("list", "find"),
    ("POST", _FILES): ("create", "upload"),
    ("GET", f"{_FILES}/*"): ("get", "read"),
    ("PATCH", f"{_FILES}/*"): ("update", "move"),
    ("DELETE", f"{_FILES}/*"): ("delete", "delete"),
    ("POST", _UPLOADS): ("upload", "upload"),
    ("PATCH", f"{_UPLOADS}/*"): ("upload", "upload"),
}
_SHOWN_BY_DEFAULT = "kind,id,name,mimeType"
_LIST_FIELDS = frozenset({"kind", "incompleteSearch", "nextPageToken", "files"})
_MOST_LISTED = 1000
_MOST_IDS = 1000
_IN_PARENTS = re.compile(r"'([^']+)' in parents")


@dataclass(frozen=True)
class _Heard:
    """What has been understood of a request; `trouble` is raised once it is to be answered."""

    route: str
    file_id: str
    said: dict[str, Any]
    trouble: Refused | BrokenOff | None


class Drive:
    """Answers the requests to one store."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store, self._tokens = store, tokens
        self._files = Files(store)
        self._uploads = Uploads(self._files)

    # What the gate asks

    def call(self, request: Request) -> Call:
        """Who asks for what; raises nothing."""
        heard, kind = _heard(request)
        request.heard = heard
        if heard.route == "chunk":
            account, path = self._uploads.place(request.query.get("upload_id", ""))
            kind = "other" if drive_uploads.asks_for_state(request) else kind
        else:
            account = self._tokens.bearer(request.header("Authorization")).account
            path = self._path(request, account, heard)
        if heard.said.get("mimeType") == FOLDER and heard.route == "create":
            kind = "create_folder"
        if heard.route == "get" and request.query.get("alt") == "media":
            kind = "download"
        return Call(kind, account, re.sub(r"\x1f\d+", "", path), size=request.length or 0)

    def answer(self, request: Request, call: Call, profile: Profile) -> Response:
        """Do what is asked for; raises Refused, and BrokenOff where the client is gone."""
        heard: _Heard = request.heard
        try:
            if heard.route == "chunk":
                return self._chunk(request, profile)
            if not call.account:
                raise unauthorised()
            if heard.trouble is not None:
                raise heard.trouble
            return self._routes()[heard.route](request, call.account, heard)
        except NoRoom:
            message = "The user's Drive storage quota has been exceeded."
            raise refused(403, "storageQuotaExceeded", message) from None
        except InvalidQuery as query:
            raise _invalid_query(*query.args) from None

    def _routes(self) -> dict[str, Callable[[Request, str, _Heard], Response]]:
        return {
            "about": self._about,
            "generate_ids": self._generate_ids,
            "list": self._list,
            "create": self._create,
            "get": self._get,
            "update": self._update,
            "delete": self._delete,
            "upload": self._upload,
        }

    def _path(self, request: Request, account: str, heard: _Heard) -> str:
        if heard.route == "list":
            found = _IN_PARENTS.search(request.query.get("q", ""))
            entry = self._files.find(account, found[1]) if found else None
            return entry.path if entry else ""
        if heard.file_id:
            entry = self._files.find(account, heard.file_id)
            return entry.path if entry else ""
        parent = self._files.find(account, (heard.said.get("parents") or ["root"])[0])
        name = heard.said.get("name", "")
        return f"{parent.path}/{name}".strip("/") if parent else name

    # Methods

    def _about(self, request: Request, account: str, _: _Heard) -> Response:
        if "fields" not in request.query:
            message = "The 'fields' parameter is required for this method."
            raise refused(400, "required", message, parameter="fields")
        quota, used = self._store.accounts[account].storage_quota, self._store.used(account)
        usage = {"usage": str(used), "usageInDrive": str(used), "usageInDriveTrash": "0"}
        document = {
            "kind": "drive#about",
            "user": {"kind": "drive#user", "displayName": account, "me": True},
            "storageQuota": usage if quota is None else {"limit": str(quota), **usage},
        }
        return reply(200, masked(document, mask(request.query["fields"], frozenset(document))))

    def _generate_ids(self, request: Request, account: str, _: _Heard) -> Response:
        count = request.query.get("count", "10")
        if not count.isdigit() or not 1 <= int(count) <= _MOST_IDS:
            raise invalid("count")
        ids = [self._files.id_of(account, number) for number in self._store.reserve(int(count))]
        return reply(200, {"kind": "drive#generatedIds", "space": "drive", "ids": ids})

    def _list(self, request: Request, account: str, _: _Heard) -> Response:
        query, wanted = request.query, _fields(request, _LIST_FIELDS, "")
        size, first = query.get("pageSize", "100"), _offset(query.get("pageToken", ""))
        if not size.isdigit() or not 1 <= int(size) <= _MOST_LISTED:
            raise invalid("pageSize")
        q = query.get("q", "")
        test = matching(q, self._files.root_id(account)) if q else lambda _: True
        only = None if re.search(r"\b(or|not)\b", q) else _IN_PARENTS.search(q)
        files = filter(test, self._files.shown(account, only[1] if only else None))
        files = ordered(files, query.get("orderBy", "modifiedTime desc"))
        last = first + int(size)
        page: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": False}
        if len(files) > last:
            page["nextPageToken"] = base64.urlsafe_b64encode(f"~!!~{last}".encode()).decode()
        by_default = mask(_SHOWN_BY_DEFAULT, FILE_FIELDS)
        shown = files[first:last] if wanted else masked(files[first:last], by_default)
        return reply(200, masked({**page, "files": shown}, wanted))

    def _create(self, request: Request, account: str, heard: _Heard) -> Response:
        if heard.said.get("mimeType") != FOLDER:
            made = self._uploads.store_new(account, heard.said, iter(()))
        else:
            made = self._uploads.make_folder(account, heard.said)
        return self._shown(request, account, made)

    def _get(self, request: Request, account: str, heard: _Heard) -> Response:
        entry = self._found(account, heard.file_id)
        if request.query.get("alt") != "media":
            return self._shown(request, account, entry)
        opened = self._store.opened(account, entry.path)
        if opened is None:
            message = "Only files with binary content can be downloaded."
            raise refused(403, "fileNotDownloadable", message, parameter="alt")
        typed = replace(opened[0], meta={"content-type": mime_type(opened[0])})
        return file_response(request, typed, opened[1], lambda _, message: bad_request(message))

    def _update(self, request: Request, account: str, heard: _Heard) -> Response:
        return self._shown(request, account, self._changed(request, account, heard))

    def _changed(self, request: Request, account: str, heard: _Heard) -> Entry:
        with self._store.transaction():
            entry = self._found(account, heard.file_id)
            if not entry.id:
                raise not_allowed()
            if "parents" in heard.said:
                message = (
                    "The parents field is not directly writable in update requests."
                    " Use the addParents and removeParents parameters instead."
                )
                raise refused(403, "fieldNotWritable", message)
            meta = {**changed(entry.meta), **said_of(heard.said)}
            self._store.revise(entry, meta, moment_of(heard.said, "modifiedTime"))
            self._place(request, account, self._found(account, heard.file_id), heard.said)
        return self._found(account, heard.file_id)

    def _place(self, request: Request, account: str, entry: Entry, said: dict[str, Any]) -> None:
        """Put a file where it now belongs: in a folder, under its name, or in the trash."""
        parent = self._files.parent(account, entry)
        assert parent is not None  # noqa: S101 - only the root has none
        target = self._target(request, account, entry, parent)
        thrown_away = "was_in" in entry.meta
        if said.get("trashed") is True and not thrown_away:
            self._files.trash(account, entry, target)
        elif said.get("trashed") is False and thrown_away:
            self._files.restore(account, entry)
        elif not thrown_away:
            path = self._files.free_path(account, target, name_of(entry), entry.id)
            self._store.move(account, entry.path, path)

    def _target(self, request: Request, account: str, entry: Entry, parent: Entry) -> Entry:
        """The folder that a file is moved to, or the one that it is in; raises Refused."""
        added = [name for name in request.query.get("addParents", "").split(",") if name]
        removed = [name for name in request.query.get("removeParents", "").split(",") if name]
        from_here = [self._found(account, name).id for name in removed] == [parent.id]
        if not added and not removed:
            return parent
        if not added or len(added) > 1 or not from_here:
            message = "Increasing the number of parents is not allowed"
            raise refused(403, "cannotAddParent", message)
        target = self._uploads.folder(account, added)
        if f"{target.path}/".startswith(f"{entry.path}/"):
            raise bad_request("A file cannot be moved into itself.")
        return target

    def _delete(self, _: Request, account: str, heard: _Heard) -> Response:
        with self._store.transaction():
            entry = self._found(account, heard.file_id)
            if not entry.id:
                raise not_allowed()
            self._store.delete(account, entry.path)
        return Response(204)

    def _upload(self, request: Request, account: str, heard: _Heard) -> Response:
        if heard.file_id:
            entry = self._found(account, heard.file_id)
            if entry.sha256 is None:
                raise not_allowed()
        kind = request.query.get("uploadType", "media")
        if kind == "resumable":
            return self._uploads.begin(request, account, heard.said, heard.file_id)
        if kind not in ("media", "multipart"):
            raise invalid("uploadType")
        if kind == "media":
            self._store.check_quota(account, request.size)
        content = drive_uploads.content(request)
        if not heard.file_id:
            made = self._uploads.store_new(account, heard.said, content)
            return self._shown(request, account, made)
        self._uploads.replace(account, heard.file_id, heard.said, content)
        return self._update(request, account, heard)

    def _chunk(self, request: Request, profile: Profile) -> Response:
        account, done = self._uploads.put(request, profile)
        if isinstance(done, Response):
            return done
        return self._shown(request, account, done)

    # What is there

    def _found(self, account: str, file_id: str) -> Entry:
        found = self._files.find(account, file_id)
        if found is None:
            raise not_found(file_id)
        return found

    def _shown(self, request: Request, account: str, entry: Entry) -> Response:
        wanted = _fields(request, FILE_FIELDS, _SHOWN_BY_DEFAULT)
        return reply(200, masked(self._files.resource(account, entry), wanted))


def _heard(request: Request) -> tuple[_Heard, Kind]:
    route, kind, file_id = _route(request)
    try:
        said = metadata(request) if route in ("create", "update", "upload") else {}
    except (Refused, BrokenOff) as trouble:
        return _Heard(route, file_id, {}, trouble), kind
    trouble = None if route else refused(404, "notFound", "Not Found")
    return _Heard(route, file_id, said, trouble), kind


def _route(request: Request) -> tuple[str, Kind, str]:
    path = request.path.rstrip("/")
    if "upload_id" in request.query and f"{path}/".startswith(f"{_UPLOADS}/"):
        return "chunk", "upload", ""  # By PUT, or by POST, which Google does not document.
    known = _ROUTES.get((request.method, path))
    if known is not None:
        return *known, ""
    above, _, file_id = path.rpartition("/")
    route, kind = _ROUTES.get((request.method, f"{above}/*"), ("", "other"))
    return route, kind, file_id if route else ""


def _fields(request: Request, known: frozenset[str], otherwise: str) -> dict[str, Any]:
    fields = request.query.get("fields", otherwise)
    return mask(fields, known) if fields else {}


def _offset(token: str) -> int:
    try:
        mark, _, number = base64.urlsafe_b64decode(token).decode().rpartition("~")
    except ValueError:
        raise invalid("pageToken") from None
    if token and (mark != "~!!" or not number.isdigit()):
        raise invalid("pageToken")
    return int(number or 0)


def _invalid_query(name: str, value: str) -> Refused:
    if name != "fields":
        return invalid(name)
    return refused(400, "invalidParameter", f"Invalid field selection {value}", parameter=name)
