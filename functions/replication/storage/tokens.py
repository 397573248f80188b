"""Access tokens of OAuth 2, which all processes share by the account's secret.

Beside `client_id`, `client_secret` and `refresh_token`, which a person stores there, the secret has
the access token, its times and what it has replaced. A process uses that one until it is about to
expire or was refused. Then one process refreshes it, under a lease; the others read what it has
stored. They wait for a moment only: longer waits are a Pause.

At Box a refresh token is good once, and Microsoft gives a new one each time. So the secret is read
again under the lease, and what was granted is stored before anybody uses it. What can go wrong:

- the process is killed before it has asked, or after it has stored: nothing is lost;
- the reply is lost at Dropbox, Google or Microsoft, or the process is killed before it has stored
  what they granted: nothing is lost, the refresh token in the secret is still good;
- the same at Box: its only good refresh token is lost. The next refresh is refused, and entities
  fail with CredentialsRefused, whose message says that the customer has to authorise the app again;
- what was granted cannot be stored: this process keeps it, and the lease, and stores it when it is
  asked again. If it is not asked within the lease, at Box that is as above;
- a person stores another refresh token meanwhile: theirs stays.

Requests for tokens cost none of the storage's quota, so a refusal of too many of them is a Pause
and not Throttled. No text of an error repeats what a secret holds or the endpoint has said.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import requests
import urllib3.exceptions

from replication import leases
from replication.storage.credentials import object_in, read_secret
from replication.storage.interface import Pause
from replication.storage.replies import retry_after
from replication.storage.sending import TIMEOUTS, Bearer, new_session, no_reply
from shared.clients import secretsmanager, transient_failures
from shared.errors import StorageRefused, TransientError
from shared.times import format_time, parse_time

YOUNG, AGED = "a young token", "an aged token"
"""What the secret says that its token has replaced."""

SAFETY_SECONDS = 120.0
"""A token is not used this close to its end: clocks differ, and a request may wait for its time."""

YOUNG_SECONDS = 60.0
"""A token that is refused so soon was not too old. It may have been made void all the same; but if
the next one is refused as soon, so would be all others.
"""

LEASE_SECONDS = 90.0
"""Longer than a refresh takes with all its timeouts."""

LONGEST_WAIT = 2.0
PULSE_SECONDS = 0.25
PAUSE_SECONDS = 3.0
BUSY_SECONDS = 30.0
"""For so long nobody asks an endpoint that has too many requests and does not say how long."""

NEEDED = frozenset({"client_id", "client_secret", "refresh_token"})

_STORING_AGAIN = (0.2, 1.0, 3.0)
_AUTHORISE_AGAIN = (
    "CredentialsRefused",
    "the provider takes the refresh token no longer: have the customer authorise the app again, and"
    " store the new refresh token in the account's secret",
)
_NOT_OUR_CLIENT = (
    "CredentialsRefused",
    "the provider does not know the app, or its secret is another: correct client_id and"
    " client_secret in the account's secret",
)
_GOOD_FOR_NOTHING = (
    "CredentialsRefused",
    "the provider refuses a token that it has just given: see that the app still has its"
    " permissions, and that the customer's account is not locked",
)
_INCOMPLETE = (
    "CredentialsInvalid",
    "something is missing from the account's secret since it was read first: complete it",
)
_NO_TOKENS = "the provider's token endpoint refused the request: see the runbook"


@dataclass(frozen=True)
class _Token:
    text: str
    issued_at: float
    expires_at: float


class _GrantVoid(Exception):
    """The provider does not take the refresh token."""


class AccessTokens:
    """One account's. Threads may share it.

    `token_url` may have `{tenant_id}` in it, which then stands in the secret; `needed` are the
    names that the secret must have.
    """

    def __init__(
        self,
        provider: str,
        secret_name: str,
        token_url: str,
        needed: frozenset[str] = NEEDED,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._provider = provider
        self._secret_name = secret_name
        self._token_url = token_url
        self._needed = needed
        self._clock, self._sleep = clock, sleep
        self._namespace = f"token#{secret_name}"
        self._holder = uuid4().hex
        self._one_at_a_time = Lock()
        self._kept: _Token | None = None
        self._unstored: tuple[Mapping[str, Any], dict[str, Any]] | None = None
        """The secret as it was and what was granted for it, where that could not be stored."""

    def token(self, refused: str | None = None) -> str:
        """A token that is good; `refused` is one that the provider has answered with 401.

        Raises Pause where another process takes long to refresh it.
        """
        kept = self._kept
        if kept is None or not self._is_good(kept, refused):
            with self._one_at_a_time:
                kept = self._kept = self._renewed(refused)
        return kept.text

    def _is_good(self, token: _Token, refused: str | None) -> bool:
        return token.text != refused and self._clock() < token.expires_at - SAFETY_SECONDS

    def _renewed(self, refused: str | None) -> _Token:
        """The token that another process has stored meanwhile, or a new one."""
        until = self._clock() + LONGEST_WAIT
        while True:
            token = self._token_in(read_secret(self._secret_name), refused)
            if token is not None:
                return token
            now = self._clock()
            fence = leases.acquire(
                self._provider, self._namespace, self._holder, LEASE_SECONDS, now
            )
            if fence is not None:
                return self._refreshed_as_holder(refused, fence)
            if now >= until:
                raise Pause(now + PAUSE_SECONDS)
            self._sleep(PULSE_SECONDS)

    def _token_in(self, secret: Mapping[str, Any], refused: str | None) -> _Token | None:
        """A good token; None where there is none."""
        token = _read(secret)
        if token is None:
            return None
        if self._is_refused_young(token, refused) and secret.get("replaced") == YOUNG:
            raise StorageRefused(*_GOOD_FOR_NOTHING)
        return token if self._is_good(token, refused) else None

    def _is_refused_young(self, token: _Token | None, refused: str | None) -> bool:
        return (
            token is not None
            and token.text == refused
            and self._clock() < token.issued_at + YOUNG_SECONDS
        )

    def _refreshed_as_holder(self, refused: str | None, fence: int) -> _Token:
        try:
            return self._refreshed(refused)
        finally:
            if self._unstored is None:
                leases.release(self._provider, self._namespace, self._holder, fence)

    def _refreshed(self, refused: str | None) -> _Token:
        if self._unstored is not None:
            self._store(*self._unstored)
        secret = read_secret(self._secret_name)
        while True:
            token = self._token_in(secret, refused)
            if token is not None:
                return token
            try:
                granted = self._granted(secret)
            except _GrantVoid:
                before, secret = secret, read_secret(self._secret_name)
                if secret.get("refresh_token") == before.get("refresh_token"):
                    raise StorageRefused(*_AUTHORISE_AGAIN) from None
                continue
            young = self._is_refused_young(_read(secret), refused)
            granted["replaced"] = YOUNG if young else AGED
            self._store(secret, granted)
            return _token(granted)

    # --- the token endpoint

    def _granted(self, secret: Mapping[str, Any]) -> dict[str, Any]:
        """What the secret is to have from now on; raises _GrantVoid."""
        if not all(isinstance(secret.get(name), str) for name in self._needed):
            raise StorageRefused(*_INCOMPLETE)
        asked_at = self._clock()
        reply = self._asked(secret)
        said = object_in(reply.content)
        if reply.status_code != 200:
            raise self._meaning(reply, said.get("error"))
        text, seconds = said.get("access_token"), said.get("expires_in")
        if not isinstance(text, str) or not text or not isinstance(seconds, int | float):
            raise StorageRefused("ReplyNotUnderstood", "the token endpoint's reply has no token")
        granted = {
            "access_token": text,
            "issued_at": _written(asked_at),
            "expires_at": _written(asked_at + seconds),
        }
        rotated = said.get("refresh_token")
        return granted | ({"refresh_token": rotated} if isinstance(rotated, str) else {})

    def _asked(self, secret: Mapping[str, Any]) -> requests.Response:
        url = self._token_url.replace("{tenant_id}", quote(str(secret.get("tenant_id")), safe=""))
        form = {name: secret[name] for name in sorted(NEEDED)} | {"grant_type": "refresh_token"}
        try:
            with new_session() as session:
                return session.post(
                    url,
                    data=form,
                    headers={"Accept": "application/json"},
                    auth=Bearer(None),  # What the form says is enough.
                    timeout=TIMEOUTS,
                    allow_redirects=False,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise no_reply(error, in_doubt=False) from None

    def _meaning(self, reply: requests.Response, error: object) -> Exception:
        """What a refusal means. Dropbox writes more behind the word that it is about."""
        status = reply.status_code
        if status == 429:
            seconds = retry_after(reply.headers)
            return Pause(self._clock() + (BUSY_SECONDS if seconds is None else seconds))
        if status >= 500 or status == 408:
            return TransientError(f"HTTP{status}", "the token endpoint cannot answer now")
        match str(error).partition(":")[0]:
            case "invalid_grant":
                return _GrantVoid()
            case "invalid_client" | "unauthorized_client":
                return StorageRefused(*_NOT_OUR_CLIENT)
            case "temporarily_unavailable" | "server_error":
                return TransientError("TokensUnavailable", "the token endpoint cannot answer now")
        return StorageRefused("CredentialsRefused", _NO_TOKENS)

    # --- the secret

    def _store(self, before: Mapping[str, Any], granted: dict[str, Any]) -> None:
        """Store what was granted for a secret, unless a person has stored another since.

        What may be the only good refresh token is not given up lightly: it is tried some times, and
        kept for the next time.
        """
        self._unstored = (before, granted)
        version = str(uuid4())
        for pause in (*_STORING_AGAIN, None):
            try:
                self._store_once(before, granted, version)
                break
            except TransientError:
                if pause is None:
                    raise
                self._sleep(pause)
        self._unstored = None

    def _store_once(self, before: Mapping[str, Any], granted: dict[str, Any], version: str) -> None:
        there = read_secret(self._secret_name)
        if there.get("refresh_token") != before.get("refresh_token"):
            return
        with transient_failures():
            secretsmanager().put_secret_value(
                SecretId=self._secret_name,
                ClientRequestToken=version,
                SecretString=json.dumps({**there, **granted}),
            )


def _read(secret: Mapping[str, Any]) -> _Token | None:
    """The access token that a secret has; None where there is none, or its times make no sense."""
    try:
        return _token(secret)
    except (KeyError, TypeError, ValueError):
        return None


def _token(document: Mapping[str, Any]) -> _Token:
    issued_at, expires_at = (
        parse_time(document[name]).timestamp() for name in ("issued_at", "expires_at")
    )
    return _Token(str(document["access_token"]), issued_at, expires_at)


def _written(moment: float) -> str:
    return format_time(datetime.fromtimestamp(moment, UTC))
