"""How content comes into a Dropbox: in one request, or through an upload session.

Content whose commit fails stays in an upload session. What such sessions hold is not charged to the
account before it is committed.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from local.providers import dropbox_arguments as arguments
from local.providers.digests import ContentHash
from local.providers.dropbox_arguments import WriteFailed, failure, refused
from local.providers.dropbox_entries import described, free_path, place
from local.providers.messages import Request, pieces
from local.providers.store import Blob, Entry, NoRoom, Store

LARGEST_REQUEST = 150 * 1024 * 1024


class _LookupFailed(Exception):
    """An upload session is not as the client believes; the argument is the error's union."""


class Uploads:
    """The uploads to one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def upload(self, account: str, argument: arguments.Upload, request: Request) -> dict[str, Any]:
        content = ContentHash(_body(request))
        with self._store.arriving(content) as blob:
            _verify(content, argument.content_hash)
            try:
                made = self._commit(account, argument, blob, content.hexdigest())
            except WriteFailed as problem:
                session = self._begin(account)
                self._store.put_part(session, 0, "0", blob, "", {"closed": True})
                reason = failure(*problem.args)
                raise refused(failure("path", reason=reason, upload_session_id=session)) from None
        return described(made)

    def start(self, account: str, argument: arguments.Start, request: Request) -> dict[str, Any]:
        content = ContentHash(_body(request))
        with self._store.arriving(content) as blob:
            _verify(content, argument.content_hash)
            session = self._begin(account)
            self._store.put_part(session, 0, "0", blob, "", {"closed": argument.close})
        return {"session_id": session}

    def append(self, account: str, argument: arguments.Append, request: Request) -> None:
        try:
            self._appended(account, argument, request, close=argument.close)
        except _LookupFailed as problem:
            raise refused(problem.args[0]) from None

    def finish(self, account: str, argument: arguments.Finish, request: Request) -> dict[str, Any]:
        session = argument.cursor.session_id
        try:
            if request.length != 0:
                self._appended(account, argument, request, close=False)
            else:
                self._check(account, argument.cursor)
            return described(self._finish(account, session, argument.commit))
        except _LookupFailed as problem:
            raise refused(_lookup_failed(problem)) from None
        except WriteFailed as problem:
            raise refused(failure("path", *problem.args)) from None

    def finish_batch(self, account: str, argument: arguments.FinishBatch) -> list[dict[str, Any]]:
        """What became of each entry, in their order."""
        return [self._entry_of_batch(account, entry) for entry in argument.entries]

    def _entry_of_batch(self, account: str, entry: arguments.Finish) -> dict[str, Any]:
        session = entry.cursor.session_id
        try:
            self._check(account, entry.cursor)
            if not self._is_closed(session):
                raise _LookupFailed(failure("not_closed"))
            made = self._finish(account, session, entry.commit)
        except _LookupFailed as problem:
            return failure("failure", failure=_lookup_failed(problem))
        except WriteFailed as problem:
            return failure("failure", failure=failure("path", *problem.args))
        return {".tag": "success", **described(made)}

    # Sessions

    def _begin(self, account: str) -> str:
        session = uuid.uuid4().hex
        self._store.begin_upload(session, _sessions_of(account), "", {})
        return session

    def _check(self, account: str, cursor: arguments.Cursor) -> int:
        """How many parts a session has; raises _LookupFailed."""
        begun = self._store.upload(cursor.session_id)
        if begun is None or begun[0] != _sessions_of(account):
            raise _LookupFailed(failure("not_found"))
        parts = self._store.parts(cursor.session_id)
        offset = sum(part.size for part in parts)
        if offset != cursor.offset:
            raise _LookupFailed(failure("incorrect_offset", correct_offset=offset))
        return len(parts)

    def _is_closed(self, session: str) -> bool:
        return any(part.meta["closed"] for part in self._store.parts(session))

    def _appended(
        self,
        account: str,
        argument: arguments.Append | arguments.Finish,
        request: Request,
        *,
        close: bool,
    ) -> None:
        session = argument.cursor.session_id
        content = ContentHash(_body(request))
        with self._store.arriving(content) as blob:
            _verify(content, argument.content_hash)
            with self._store.transaction():
                number = self._check(account, argument.cursor)
                if self._is_closed(session):
                    raise _LookupFailed(failure("closed"))
                meta = {"closed": close}
                self._store.put_part(session, number, str(number), blob, "", meta)

    def _finish(self, account: str, session: str, commit: arguments.Commit) -> Entry:
        parts = self._store.parts(session)
        content = ContentHash(self._store.contents(part.sha256 for part in parts))
        with self._store.arriving(content) as blob:
            return self._commit(account, commit, blob, content.hexdigest(), session)

    # Commits

    def _commit(
        self,
        account: str,
        commit: arguments.Commit,
        blob: Blob,
        content_hash: str,
        session: str | None = None,
    ) -> Entry:
        """Save content as a file; raises WriteFailed."""
        meta = {
            "content_hash": content_hash,
            "client_modified": commit.client_modified,
            "content-type": "application/octet-stream",
        }
        with self._store.transaction():
            path = place(self._store, account, arguments.checked_for_writing(commit.path))
            there = self._store.entry_like(account, path)
            conflict = _conflict(commit, there, blob)
            if conflict is not None:
                if not commit.autorename:
                    raise WriteFailed("conflict", conflict)
                mark = "conflicted copy" if commit.mode.tag == "update" else None
                path = free_path(self._store, account, path, mark)
            elif there is not None:
                if there.sha256 == blob.sha256 and not commit.strict_conflict:
                    if session is not None:
                        self._store.end_upload(session)
                    return there
                path = there.path
            try:
                return self._store.put(account, path, blob, meta, _any, upload=session)[0]
            except NoRoom:
                raise WriteFailed("insufficient_space") from None


def _conflict(commit: arguments.Commit, there: Entry | None, blob: Blob) -> str | None:
    """What is in the way, if anything is."""
    if there is None:
        return "file" if commit.mode.tag == "update" and commit.strict_conflict else None
    if there.sha256 is None:
        return "folder"
    if there.sha256 == blob.sha256 and not commit.strict_conflict:
        return None
    if commit.mode.tag == "overwrite" or commit.mode.update == there.etag:
        return None
    return "file"


def _any(_before: Entry | None) -> None:
    """Whatever is there may be replaced: that has been decided."""


def _sessions_of(account: str) -> str:
    """A space of nobody's: what is in it is charged to nobody."""
    return f"{account}/uploads"


def _body(request: Request) -> Iterator[bytes]:
    """Raises Refused where it is too large: before it is read, if its length is told."""
    left = LARGEST_REQUEST - (request.length or 0)
    if left < 0:
        raise refused(failure("payload_too_large"))
    for piece in pieces(request.body):
        left -= len(piece) if request.length is None else 0
        if left < 0:
            raise refused(failure("payload_too_large"))
        yield piece


def _verify(content: ContentHash, said: str | None) -> None:
    if said not in (None, content.hexdigest()):
        raise refused(failure("content_hash_mismatch"))


def _lookup_failed(problem: _LookupFailed) -> dict[str, Any]:
    return {".tag": "lookup_failed", "lookup_failed": problem.args[0]}
