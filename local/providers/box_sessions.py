"""How a large file comes into Box: in parts, through an upload session.

The parts are as large as Box says, may come in any order, and count against the account's storage
from when they arrive. Each is verified by SHA-1, and so is the whole.
"""

import math
import re
import time
import uuid
from typing import Any

from local.providers.box_items import answer, error, moment, not_found, whole_number
from local.providers.box_uploads import Uploads, document, host
from local.providers.digests import Sha1
from local.providers.messages import Refused, Request, Response, pieces
from local.providers.profiles import Profile
from local.providers.store import Store, Stored, encoded

_SESSION_SECONDS = 7 * 86_400
_MOST = 1000
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


class Sessions:
    """The upload sessions of one store."""

    def __init__(self, store: Store, uploads: Uploads) -> None:
        self._store, self._uploads = store, uploads

    def begin(
        self, request: Request, account: str, identity: str | None, profile: Profile
    ) -> Response:
        asked = document(request)
        size = _size_of(asked, profile)
        if identity is None and asked.get("file_name") is None:
            raise error(400, "missing_file_name", "The file name is missing")
        if identity is None and asked.get("folder_id") is None:
            raise error(400, "missing_destination", "The folder is missing")
        target = {"name": asked.get("file_name"), "parent": {"id": asked.get("folder_id")}}
        path, before = self._uploads.target(account, target, identity)
        self._store.check_quota(account, size - (before.size if before else 0))
        session = uuid.uuid4().hex.upper()
        meta = {
            "size": size,
            "part_size": profile.part_size,
            "target": target,
            "file": identity,
            "began": time.time(),
        }
        self._store.begin_upload(session, account, path, meta)
        return answer(201, self._told(request, session, meta))

    def status(self, request: Request, account: str, session: str) -> Response:
        return answer(200, self._told(request, session, self._session(account, session)))

    def put_part(self, request: Request, account: str, session: str) -> Response:
        meta = self._session(account, session)
        start, length = _range_of(request, meta)
        said = _digest_of(request)
        content = Sha1(pieces(request.body))
        with self._store.arriving(content) as blob:
            _verify(said, content.hexdigest())
            if blob.size != length:
                raise error(416, "invalid_content_range", "The range is not that of the content")
            number = start // meta["part_size"]
            with self._store.transaction():
                before = {part.number: part for part in self._store.parts(session)}.get(number)
                if before is None:
                    named = {"sha1": content.hexdigest(), "offset": start}
                    identity = uuid.uuid4().hex[:8].upper()
                    if not self._store.put_part(session, number, identity, blob, "", named):
                        raise _no_session()
                elif before.sha256 != blob.sha256:
                    message = "The part overlaps one that is there"
                    raise error(409, "range_overlaps_existing_part", message)
        parts = {part.number: part for part in self._store.parts(session)}
        if number not in parts:
            raise _no_session()
        return answer(200, {"part": _part(parts[number])})

    def list_parts(self, request: Request, account: str, session: str) -> Response:
        self._session(account, session)
        parts = self._store.parts(session)
        offset = whole_number(request.query.get("offset"), "offset", 0)
        limit = min(whole_number(request.query.get("limit"), "limit", _MOST), _MOST)
        return answer(
            200,
            {
                "total_count": len(parts),
                "offset": offset,
                "limit": limit,
                "order": [{"by": "type", "direction": "ASC"}],
                "entries": [_part(part) for part in parts[offset : offset + limit]],
            },
        )

    def commit(self, request: Request, account: str, session: str, profile: Profile) -> Response:
        meta = self._session(account, session)
        asked, said = document(request), _digest_of(request)
        parts = self._store.parts(session)
        _check_parts(asked.get("parts"), parts, meta["size"])
        wait = max(part.modified for part in parts) + profile.processing_seconds - time.time()
        if wait > 0:
            return Response(202, headers={"Retry-After": str(max(1, math.ceil(wait)))})
        content = Sha1(self._store.contents(part.sha256 for part in parts))
        with self._store.arriving(content) as blob:
            _verify(said, content.hexdigest())
            attributes = asked.get("attributes")
            attributes = attributes if isinstance(attributes, dict) else {}
            attributes |= meta["target"]
            made = self._uploads.saved(
                request, account, attributes, meta["file"], blob, content.hexdigest(), session
            )
        return self._uploads.made(request, account, made)

    def abort(self, account: str, session: str) -> Response:
        self._session(account, session)
        self._store.end_upload(session)
        return Response(204)

    def _session(self, account: str, session: str) -> dict[str, Any]:
        begun = self._store.upload(session)
        if begun is None or begun[0] != account:
            raise _no_session()
        return begun[2]

    def _told(self, request: Request, session: str, meta: dict[str, Any]) -> dict[str, Any]:
        url = f"{host(request)}/api/2.0/files/upload_sessions/{session}"
        return {
            "id": session,
            "type": "upload_session",
            "session_expires_at": moment(meta["began"] + _SESSION_SECONDS),
            "part_size": meta["part_size"],
            "total_parts": max(1, math.ceil(meta["size"] / meta["part_size"])),
            "num_parts_processed": len(self._store.parts(session)),
            "session_endpoints": {
                "upload_part": url,
                "commit": f"{url}/commit",
                "abort": url,
                "list_parts": f"{url}/parts",
                "status": url,
                "log_event": f"{url}/log",
            },
        }


def _size_of(asked: dict[str, Any], profile: Profile) -> int:
    """How large the file will be; raises Refused where it may not come in parts."""
    size = asked.get("file_size")
    if size is None:
        raise error(400, "missing_file_size", "The file size is missing")
    if not isinstance(size, int) or size < 0:
        raise error(400, "invalid_file_size", "The file size is no number")
    if size < profile.chunk_minimum:
        raise error(400, "file_size_too_small", "The file is too small to come in parts")
    return size


def _range_of(request: Request, meta: dict[str, Any]) -> tuple[int, int]:
    """Where a part begins, and its length; raises Refused where that is none of the session's."""
    found = _RANGE.fullmatch(request.header("Content-Range") or "")
    if found is None:
        raise error(400, "bad_request", "Bad Request: Content-Range is missing or malformed")
    start, last, total = (int(number) for number in found.groups())
    size, part_size = meta["size"], meta["part_size"]
    end = min(start + part_size, size)
    if total != size or start % part_size or start >= size or last + 1 != end:
        raise error(416, "invalid_content_range", "The range is not one of the session's parts")
    return start, last + 1 - start


def _digest_of(request: Request) -> str:
    """The SHA-1 in a Digest header, in base64; raises Refused."""
    algorithm, _, digest = (request.header("Digest") or "").partition("=")
    if algorithm.lower() != "sha" or not digest:
        raise error(400, "missing_digest", "A digest header with a SHA-1 is required")
    return digest


def _verify(said: str, sha1: str) -> None:
    actual = encoded(sha1)
    if said != actual:
        message = f"File digest was incorrect. Actual: {actual} Expected: {said}"
        raise error(400, "digest_mismatch", message)


def _check_parts(named: Any, parts: list[Stored], size: int) -> None:
    """Whether a commit names all parts, and they make up the file; raises Refused."""
    if not isinstance(named, list) or not all(isinstance(part, dict) for part in named):
        raise error(400, "bad_request", "Bad Request: the parts are missing")
    said = [(part.get("part_id"), part.get("offset"), part.get("size")) for part in named]
    there = [(part.name, part.meta["offset"], part.size) for part in parts]
    all_named = len(said) == len(there) and all(part in said for part in there)
    if not all_named or sum(part.size for part in parts) != size:
        raise error(400, "invalid_parts", "The parts are not those that make up the file")


def _part(part: Stored) -> dict[str, Any]:
    told = {"part_id": part.name, "offset": part.meta["offset"], "size": part.size}
    return {**told, "sha1": part.meta["sha1"]}


def _no_session() -> Refused:
    return not_found("upload_session")
