"""Microsoft Graph, version 1.0, as far as it reaches files: OneDrive and SharePoint's libraries.

Whoever comes with an access token reaches the own drive, by its id or as `me/drive`; items by their
ids or by paths. Content is fetched from an address that needs no token and is good for an hour.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from local.providers import graph_downloads, graph_uploads
from local.providers.graph_downloads import Downloads, packed, unpacked
from local.providers.graph_errors import (
    full,
    invalid,
    name_taken,
    not_found,
    refused,
    reply,
    unauthorised,
)
from local.providers.graph_items import ROOT, Items, changed, check_tags
from local.providers.graph_names import check_name
from local.providers.graph_uploads import BEHAVIOUR, Uploads, system_info
from local.providers.limiter import Call
from local.providers.messages import BrokenOff, Refused, Request, Response, pieces
from local.providers.profiles import Kind, Profile
from local.providers.store import Account, Entry, NoRoom, Store
from local.providers.tokens import Tokens

_TARGET = re.compile(
    r"/v1\.0/(?:me/drive|drives/(?P<drive>[^/]+))"
    r"(?:/(?:root|items/(?P<item>[^/:]+))(?P<below>:/[^:]*:?)?(?:/(?P<action>\w+))?)?"
)
_CONTENT_MAXIMUM = 250 * 1024**2
_KINDS: dict[tuple[str, str], Kind] = {
    ("GET", ""): "read",
    ("PUT", ""): "upload",
    ("PATCH", ""): "move",
    ("DELETE", ""): "delete",
    ("GET", "children"): "find",
    ("POST", "children"): "create_folder",
    ("GET", "content"): "read",
    ("PUT", "content"): "upload",
    ("POST", "createUploadSession"): "upload",
    ("GET", "permissions"): "other",
}
_SESSION_KINDS: dict[str, Kind] = {"GET": "read", "DELETE": "delete"}
_TYPES = {
    "name": str,
    "@microsoft.graph.sourceUrl": str,
    "item": dict,
    "folder": dict,
    "fileSystemInfo": dict,
    "parentReference": dict,
    "fileSize": int,
    "description": str,
    BEHAVIOUR: str,
}
_MOST_LISTED = 1000


@dataclass(frozen=True)
class _Heard:
    """What has been understood of a request; `trouble` is raised once it is to be answered.

    `item` is an id, and `below` a path that goes on from there. Without `in_drive` it is the drive
    that is asked for."""

    drive: str | None
    item: str
    below: str
    action: str
    in_drive: bool
    said: dict[str, Any]
    trouble: Refused | BrokenOff | None


class Graph:
    """Answers the requests to one store."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store, self._tokens = store, tokens
        self._items = Items(store)
        self._uploads = Uploads(self._items)
        self._downloads = Downloads(self._items)

    # What the gate asks

    def call(self, request: Request) -> Call:
        """Who asks for what; raises nothing."""
        size = request.length or 0
        if request.path == graph_uploads.PATH:
            account, path = self._uploads.place(request.query.get("tempauth", ""))
            kind = _SESSION_KINDS.get(request.method, "upload")
            return Call(kind, account, path, size=size)
        if request.path == graph_downloads.PATH:
            account, number = self._downloads.granted(request) or ("", 0)
            entry = self._store.entry_of(account, number)
            return Call("download", account, entry.path if entry else "")
        heard = _heard(request)
        request.heard = heard
        account = self._tokens.bearer(request.header("Authorization")).account
        kind = _KINDS.get((request.method, heard.action if heard else ""), "read")
        known = self._store.accounts.get(account)
        path = self._path(known, heard) if known and heard else ""
        return Call(kind, account, path, size=size)

    def answer(self, request: Request, call: Call, profile: Profile) -> Response:
        """Do what is asked for; raises Refused, and BrokenOff where the client is gone."""
        try:
            if request.path == graph_uploads.PATH:
                return self._session(request, call, profile)
            if request.path == graph_downloads.PATH:
                return self._downloads.answer(request)
            return self._authorised(request, call, profile)
        except NoRoom:
            raise full() from None

    def _session(self, request: Request, call: Call, profile: Profile) -> Response:
        account = self._store.accounts.get(call.account)
        if account is None:
            raise refused(404, "itemNotFound", "The upload session was not found.")
        return self._uploads.answer(request, account, profile)

    def _authorised(self, request: Request, call: Call, profile: Profile) -> Response:
        heard: _Heard | None = request.heard
        account = self._account(request, call.account)
        if heard is None:
            raise refused(400, "BadRequest", "Resource not found for the segment.")
        if heard.drive not in (None, self._items.drive(account)):
            raise refused(404, "itemNotFound", "The drive could not be found.")
        if heard.trouble is not None:
            raise heard.trouble
        if not heard.in_drive:
            return self._drive(request, account)
        route = self._routes().get((request.method, heard.action))
        if route is None:
            raise refused(405, "methodNotAllowed", "The method is not known here.")
        return route(request, account, heard, profile)

    def _account(self, request: Request, name: str) -> Account:
        if name:
            return self._store.accounts[name]
        header = request.header("Authorization")
        if header is None:
            raise unauthorised("Access token is empty.")
        if self._tokens.bearer(header).expired:
            raise unauthorised("Lifetime validation failed, the token is expired.")
        raise unauthorised("Access token validation failure.")

    def _routes(self) -> dict[tuple[str, str], Callable[..., Response]]:
        return {
            ("GET", ""): self._get,
            ("PUT", ""): self._commit,
            ("PATCH", ""): self._update,
            ("DELETE", ""): self._delete,
            ("GET", "children"): self._list,
            ("POST", "children"): self._create_folder,
            ("GET", "content"): self._fetch,
            ("PUT", "content"): self._upload,
            ("POST", "createUploadSession"): self._begin_upload,
            ("GET", "permissions"): self._permissions,
        }

    def _path(self, account: Account, heard: _Heard) -> str:
        above = self._items.find(account, heard.item)
        name = heard.said.get("name", "") if heard.action == "children" else ""
        steps = [above.path if above else "", heard.below, name]
        return "/".join(filter(None, (step.strip("/") for step in steps)))

    # Methods

    def _drive(self, request: Request, account: Account) -> Response:
        if request.method != "GET":
            raise refused(405, "methodNotAllowed", "The method is not known here.")
        used = self._store.used(account.name)
        total = account.storage_quota if account.storage_quota is not None else 1024**4
        document = {
            "@odata.context": f"{request.base}/v1.0/$metadata#drives/$entity",
            "id": self._items.drive(account),
            "driveType": account.drive_type,
            "name": "OneDrive" if account.drive_type != "documentLibrary" else "Documents",
            "owner": {"user": {"id": account.name, "displayName": account.name}},
            "quota": {
                "deleted": 0,
                "remaining": max(0, total - used),
                "state": "normal" if used < total else "exceeded",
                "total": total,
                "used": used,
            },
        }
        return reply(200, _selected(request, document))

    def _get(self, request: Request, account: Account, heard: _Heard, _: Profile) -> Response:
        return self._shown(request, account, self._found(account, heard))

    def _list(self, request: Request, account: Account, heard: _Heard, _: Profile) -> Response:
        folder = self._found(account, heard)
        top = request.query.get("$top", "200")
        if not top.isdigit() or not 1 <= int(top) <= _MOST_LISTED:
            raise invalid("The value of $top is not allowed.")
        after = unpacked(request.query.get("$skiptoken", ""))
        rest = [e for e in self._store.children(account.name, folder.path) if e.path > after]
        page = rest[: int(top)] if folder.sha256 is None else []
        document: dict[str, Any] = {
            "@odata.context": f"{request.base}/v1.0/$metadata#Collection(driveItem)",
            "value": [_selected(request, self._item(request, account, entry)) for entry in page],
        }
        if len(rest) > len(page):
            query = {**request.query, "$skiptoken": packed(page[-1].path)}
            text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            document["@odata.nextLink"] = f"{request.base}{quote(request.path, '/:!')}?{text}"
        return reply(200, document)

    def _create_folder(
        self, request: Request, account: Account, heard: _Heard, _: Profile
    ) -> Response:
        name, said = heard.said.get("name"), heard.said
        if name is None or "folder" not in said:
            raise invalid("A name and a folder facet are needed.")
        with self._store.transaction():
            above = self._found(account, heard)
            if above.sha256 is not None:
                raise invalid("The parent is not a folder.")
            behaviour = "rename" if said.get(BEHAVIOUR) == "rename" else "fail"
            place = self._items.place(account, above, name, behaviour)
            meta = {**changed(None, content=True), **system_info(said)}
            made = self._store.put_folder(account.name, place, meta)
        return self._shown(request, account, made, 201)

    def _fetch(self, request: Request, account: Account, heard: _Heard, _: Profile) -> Response:
        entry = self._found(account, heard)
        if entry.sha256 is None:
            raise invalid("A folder has no content.")
        return Response(302, headers={"Location": self._downloads.url(request, account, entry)})

    def _upload(self, request: Request, account: Account, heard: _Heard, _: Profile) -> Response:
        if request.size > _CONTENT_MAXIMUM:
            raise refused(413, "invalidRequest", "The content is too large: use a session.")
        behaviour = request.query.get(BEHAVIOUR, "replace")
        self._store.check_quota(account.name, request.size)
        path = self._new_path(account, heard)
        entry, replaced = self._uploads.store_file(
            account, path, pieces(request.body), {}, behaviour, request
        )
        return self._shown(request, account, entry, 200 if replaced else 201)

    def _new_path(self, account: Account, heard: _Heard) -> str:
        """Where content goes; folders that a path goes through are made with it."""
        above = self._items.find(account, heard.item)
        if above is None:
            raise not_found()
        if not heard.below:
            if above.sha256 is None:
                raise invalid("A folder has no content.")
            return above.path
        *folders, last = heard.below.strip("/").split("/")
        check_name(last, personal=account.drive_type == "personal")
        with self._store.transaction():
            for name in folders:
                above = self._items.at(account, above, name) or self._made(account, above, name)
        if above.sha256 is not None:
            raise name_taken()
        return f"{above.path}/{last}".strip("/")

    def _made(self, account: Account, above: Entry, name: str) -> Entry:
        check_name(name, personal=account.drive_type == "personal")
        path = f"{above.path}/{name}".strip("/")
        return self._store.put_folder(account.name, path, changed(None, content=True))

    def _begin_upload(
        self, request: Request, account: Account, heard: _Heard, profile: Profile
    ) -> Response:
        above = self._items.find(account, heard.item)
        if above is None:
            raise not_found()
        folder, _, name = heard.below.strip("/").rpartition("/")
        parent = self._items.at(account, above, folder)
        if parent is None or (not name and above.sha256 is None):
            raise not_found()
        if name:
            check_name(name, personal=account.drive_type == "personal")
        path = f"{parent.path}/{name}".strip("/")
        return self._uploads.begin(request, account, path, heard.said, profile)

    def _commit(
        self, request: Request, account: Account, heard: _Heard, profile: Profile
    ) -> Response:
        """Complete a session with another name, or another answer to a conflict."""
        source = urlsplit(heard.said.get("@microsoft.graph.sourceUrl", ""))
        session = parse_qs(source.query).get("tempauth", [""])[0]
        if self._uploads.place(session)[0] != account.name:
            raise invalid("The upload session was not found.")
        folder = self._found(account, heard)
        name = heard.said.get("name", "")
        instead = (f"{folder.path}/{name}".strip("/"), heard.said.get(BEHAVIOUR, "fail"))
        return self._uploads.commit(request, account, session, profile, instead)

    def _update(self, request: Request, account: Account, heard: _Heard, _: Profile) -> Response:
        with self._store.transaction():
            entry = self._changeable(request, account, heard)
            meta = {**changed(entry, content=False), **system_info(heard.said)}
            self._store.revise(entry, meta)
            path = self._target(account, heard, entry)
            if path != entry.path:
                self._store.delete(account.name, path)
                self._store.move(account.name, entry.path, path)
        moved = self._store.entry_of(account.name, entry.id)
        assert moved is not None  # noqa: S101 - it has just been moved
        return self._shown(request, account, moved)

    def _target(self, account: Account, heard: _Heard, entry: Entry) -> str:
        reference, said = heard.said.get("parentReference") or {}, heard.said
        name = said.get("name", entry.path.rpartition("/")[2])
        folder = self._items.at(account, ROOT, entry.path.rpartition("/")[0])
        if "id" in reference:
            folder = self._items.find(account, str(reference["id"]))
        elif "path" in reference:
            below = str(reference["path"]).partition("root:")[2]
            folder = self._items.at(account, ROOT, below)
        if folder is None or folder.sha256 is not None:
            raise not_found()
        if f"{folder.path}/".startswith(f"{entry.path}/"):
            raise invalid("An item cannot be moved into itself.")
        behaviour = said.get(BEHAVIOUR, "fail")
        return self._items.place(account, folder, name, behaviour, entry.id)

    def _delete(self, request: Request, account: Account, heard: _Heard, _: Profile) -> Response:
        with self._store.transaction():
            entry = self._changeable(request, account, heard)
            self._store.delete(account.name, entry.path)
        return Response(204)

    def _permissions(
        self, request: Request, account: Account, heard: _Heard, _: Profile
    ) -> Response:
        entry = self._found(account, heard)
        user = {"user": {"id": account.name, "displayName": account.name}}
        owner = {"id": str(entry.id), "roles": ["owner"], "grantedToV2": user}
        return reply(200, {"value": [owner]})

    # What is there

    def _found(self, account: Account, heard: _Heard) -> Entry:
        above = self._items.find(account, heard.item)
        found = self._items.at(account, above, heard.below) if above else None
        if found is None:
            raise not_found()
        return found

    def _changeable(self, request: Request, account: Account, heard: _Heard) -> Entry:
        entry = self._found(account, heard)
        if not entry.id:
            raise refused(403, "accessDenied", "The root cannot be changed.")
        check_tags(request, entry)
        return entry

    def _item(self, request: Request, account: Account, entry: Entry) -> dict[str, Any]:
        item = self._items.shown(request, account, entry)
        if entry.sha256 is None:
            return item
        return {
            "@microsoft.graph.downloadUrl": self._downloads.url(request, account, entry),
            **item,
        }

    def _shown(
        self, request: Request, account: Account, entry: Entry, status: int = 200
    ) -> Response:
        context = f"{request.base}/v1.0/$metadata#drives('{self._items.drive(account)}')/items"
        item = _selected(request, self._item(request, account, entry))
        return reply(status, {"@odata.context": f"{context}/$entity", **item})


def _heard(request: Request) -> _Heard | None:
    found = _TARGET.fullmatch(request.path.rstrip("/"))
    if found is None:
        return None
    action, below = found["action"] or "", (found["below"] or "").strip(":")
    in_drive = found[0] != _drive_of(found)
    said: dict[str, Any] = {}
    trouble: Refused | BrokenOff | None = None
    if request.method in ("POST", "PATCH") or (request.method == "PUT" and not action):
        try:
            said = _said(request)
        except (Refused, BrokenOff) as raised:
            trouble = raised
    return _Heard(found["drive"], found["item"] or "root", below, action, in_drive, said, trouble)


def _drive_of(found: re.Match[str]) -> str:
    return "/v1.0/me/drive" if found["drive"] is None else f"/v1.0/drives/{found['drive']}"


def _said(request: Request) -> dict[str, Any]:
    text = request.command()
    try:
        said = json.loads(text) if text.strip() else {}
    except ValueError:
        said = None
    if not isinstance(said, dict) or not _typed(said) or not _typed(said.get("item") or {}):
        raise refused(400, "BadRequest", "Unable to read JSON request payload.")
    return said


def _typed(said: dict[str, Any]) -> bool:
    """Whether all that is looked at later has the type that it should."""
    return all(isinstance(said[name], kind) for name, kind in _TYPES.items() if name in said)


def _selected(request: Request, document: dict[str, Any]) -> dict[str, Any]:
    wanted = request.query.get("$select", request.query.get("select"))
    if not wanted:
        return document
    names = {name.strip() for name in wanted.split(",")}
    if "content.downloadUrl" in names:
        names.add("@microsoft.graph.downloadUrl")
    return {name: value for name, value in document.items() if name in names}
