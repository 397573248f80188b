"""Dropbox's API, version 2: files and folders of one account, as its documentation has it.

All endpoints lie under `/2/files/`, whichever of Dropbox's hosts they are on. Team spaces, sharing
and searching are not there, nor are older revisions of a file.
"""

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, TypeAdapter

from local.providers import dropbox_arguments as arguments
from local.providers.dav import file_response
from local.providers.dropbox_arguments import WriteFailed, bad_input, failure, refused
from local.providers.dropbox_entries import described, found, free_path, place, tagged
from local.providers.dropbox_uploads import Uploads
from local.providers.limiter import Call
from local.providers.messages import Refused, Request, Response
from local.providers.profiles import Kind, Profile
from local.providers.store import Entry, Store
from local.providers.tokens import Tokens

_ROOT = "/2/"
_PAGE = 500


class _Cursor(TypedDict):
    """Where a list goes on: after a path, or with what is newer than some time."""

    folder: str
    recursive: bool
    limit: int
    after: str
    since: float


_CURSOR = TypeAdapter(_Cursor)


@dataclass(frozen=True)
class _Route:
    kind: Kind
    style: Literal["rpc", "upload", "download"]
    argument: type[BaseModel]


_ROUTES = {
    "files/create_folder_v2": _Route("create_folder", "rpc", arguments.CreateFolder),
    "files/get_metadata": _Route("read", "rpc", arguments.GetMetadata),
    "files/list_folder": _Route("find", "rpc", arguments.ListFolder),
    "files/list_folder/continue": _Route("find", "rpc", arguments.Continue),
    "files/delete_v2": _Route("delete", "rpc", arguments.Delete),
    "files/download": _Route("read", "download", arguments.Download),
    "files/upload": _Route("upload", "upload", arguments.Upload),
    # Only what commits a file locks the namespace.
    "files/upload_session/start": _Route("other", "upload", arguments.Start),
    "files/upload_session/append_v2": _Route("other", "upload", arguments.Append),
    "files/upload_session/finish": _Route("upload", "upload", arguments.Finish),
    "files/upload_session/finish_batch": _Route("upload", "rpc", arguments.FinishBatch),
    "files/upload_session/finish_batch_v2": _Route("upload", "rpc", arguments.FinishBatch),
    "files/upload_session/finish_batch/check": _Route("other", "rpc", arguments.Poll),
}


class Dropbox:
    """Answers the requests to one store."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store, self._tokens = store, tokens
        self._uploads = Uploads(store)

    # What the gate asks

    def call(self, request: Request) -> Call:
        route = _ROUTES.get(request.path.removeprefix(_ROOT))
        kind: Kind = route.kind if route else "other"
        path = _path_of(request, route) if route else ""
        account = self._tokens.bearer(request.header("Authorization")).account
        return Call(kind, account, path, "", path.partition("/")[0], request.size)

    def answer(self, request: Request, call: Call, _: Profile) -> Response:
        function = request.path.removeprefix(_ROOT)
        route = _ROUTES.get(function)
        if route is None or not request.path.startswith(_ROOT):
            text = f'Unknown API function: "{function}"'
            raise Refused(Response(400, text.encode(), {"Content-Type": arguments.TEXT}))
        allowed = ("GET", "POST") if route.style == "download" else ("POST",)
        if request.method not in allowed:
            raise Refused(Response(405, headers={"Allow": ", ".join(allowed)}))
        if not call.account:
            raise self._unauthorised(request, function)
        _check_content_type(request, route, function)
        argument = _argument(request, route, function)
        return self._handler(function)(call.account, argument, request)

    def _handler(self, function: str) -> Callable[[str, Any, Request], Response]:
        handlers: dict[str, Callable[[str, Any, Request], Response]] = {
            "files/create_folder_v2": self._create_folder,
            "files/get_metadata": self._get_metadata,
            "files/list_folder": self._list_folder,
            "files/list_folder/continue": self._continue,
            "files/delete_v2": self._delete,
            "files/download": self._download,
            "files/upload": lambda *asked: _json(self._uploads.upload(*asked)),
            "files/upload_session/start": lambda *asked: _json(self._uploads.start(*asked)),
            "files/upload_session/append_v2": self._append,
            "files/upload_session/finish": lambda *asked: _json(self._uploads.finish(*asked)),
            "files/upload_session/finish_batch": self._launch_batch,
            "files/upload_session/finish_batch_v2": self._finish_batch,
            "files/upload_session/finish_batch/check": self._check_batch,
        }
        return handlers[function]

    def _unauthorised(self, request: Request, function: str) -> Refused:
        given = request.header("Authorization")
        if given is None:
            return bad_input(function, 'Must provide HTTP header "Authorization".')
        if not given.lower().startswith("bearer "):
            return bad_input(function, 'Invalid authorization value in HTTP header "Authorization"')
        expired = self._tokens.bearer(given).expired
        tag = "expired_access_token" if expired else "invalid_access_token"
        return refused(failure(tag), status=401)

    # Endpoints

    def _create_folder(
        self, account: str, argument: arguments.CreateFolder, _: Request
    ) -> Response:
        try:
            with self._store.transaction():
                wanted = arguments.checked_for_writing(argument.path)
                path = place(self._store, account, wanted)
                there = self._store.entry_like(account, path)
                if there is not None:
                    if not argument.autorename:
                        raise WriteFailed("conflict", "folder" if there.sha256 is None else "file")
                    path = free_path(self._store, account, path, None)
                made = self._store.put_folder(account, path)
        except WriteFailed as problem:
            raise refused(failure("path", *problem.args)) from None
        return _json({"metadata": described(made)})

    def _get_metadata(self, account: str, argument: arguments.GetMetadata, _: Request) -> Response:
        return _json(tagged(self._found(account, argument.path)))

    def _delete(self, account: str, argument: arguments.Delete, _: Request) -> Response:
        with self._store.transaction():
            entry = self._found(account, argument.path, "path_lookup")
            if argument.parent_rev not in (None, entry.etag):
                raise refused(failure("path_write", "conflict", "file"))
            self._store.delete(account, entry.path)
        return _json({"metadata": tagged(entry)})

    def _download(self, account: str, argument: arguments.Download, request: Request) -> Response:
        entry = self._found(account, argument.path)
        opened = self._store.opened(account, entry.path)
        if opened is None:
            raise refused(failure("path", "not_file"))
        response = file_response(request, *opened, error=lambda *_: Refused(Response(412)))
        told = json.dumps(described(opened[0])).replace("\x7f", "\\u007f")
        response.headers["Dropbox-API-Result"] = told
        return response

    def _found(self, account: str, path: str, tag: str = "path") -> Entry:
        checked = path if path.startswith("id:") else arguments.checked_for_reading(path)
        entry = found(self._store, account, checked)
        if not isinstance(entry, Entry):
            raise refused({".tag": tag, tag: entry})
        return entry

    # Lists

    def _list_folder(self, account: str, argument: arguments.ListFolder, _: Request) -> Response:
        if argument.path == "/":
            message = 'Specify the root folder as an empty string rather than as "/".'
            raise bad_input("files/list_folder", f"request body: path: {message}")
        folder = self._folder(account, argument.path)
        return self._page(
            account,
            {
                "folder": folder.path if folder else "",
                "recursive": argument.recursive,
                "limit": argument.limit or _PAGE,
                "after": "",
                "since": 0.0,
            },
        )

    def _continue(self, account: str, argument: arguments.Continue, _: Request) -> Response:
        try:
            cursor = _CURSOR.validate_json(base64.urlsafe_b64decode(argument.cursor))
        except ValueError:
            message = 'request body: cursor: did not match pattern "valid cursor"'
            raise bad_input("files/list_folder/continue", message) from None
        if cursor["folder"]:
            self._folder(account, f"/{cursor['folder']}")
        return self._page(account, cursor)

    def _folder(self, account: str, path: str) -> Entry | None:
        """None is the root."""
        if not path:
            return None
        folder = self._found(account, path)
        if folder.sha256 is not None:
            raise refused(failure("path", "not_folder"))
        return folder

    def _page(self, account: str, cursor: _Cursor) -> Response:
        """Where a list has ended, the next page is what has been made or changed since."""
        rest = [
            entry
            for entry in self._listed(account, cursor["folder"], cursor["recursive"])
            if entry.path > cursor["after"] and entry.modified > cursor["since"]
        ]
        shown = rest[: cursor["limit"]]
        if len(rest) > len(shown):
            following: _Cursor = {**cursor, "after": shown[-1].path}
        else:
            latest = max([entry.modified for entry in rest], default=0.0)
            following = {**cursor, "after": "", "since": max(latest, cursor["since"])}
        return _json(
            {
                "entries": [tagged(entry) for entry in shown],
                "cursor": base64.urlsafe_b64encode(json.dumps(following).encode()).decode(),
                "has_more": len(rest) > len(shown),
            }
        )

    def _listed(self, account: str, folder: str, recursive: bool) -> list[Entry]:
        if not recursive:
            return self._store.children(account, folder)
        if not folder:
            return self._store.everything(account)
        itself = self._store.entry(account, folder)
        within = self._store.below(account, f"{folder}/", f"{folder}0", -1)
        return [*([itself] if itself else []), *within]

    # Upload sessions

    def _append(self, account: str, argument: arguments.Append, request: Request) -> Response:
        self._uploads.append(account, argument, request)
        return _json(None)

    def _finish_batch(self, account: str, argument: arguments.FinishBatch, _: Request) -> Response:
        return _json({"entries": self._uploads.finish_batch(account, argument)})

    def _launch_batch(self, account: str, argument: arguments.FinishBatch, _: Request) -> Response:
        """The work is done at once, but told only at the second question."""
        job = uuid.uuid4().hex
        entries = self._uploads.finish_batch(account, argument)
        self._store.set(f"job {account} {job}", {"asked": False, "entries": entries})
        return _json({".tag": "async_job_id", "async_job_id": job})

    def _check_batch(self, account: str, argument: arguments.Poll, _: Request) -> Response:
        name = f"job {account} {argument.async_job_id}"
        job = self._store.setting(name)
        if job is None:
            raise refused(failure("invalid_async_job_id"))
        if not job["asked"]:
            self._store.set(name, {**job, "asked": True})
            return _json({".tag": "in_progress"})
        return _json({".tag": "complete", "entries": job["entries"]})


def _text_of(request: Request, route: _Route) -> bytes | str:
    """A request's argument, as JSON; raises Refused where it is too large."""
    if route.style == "rpc":
        return request.command()
    return request.header("Dropbox-API-Arg") or request.query.get("arg", "")


def _argument(request: Request, route: _Route, function: str) -> BaseModel:
    where = "request body" if route.style == "rpc" else 'HTTP header "Dropbox-API-Arg"'
    text = _text_of(request, route)
    if isinstance(text, str) and not text.isascii():
        raise bad_input(function, f"{where}: could not decode input as JSON")
    return arguments.parsed(route.argument, text, function, where)


def _path_of(request: Request, route: _Route) -> str:
    """The path that faults and locks look at; of a session that goes on, where its parts are."""
    try:
        document = json.loads(_text_of(request, route))
    except (ValueError, Refused):
        return ""
    if not isinstance(document, dict):
        return ""
    commit, cursor = document.get("commit"), document.get("cursor")
    if isinstance(commit, dict):
        document = commit
    elif isinstance(cursor, dict):
        return f"/uploads/{cursor.get('session_id')}"
    path = document.get("path")
    return path.strip("/") if isinstance(path, str) else ""


def _check_content_type(request: Request, route: _Route, function: str) -> None:
    expected = {
        "rpc": "application/json",
        "upload": "application/octet-stream",
        "download": "application/octet-stream",
    }[route.style]
    given = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    allowed = {expected, "text/plain"} | ({""} if route.style == "download" else set())
    if given not in allowed:
        message = f'Bad HTTP "Content-Type" header: "{given}". Expecting one of "{expected}".'
        raise bad_input(function, message)


def _json(document: Any) -> Response:
    return Response(200, json.dumps(document).encode(), {"Content-Type": "application/json"})
