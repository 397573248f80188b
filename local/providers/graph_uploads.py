"""Upload sessions of Microsoft Graph: a file in fragments, at an address that is a password."""

import secrets
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from local.providers.graph_errors import (
    full,
    invalid,
    name_taken,
    not_found,
    refused,
    reply,
    unauthorised,
)
from local.providers.graph_items import ROOT, Items, changed, check_tags, moment
from local.providers.hashes import Hashed
from local.providers.messages import Request, Response, pieces
from local.providers.profiles import Profile
from local.providers.ranges import BadRange, ContentRange, content_range
from local.providers.store import Account, Entry, NoRoom, Stored, parent_of

PATH = "/_api/v2.0/uploadSession"
_REQUEST_LIMIT = 60 * 1024**2
BEHAVIOUR = "@microsoft.graph.conflictBehavior"


class Uploads:
    """Puts what arrives among the items of one store."""

    def __init__(self, items: Items) -> None:
        self._items, self._store = items, items.store

    def store_file(
        self,
        account: Account,
        path: str,
        content: Iterable[bytes],
        said: dict[str, Any],
        behaviour: str,
        request: Request | None = None,
        upload: str | None = None,
    ) -> tuple[Entry, bool]:
        """Put a file at a path; whether it replaced one. Raises Refused, NoRoom."""
        hashed = Hashed(content)
        with self._store.arriving(hashed) as blob, self._store.transaction():
            folder, name = self._folder(account, path), path.rpartition("/")[2]
            place = self._items.place(account, folder, name, behaviour)
            before = self._store.entry(account.name, place)
            meta = {**changed(before, content=True), **said}
            meta |= {"sha1": hashed.sha1, "quick_xor": hashed.quick_xor}
            return self._store.put(
                account.name,
                place,
                blob,
                meta,
                lambda there: None if request is None else check_tags(request, there),
                upload=upload,
            )

    def _folder(self, account: Account, path: str) -> Entry:
        folder = self._items.at(account, ROOT, parent_of(path))
        if folder is None or folder.sha256 is not None:
            raise not_found()
        return folder

    # Sessions

    def place(self, session: str) -> tuple[str, str]:
        """Whose session it is, and where it leads to."""
        begun = self._store.upload(session)
        return (begun[0], begun[1]) if begun else ("", "")

    def begin(
        self, request: Request, account: Account, path: str, said: dict[str, Any], profile: Profile
    ) -> Response:
        item = said.get("item") or {}
        # The page on sessions calls "fail" the default, that on items "replace": so it is.
        behaviour = request.query.get(BEHAVIOUR) or item.get(BEHAVIOUR) or "replace"
        if item.get("name", path.rpartition("/")[2]) != path.rpartition("/")[2]:
            raise invalid("The item's path does not contain the name in the body.")
        check_tags(request, self._items.at(account, ROOT, path))
        if account.drive_type != "personal":
            self._check_at_once(account, path, behaviour, profile)
        try:
            self._store.check_quota(account.name, int(item.get("fileSize") or 0))
        except NoRoom:
            raise full() from None
        session = secrets.token_hex(24)
        meta = {"behaviour": behaviour, "begun": time.time(), "defer": said.get("deferCommit")}
        meta["said"] = system_info(item)
        self._store.begin_upload(session, account.name, path, meta)
        document = {"uploadUrl": f"{request.base}{PATH}?tempauth={session}"}
        return reply(200, {**document, **self._state(session, profile)})

    def _check_at_once(self, account: Account, path: str, behaviour: str, profile: Profile) -> None:
        """OneDrive for Business and SharePoint refuse at the beginning what they can."""
        there = self._items.at(account, ROOT, path)
        if there is not None and behaviour == "fail":
            raise name_taken()
        for other, session, _ in self._store.uploads(account.name):
            if other.casefold() == path.casefold() and self._open(session, profile):
                raise name_taken("A file with the same name is currently being uploaded.")

    def _open(self, session: str, profile: Profile) -> bool:
        begun = self._store.upload(session)
        if begun is None:
            return False
        parts = self._store.parts(session)
        last = max([part.modified for part in parts], default=begun[2]["begun"])
        return bool(time.time() < last + profile.session_seconds)

    def _state(self, session: str, profile: Profile) -> dict[str, Any]:
        parts = self._store.parts(session)
        begun = self._store.upload(session)
        total = parts[0].meta["total"] if parts else None
        received = sum(part.size for part in parts)
        expires = time.time() + profile.session_seconds
        if begun is not None and not parts:
            expires = begun[2]["begun"] + profile.session_seconds
        ranges = [] if received == total else [f"{received}-"]
        return {"expirationDateTime": moment(expires), "nextExpectedRanges": ranges}

    def answer(self, request: Request, account: Account, profile: Profile) -> Response | Entry:
        """What a session's address answers; the file, once it is whole, with 200 or 201."""
        session = request.query.get("tempauth", "")
        if not self._open(session, profile):
            raise refused(404, "itemNotFound", "The upload session was not found.")
        if profile.strict_sessions and request.header("Authorization") is not None:
            raise unauthorised("An upload session takes no access token.")
        match request.method:
            case "GET":
                return reply(200, self._state(session, profile))
            case "DELETE":
                self._store.end_upload(session)
                return Response(204)
            case "PUT":
                return self._put(request, account, session, profile)
            case "POST" if request.length == 0:
                return self.commit(request, account, session, profile)
        raise refused(405, "methodNotAllowed", "The method is not known here.")

    def _put(self, request: Request, account: Account, session: str, profile: Profile) -> Response:
        said = _range(request)
        parts = self._store.parts(session)
        received = sum(part.size for part in parts)
        _check_fragment(said, parts, received)
        with self._store.arriving(pieces(request.body)) as blob:
            if blob.size != said.length:
                message = "Declared fragment length does not match the provided number of bytes"
                raise invalid(message)
            meta = {"total": said.total}
            self._store.put_part(session, received, str(received), blob, blob.md5, meta)
        if received + said.length != said.total:
            return reply(202, self._state(session, profile))
        begun = self._store.upload(session)
        if begun is not None and begun[2]["defer"]:
            return reply(202, self._state(session, profile))
        return self.commit(request, account, session, profile)

    def commit(
        self,
        request: Request,
        account: Account,
        session: str,
        profile: Profile,
        instead: tuple[str, str] | None = None,
    ) -> Response:
        """Make the file of its fragments; the session stays where that is refused.

        `instead` are a path and what to do in a conflict, other than said at the beginning."""
        begun, parts = self._store.upload(session), self._store.parts(session)
        if begun is None or not parts or sum(p.size for p in parts) != parts[0].meta["total"]:
            raise invalid("Fragments are missing.")
        if any(part.size % profile.chunk_minimum for part in parts[:-1]):
            raise invalid("The fragments are no multiples of 320 KiB.")
        content = self._store.contents(part.sha256 for part in parts)
        path, behaviour = instead or (begun[1], begun[2]["behaviour"])
        said = begun[2]["said"]
        entry, replaced = self.store_file(account, path, content, said, behaviour, upload=session)
        return reply(200 if replaced else 201, self._items.shown(request, account, entry))


def _range(request: Request) -> ContentRange:
    try:
        said = content_range(request)
    except BadRange:
        said = None
    if said is None or said.first is None or said.total is None:
        raise invalid("Invalid Content-Range header value")
    if said.length >= _REQUEST_LIMIT:
        message = "The size of the fragment exceeds the maximum."
        raise refused(413, "invalidRequest", message, "maxFragmentLengthExceeded")
    return said


def _check_fragment(said: ContentRange, parts: list[Stored], received: int) -> None:
    if parts and parts[0].meta["total"] != said.total:
        message = "Declared total size for this fragment is different from the session's."
        raise invalid(message, "fragmentLengthMismatch")
    assert said.first is not None  # noqa: S101 - `_range` has seen to it
    if said.first < received:
        message = "Uploaded fragment overlaps with existing data."
        raise refused(416, "invalidRange", message, "fragmentOverlap")
    if said.first > received:
        message = "Uploaded fragment is out of order."
        raise refused(416, "invalidRange", message, "fragmentOutOfOrder")


def system_info(item: dict[str, Any]) -> dict[str, Any]:
    """What a client says of a file's own times and of what it is."""
    said = {"description": item["description"]} if "description" in item else {}
    info = item.get("fileSystemInfo") or {}
    for field, name in (("createdDateTime", "created"), ("lastModifiedDateTime", "modified")):
        if field in info:
            said[name] = _seconds(info[field])
    return said


def _seconds(text: Any) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, TypeError):
        raise invalid("A time is not in the form of ISO 8601.") from None
