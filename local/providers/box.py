"""Box's API, version 2.0: files and folders of one account, as its documentation has it.

What Box has on several hosts is told apart by its path: `/2.0/` (api.box.com), `/api/2.0/`
(upload.box.com) and `/d/` (dl.boxcloud.com). There is no trash: what is deleted is gone, and leaves
its room at once.
"""

import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.providers.box_items import ROOT, Items, answer, checked_name, error, not_found
from local.providers.box_sessions import Sessions
from local.providers.box_uploads import Uploads, document, host
from local.providers.dav import file_response
from local.providers.limiter import Call
from local.providers.messages import Refused, Request, Response, precondition
from local.providers.multipart import BadForm, Form
from local.providers.profiles import Kind, Profile
from local.providers.store import Entry, NoRoom, Store
from local.providers.tokens import Tokens

_LINKS = 10_000
"""So many addresses for downloads are good at once."""


@dataclass(frozen=True)
class _Route:
    method: str
    path: re.Pattern[str]
    kind: Kind


def _route(method: str, path: str, kind: Kind) -> _Route:
    return _Route(method, re.compile(path.replace("{id}", r"(?P<id>\d+)")), kind)


_SESSION = r"/api/2\.0/files/upload_sessions/(?P<session>\w+)"
_ROUTES = {
    "create_folder": _route("POST", r"/2\.0/folders", "create_folder"),
    "get_folder": _route("GET", r"/2\.0/folders/{id}", "read"),
    "list_items": _route("GET", r"/2\.0/folders/{id}/items", "find"),
    "delete_folder": _route("DELETE", r"/2\.0/folders/{id}", "delete"),
    "get_file": _route("GET", r"/2\.0/files/{id}", "read"),
    "delete_file": _route("DELETE", r"/2\.0/files/{id}", "delete"),
    "locate_content": _route("GET", r"/2\.0/files/{id}/content", "read"),
    "download": _route("GET", r"/d/1/(?P<link>[^/]+)/download", "read"),
    "preflight": _route("OPTIONS", r"/2\.0/files(/{id})?/content/?", "read"),
    "upload": _route("POST", r"/api/2\.0/files(/{id})?/content", "upload"),
    "begin": _route("POST", r"/api/2\.0/files(/{id})?/upload_sessions", "other"),
    "put_part": _route("PUT", _SESSION, "upload"),
    "status": _route("GET", _SESSION, "other"),
    "list_parts": _route("GET", f"{_SESSION}/parts", "other"),
    "commit": _route("POST", f"{_SESSION}/commit", "upload"),
    "abort": _route("DELETE", _SESSION, "other"),
}


@dataclass(frozen=True)
class _Asked(Call):
    """A request, and what of its body has been read already: of a form, all before the file."""

    name: str = ""
    identity: str | None = None
    session: str = ""
    form: Form | None = None
    attributes: dict[str, Any] | None = None


class Box:
    """Answers the requests to one store."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store, self._tokens = store, tokens
        self._items = Items(store)
        self._uploads = Uploads(store, self._items)
        self._sessions = Sessions(store, self._uploads)
        self._links: OrderedDict[str, tuple[str, int]] = OrderedDict()

    # What the gate asks

    def call(self, request: Request) -> Call:
        account = self._tokens.bearer(request.header("Authorization")).account
        asked_for = _asked_for(request)
        if asked_for is None:
            return Call("other", account, size=request.size)
        name, parts = asked_for
        identity, session = parts.get("id"), parts.get("session") or ""
        form, attributes = _opened(request) if name == "upload" else (None, None)
        path = self._path(request, name, account, identity, session, attributes)
        return _Asked(
            _ROUTES[name].kind,
            account,
            path,
            "",
            path.partition("/")[0],
            request.size,
            name,
            identity or parts.get("link"),
            session,
            form,
            attributes,
        )

    def _path(
        self,
        request: Request,
        name: str,
        account: str,
        identity: str | None,
        session: str,
        attributes: dict[str, Any] | None,
    ) -> str:
        """The path that faults and locks look at; of a part, where it is in its session."""
        if name == "put_part":
            start = (request.header("Content-Range") or "").partition("-")[0]
            return f"/uploads/{session}/{start.removeprefix('bytes ')}"
        if session:
            begun = self._store.upload(session)
            return begun[1] if begun and begun[0] == account else ""
        try:
            if identity is not None:
                return self._entry(account, identity).path
            if name in ("create_folder", "preflight", "begin"):
                attributes = document(request)
            return self._new_path(account, attributes or {})
        except Refused:
            return ""

    def _entry(self, account: str, identity: str) -> Entry:
        found = self._store.entry_of(account, int(identity))
        return found if found is not None else self._items.folder(account, identity)

    def _new_path(self, account: str, asked: dict[str, Any]) -> str:
        parent = asked.get("parent")
        above = parent.get("id") if isinstance(parent, dict) else asked.get("folder_id")
        name = asked.get("name") or asked.get("file_name") or ""
        return f"{self._items.folder(account, above).path}/{name}".lstrip("/")

    def answer(self, request: Request, call: Call, profile: Profile) -> Response:
        if not isinstance(call, _Asked):
            raise not_found("path")
        if call.name == "download":
            return self._download(request, call.identity or "")
        if not call.account:
            raise self._unauthorised(request)
        try:
            return self._handler(call, profile)(request)
        except NoRoom:
            raise error(403, "storage_limit_exceeded", "Account storage limit reached") from None

    def _handler(self, asked: _Asked, profile: Profile) -> Callable[[Request], Response]:
        account, identity, session = asked.account, asked.identity, asked.session
        item, uploads, sessions = identity or ROOT, self._uploads, self._sessions
        attributes = asked.attributes
        if attributes is None and identity is not None:
            attributes = {}  # A new version needs no name.
        return {
            "create_folder": lambda request: self._create_folder(request, account),
            "get_folder": lambda request: self._get_folder(request, account, item),
            "list_items": lambda request: answer(
                200, self._items.listed(request, account, self._items.folder(account, item))
            ),
            "delete_folder": lambda request: self._delete_folder(request, account, item),
            "get_file": lambda request: answer(
                200, self._items.shown(request, account, self._items.file(account, item))
            ),
            "delete_file": lambda request: self._delete_file(request, account, item),
            "locate_content": lambda request: self._locate(request, account, item),
            "preflight": lambda request: uploads.preflight(request, account, identity),
            "upload": lambda request: uploads.upload(
                request, account, asked.form, attributes, identity
            ),
            "begin": lambda request: sessions.begin(request, account, identity, profile),
            "put_part": lambda request: sessions.put_part(request, account, session),
            "status": lambda request: sessions.status(request, account, session),
            "list_parts": lambda request: sessions.list_parts(request, account, session),
            "commit": lambda request: sessions.commit(request, account, session, profile),
            "abort": lambda _: sessions.abort(account, session),
        }[asked.name]

    def _unauthorised(self, request: Request) -> Refused:
        """It says why in a header, and sends no body."""
        challenge = 'Bearer realm="Service"'
        given = request.header("Authorization")
        if given is not None:
            expired = self._tokens.bearer(given).expired
            why = "has expired" if expired else "is invalid"
            described = f'error_description="The access token provided {why}."'
            challenge += f', error="invalid_token", {described}'
        return Refused(Response(401, headers={"WWW-Authenticate": challenge}))

    # Folders

    def _create_folder(self, request: Request, account: str) -> Response:
        asked = document(request)
        parent = asked.get("parent")
        if not isinstance(parent, dict) or "id" not in parent:
            raise error(400, "bad_request", "Bad Request: the parent is missing")
        name = checked_name(asked.get("name"))
        with self._store.transaction():
            folder = self._items.folder(account, parent["id"])
            path = self._items.free_path(account, folder, name, kind="folder")
            made = self._store.put_folder(account, path)
        return answer(201, self._shown_folder(request, account, made))

    def _get_folder(self, request: Request, account: str, identity: str) -> Response:
        folder = self._items.folder(account, identity)
        return answer(200, self._shown_folder(request, account, folder))

    def _shown_folder(self, request: Request, account: str, folder: Entry) -> dict[str, Any]:
        shown = self._items.shown(request, account, folder)
        if "fields" not in request.query:
            shown["folder_upload_email"] = None
            shown["item_collection"] = self._items.listed(request, account, folder)
        return shown

    def _delete_folder(self, request: Request, account: str, identity: str) -> Response:
        if identity == ROOT:
            raise error(403, "access_denied_insufficient_permissions", "The root cannot be deleted")
        with self._store.transaction():
            folder = self._items.folder(account, identity)
            _check_unchanged(request, "0")
            recursive = request.query.get("recursive", "").lower() == "true"
            if not recursive and self._store.children(account, folder.path):
                raise error(400, "folder_not_empty", "Cannot delete - folder not empty")
            self._store.delete(account, folder.path)
        return Response(204)

    # Files

    def _delete_file(self, request: Request, account: str, identity: str) -> Response:
        with self._store.transaction():
            file = self._items.file(account, identity)
            _check_unchanged(request, file.etag)
            self._store.delete(account, file.path)
        return Response(204)

    def _locate(self, request: Request, account: str, identity: str) -> Response:
        """Where the content is, for whoever knows the address, until the simulator ends."""
        file = self._items.file(account, identity)
        link = secrets.token_urlsafe(24)
        self._links[link] = (account, file.id)
        if len(self._links) > _LINKS:
            self._links.popitem(last=False)
        return Response(302, headers={"Location": f"{host(request)}/d/1/{link}/download"})

    def _download(self, request: Request, link: str) -> Response:
        account, identity = self._links.get(link, ("", 0))
        file = self._store.entry_of(account, identity)
        opened = self._store.opened(account, file.path) if file is not None else None
        if opened is None:
            raise Refused(Response(404))
        return file_response(request, *opened, error=lambda *_: Refused(Response(412)))


def _asked_for(request: Request) -> tuple[str, dict[str, str | None]] | None:
    """The name of a route, and what its path says."""
    for name, route in _ROUTES.items():
        found = route.path.fullmatch(request.path)
        if found is not None and route.method == request.method:
            return name, found.groupdict()
    return None


def _opened(request: Request) -> tuple[Form | None, dict[str, Any] | None]:
    """A form, read as far as its file, and the attributes that came before that."""
    try:
        form = Form(request.body, request.header("Content-Type") or "")
        name = form.next()
        if name != "attributes":
            return form, None
        attributes = json.loads(form.text())
        form.next()
    except (BadForm, ValueError):
        return None, None
    return form, attributes if isinstance(attributes, dict) else {}


def _check_unchanged(request: Request, etag: str) -> None:
    if precondition(request, etag):
        message = "The resource has been modified. Retrieve the resource again and retry"
        raise error(412, "precondition_failed", message)
