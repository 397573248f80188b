"""Every request to a provider passes here: limits, latency, faults and locks, then the dialect.

And so do the requests to the simulator itself, under `/_simulator`, which need no password:

    GET    stats      what was asked and answered; DELETE counts anew
    GET    limits     the profile in force; PUT changes some of it (see profiles.py)
    GET    faults     with how often each has hit; PUT replaces them (see faults.py), DELETE
    GET    tree       every file by account and path: size and SHA-256; folders, which have neither
    POST   accounts   {"name", "password", "access_key_id", "storage_quota"}, and for OAuth
                      {"client_id", "client_secret", "refresh_token"}; of Graph
                      {"drive_type"}
    POST   revoked    {"account"}: void all its tokens
    POST   expired    {"account"}: make its access tokens too old
    POST   locked     {"account", "path", "seconds"}: somebody else writes there for so long
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from local.providers.box import Box
from local.providers.dav import Dav
from local.providers.drive import Drive
from local.providers.dropbox import Dropbox
from local.providers.faults import Fault, Faults
from local.providers.graph import Graph
from local.providers.limiter import Call, Limiter
from local.providers.messages import Refused, Request, Reset, Response, shortened
from local.providers.nextcloud import Nextcloud
from local.providers.oauth import TokenEndpoint
from local.providers.profiles import WRITES, Profile, adjusted
from local.providers.replies import worded
from local.providers.s3 import S3
from local.providers.stats import Stats
from local.providers.store import BIN, Account, Store
from local.providers.tokens import Tokens

ADMIN = "/_simulator/"


class Dialect(Protocol):
    """A provider's way of speaking HTTP."""

    def call(self, request: Request) -> Call:
        """Who asks for what; raises nothing."""

    def answer(self, request: Request, call: Call, profile: Profile) -> Response:
        """Do what is asked for; raises Refused."""


_DIALECTS: dict[str, Callable[[Store, Tokens], Dialect]] = {
    "webdav": lambda store, _: Dav(store),
    "nextcloud": lambda store, _: Nextcloud(store),
    "s3": lambda store, _: S3(store),
    "drive": Drive,
    "graph": Graph,
    "dropbox": Dropbox,
    "box": Box,
}


class Locks:
    """What is being written at this moment; nobody waits for a lock. Threads may share it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held: set[tuple[str, str]] = set()
        self._held_until: dict[tuple[str, str], float] = {}

    def hold_for(self, key: tuple[str, str], seconds: float) -> None:
        """Hold one for so long, whoever has it now: nobody in here writes anything."""
        with self._mutex:
            self._held_until[key] = time.monotonic() + seconds

    @contextmanager
    def hold(self, keys: set[tuple[str, str]]) -> Iterator[bool]:
        """Whether nobody held any of them: then they are held within."""
        with self._mutex:
            now = time.monotonic()
            free = not keys & self._held
            free = free and all(self._held_until.get(key, now) <= now for key in keys)
            if free:
                self._held |= keys
        try:
            yield free
        finally:
            if free:
                with self._mutex:
                    self._held -= keys


class Gate:
    """One simulator: its store, its profile and its counters."""

    def __init__(self, folder: Path, profile: Profile, changes: dict[str, Any]) -> None:
        """Goes on with changes that were made while it ran, if it was begun in the same way."""
        self.store = Store(folder)
        begun = json.loads(json.dumps([profile.name, changes]))
        kept = self.store.setting("profile")
        if kept is not None and kept["begun"] == begun:
            self.profile = Profile.model_validate(kept["profile"])
        else:
            self.profile = adjusted(profile, changes)
        self._begun = begun
        self.tokens = Tokens(folder)
        self._dialect = _DIALECTS[profile.dialect](self.store, self.tokens)
        self._token_endpoint = TokenEndpoint(self.tokens)
        self._limiter = Limiter(self.profile, time.monotonic)
        self._locks, self._faults, self._stats = Locks(), Faults(), Stats()

    def answer(self, request: Request) -> Response:
        """Raises Reset where the connection is to be reset."""
        if request.path.startswith(ADMIN):
            return self._administer(request)
        if self._token_endpoint.serves(request, self.profile):
            return self._give_token(request)
        call = self._dialect.call(request)
        noted = {"status": "reset", "throttled": "", "locked": False}
        try:
            response = self._limited(request, call, noted)
            noted["status"] = str(response.status)
            return response
        except Refused as refusal:
            noted["status"] = str(refusal.response.status)
            raise
        finally:
            self._stats.note(call.kind, call.account, **noted)

    def _give_token(self, request: Request) -> Response:
        status = "reset"
        try:
            call = Call("token", self._token_endpoint.account(request), request.path)
            self._take_time()
            fault = self._faults.hit(request.method, call)
            response = self._faulty(request, call, fault, self._exchanged)
            status = str(response.status)
            return response
        finally:
            self._stats.note_token(status)

    def _exchanged(self, request: Request, _: Call) -> Response:
        try:
            accounts = self.store.accounts.values()
            return self._token_endpoint.answer(request, self.profile, accounts)
        except Refused as refusal:
            return refusal.response

    def _limited(self, request: Request, call: Call, noted: dict[str, Any]) -> Response:
        decision = self._limiter.charge(call)
        if decision.refusal is not None:
            self._take_time()
            noted["throttled"] = decision.refusal.scope
            response = worded(decision.refusal.reply, decision.refusal.wait)
        else:
            response = self._alone(request, call, noted)
        response.headers.update(decision.headers)
        return response

    def _alone(self, request: Request, call: Call, noted: dict[str, Any]) -> Response:
        profile, keys = self.profile, set()
        if profile.lock is not None and call.account and call.kind in WRITES:
            paths = {call.path, call.target} - {""} if profile.lock == "file" else {""}
            keys = {(call.account, path) for path in paths}
        with self._locks.hold(keys) as free:
            if not free and profile.lock_reply is not None:
                self._take_time()
                noted["locked"] = True
                return worded(profile.lock_reply, name=call.path)
            self._take_time(call.size)  # The lock is held for as long as that takes.
            fault = self._faults.hit(request.method, call)
            return self._faulty(request, call, fault, self._done)

    def _faulty(
        self,
        request: Request,
        call: Call,
        fault: Fault | None,
        done: Callable[[Request, Call], Response],
    ) -> Response:
        action = fault.action if fault is not None else None
        if fault is None:
            pass
        elif action == "refuse":
            raise Reset
        elif action == "status":
            return Response(fault.status, fault.body.encode(), dict(fault.headers))
        elif action == "delay":
            time.sleep(fault.seconds)
        elif action == "truncate":
            request = shortened(request, fault.keep_bytes)
        response = done(request, call)
        if action in ("lose_reply", "truncate"):
            response.close()
            raise Reset
        return response

    def _done(self, request: Request, call: Call) -> Response:
        try:
            response = self._dialect.answer(request, call, self.profile)
        except Refused as refusal:
            response = refusal.response
        if request.method == "GET":
            time.sleep(self.profile.latency.per_byte * response.length)
        return response

    def _take_time(self, size: int = 0) -> None:
        latency = self.profile.latency
        jitter = latency.jitter * random.random()  # noqa: S311 - hides nothing
        seconds = latency.seconds + latency.per_byte * size + jitter
        if seconds:
            time.sleep(seconds)

    # The simulator itself

    def _administer(self, request: Request) -> Response:
        routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "stats"): lambda _: self._stats.shown(),
            ("DELETE", "stats"): lambda _: self._stats.clear(),
            ("GET", "limits"): lambda _: self.profile.model_dump(mode="json"),
            ("PUT", "limits"): self._adjust,
            ("GET", "faults"): lambda _: {"rules": self._faults.shown()},
            ("PUT", "faults"): lambda given: self._faults.replace(given["rules"]),
            ("DELETE", "faults"): lambda _: self._faults.replace([]),
            ("GET", "tree"): lambda _: self._tree(),
            ("POST", "accounts"): self.add_account,
            ("POST", "revoked"): lambda given: self.tokens.revoke(given["account"]),
            ("POST", "expired"): lambda given: self.tokens.expire(given["account"]),
            ("POST", "locked"): lambda given: self._lock(**given),
        }
        route = routes.get((request.method, request.path.removeprefix(ADMIN)))
        if route is None:
            return _json(404, {"error": "the simulator has no such route"})
        try:
            body = request.command()
            return _json(200, route(json.loads(body) if body else {}))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            return _json(400, {"error": str(error)})

    def _adjust(self, changes: dict[str, Any]) -> None:
        self.profile = adjusted(self.profile, changes)
        self._limiter.adjust(self.profile)
        profile = self.profile.model_dump(mode="json")
        self.store.set("profile", {"begun": self._begun, "profile": profile})

    def _lock(self, account: str, path: str, seconds: float) -> None:
        if self.profile.lock is None:
            raise ValueError("this provider knows no locks")
        key = (account, path if self.profile.lock == "file" else "")
        self._locks.hold_for(key, seconds)

    def add_account(self, given: dict[str, Any]) -> None:
        """Make an account, or change it; the access key's id is its name unless it is said."""
        refresh_token = given.pop("refresh_token", None)
        account = Account(**{"password": "", "access_key_id": given["name"], **given})
        self.store.add_account(account)
        if refresh_token:
            self.tokens.give(account.name, account.client_id, refresh_token)
        if self.profile.dialect != "s3":
            self.store.add_space(account.name, account.name)

    def _tree(self) -> dict[str, dict[str, dict[str, Any]]]:
        return {account: self._files(account) for account in self.store.accounts}

    def _files(self, account: str) -> dict[str, dict[str, Any]]:
        files: dict[str, dict[str, Any]] = {}
        for space, _ in self.store.spaces(account):
            for entry in self.store.everything(space):
                if entry.path.startswith(BIN):
                    continue
                path = f"{space}/{entry.path}" if self.profile.dialect == "s3" else entry.path
                files[path] = {"size": entry.size, "sha256": entry.sha256}
        return files


def _json(status: int, document: Any) -> Response:
    body = json.dumps(document).encode() + b"\n"
    return Response(status, body, {"Content-Type": "application/json"})
