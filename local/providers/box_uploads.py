"""How a file comes into Box in one request, as a form, and what it would be refused for."""

import json
import time
import uuid
from collections.abc import Iterable
from typing import Any

from local.providers.box_items import ROOT, Items, answer, checked_name, error, moment
from local.providers.digests import Sha1
from local.providers.messages import Request, Response, precondition
from local.providers.multipart import BadForm, Form
from local.providers.store import Blob, Entry, Store, parent_of

_CHANGED = "The resource has been modified. Retrieve the resource again and retry"


class Uploads:
    """The uploads to one store."""

    def __init__(self, store: Store, items: Items) -> None:
        self._store, self._items = store, items

    # Before an upload

    def preflight(self, request: Request, account: str, identity: str | None) -> Response:
        """Everything that an upload would be refused for, before it is begun."""
        asked = document(request)
        size = asked.get("size") or 0
        if not isinstance(size, int):
            raise error(400, "bad_request", "Bad Request: the size is no number")
        before = self.target(account, asked, identity)[1]
        self._store.check_quota(account, size - (before.size if before else 0))
        url = f"{host(request)}/api/2.0/files/{f'{identity}/' if identity else ''}content"
        return answer(200, {"upload_url": url, "upload_token": None})

    def target(
        self, account: str, asked: dict[str, Any], identity: str | None
    ) -> tuple[str, Entry | None]:
        """Where a file goes, and the one that it is a new version of."""
        if identity is None:
            parent = asked.get("parent")
            if not isinstance(parent, dict):
                raise error(400, "bad_request", "Bad Request: the parent is missing")
            folder = self._items.folder(account, parent.get("id"))
            wanted = checked_name(asked.get("name"))
            return self._items.free_path(account, folder, wanted, kind="file"), None
        before = self._items.file(account, identity)
        name = before.path.rpartition("/")[2]
        wanted = checked_name(asked.get("name") or name)
        if wanted.lower() == name.lower():
            return before.path, before
        above = self._store.entry(account, parent_of(before.path))
        folder = above or self._items.folder(account, ROOT)
        return self._items.free_path(account, folder, wanted, kind="file"), before

    # In one request

    def upload(
        self,
        request: Request,
        account: str,
        form: Form | None,
        attributes: dict[str, Any] | None,
        identity: str | None,
    ) -> Response:
        """A new file, or a new version of one; `attributes` are those that came before it."""
        if form is None:
            raise error(400, "bad_request", "Bad Request: the body is no form")
        if attributes is None:
            message = "Metadata is included after file contents in a file upload request."
            raise error(400, "metadata_after_file_contents", message)
        self.target(account, attributes, identity)
        content = Sha1(_cut(form.content(), request.kept))
        try:
            with self._store.arriving(content) as blob:
                said = request.header("Content-MD5")
                if said is not None and said.lower() != content.hexdigest():
                    message = "The specified content-md5 did not match what we received"
                    raise error(400, "bad_digest", message)
                made = self.saved(request, account, attributes, identity, blob, content.hexdigest())
        except BadForm:
            raise error(400, "bad_request", "Bad Request: the form has no end") from None
        return self.made(request, account, made)

    def saved(
        self,
        request: Request,
        account: str,
        attributes: dict[str, Any],
        identity: str | None,
        blob: Blob,
        sha1: str,
        session: str | None = None,
    ) -> Entry:
        """The file that content becomes; the session that it comes from ends with it."""
        now = moment(time.time())
        with self._store.transaction():
            path, before = self.target(account, attributes, identity)
            if precondition(request, before.etag if before else None):
                raise error(412, "precondition_failed", _CHANGED)
            meta = {
                "sha1": sha1,
                "version": str(uuid.uuid4().int % 10**13),
                "created_at": before.meta["created_at"] if before else now,
                "content-type": "application/octet-stream",
            }
            for name in ("content_created_at", "content_modified_at"):
                meta[name] = attributes.get(name) or now
            if before is not None and before.path != path:
                self._store.move(account, before.path, path)
            etag = str(int(before.etag) + 1) if before else "0"
            stored = self._store.put(account, path, blob, meta, _decided, etag=etag, upload=session)
        return stored[0]

    def made(self, request: Request, account: str, entry: Entry) -> Response:
        """What an upload is answered with."""
        shown = self._items.shown(request, account, entry)
        return answer(201, {"total_count": 1, "entries": [shown]})


def document(request: Request) -> dict[str, Any]:
    """A command's JSON; raises Refused."""
    try:
        found = json.loads(request.command())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise error(400, "bad_request", "Bad Request: the entity body is not well-formed JSON")
    return found


def _cut(content: Iterable[bytes], kept: int | None) -> Iterable[bytes]:
    """Content that ends after so many bytes, if that is said."""
    if kept is None:
        yield from content
        return
    for piece in content:
        yield piece[:kept]
        kept -= len(piece)
        if kept <= 0:
            return


def host(request: Request) -> str:
    """Where the client has found the simulator."""
    return f"http://{request.header('Host') or '127.0.0.1'}"


def _decided(_before: Entry | None) -> None:
    """What may be replaced has been decided."""
