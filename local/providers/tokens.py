"""What an authorisation server has given out, on disk: it is known again after a kill.

Refresh tokens that are void and access tokens that are too old are kept, because providers tell
them from those that never were.
"""

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.providers.profiles import Rotation

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS refresh_tokens (
    token TEXT PRIMARY KEY, account TEXT, client TEXT, void INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS access_tokens (
    token TEXT PRIMARY KEY, account TEXT, expires REAL, void INTEGER DEFAULT 0);
"""


@dataclass(frozen=True)
class Bearer:
    """Who has come with an access token: nobody where `account` is empty.

    `expired` is a token that was good once; one that was revoked or never given out is not.
    """

    account: str = ""
    expired: bool = False


@dataclass(frozen=True)
class Granted:
    """What a refresh token has been exchanged for."""

    access_token: str
    refresh_token: str | None


class VoidGrant(Exception):
    """A refresh token that is good no longer."""


class UnknownGrant(Exception):
    """A refresh token that was never given out, or to another client."""


class Tokens:
    """One authorisation server's. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._mutex = threading.RLock()
        self._database = sqlite3.connect(folder / "tokens.sqlite", check_same_thread=False)
        self._database.executescript(_SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done within is done at once, or not at all."""
        with self._mutex, self._database:
            yield self._database

    def give(self, account: str, client: str, refresh_token: str) -> None:
        """Make a refresh token good for an account, as if its owner had just consented."""
        with self._transaction() as database:
            row = (refresh_token, account, client)
            database.execute("INSERT OR REPLACE INTO refresh_tokens VALUES (?, ?, ?, 0)", row)

    def exchange(
        self, refresh_token: str, client: str, rotation: Rotation, seconds: float, prefix: str
    ) -> Granted:
        """A new access token, good for so many seconds; raises VoidGrant, UnknownGrant."""
        access, renewed = prefix + secrets.token_urlsafe(32), None
        with self._transaction() as database:
            account = self._account(database, refresh_token, client)
            if rotation == "replaced":
                void = "UPDATE refresh_tokens SET void = 1 WHERE token = ?"
                database.execute(void, (refresh_token,))
            if rotation != "same":
                renewed = secrets.token_urlsafe(48)
                row = (renewed, account, client)
                database.execute("INSERT INTO refresh_tokens VALUES (?, ?, ?, 0)", row)
            given = (access, account, time.time() + seconds)
            database.execute("INSERT INTO access_tokens VALUES (?, ?, ?, 0)", given)
        return Granted(access, renewed)

    def _account(self, database: sqlite3.Connection, refresh_token: str, client: str) -> str:
        query = "SELECT account, client, void FROM refresh_tokens WHERE token = ?"
        found = database.execute(query, (refresh_token,)).fetchone()
        if found is None or found[1] != client:
            raise UnknownGrant
        if found[2]:
            raise VoidGrant
        return str(found[0])

    def owner(self, refresh_token: str) -> str:
        """The account of a refresh token, void or not; empty where there is none."""
        query = "SELECT account FROM refresh_tokens WHERE token = ?"
        with self._mutex:
            found = self._database.execute(query, (refresh_token,)).fetchone()
        return found[0] if found else ""

    def bearer(self, authorization: str | None) -> Bearer:
        """Who comes with such an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return Bearer()
        query = "SELECT account, expires, void FROM access_tokens WHERE token = ?"
        with self._mutex:
            found = self._database.execute(query, (token.strip(),)).fetchone()
        if found is None or found[2]:
            return Bearer()
        expired = found[1] <= time.time()
        return Bearer("" if expired else found[0], expired)

    def revoke(self, account: str) -> None:
        """Void all that an account's owner has consented to."""
        with self._transaction() as database:
            for table in ("refresh_tokens", "access_tokens"):
                void = f"UPDATE {table} SET void = 1 WHERE account = ?"  # noqa: S608 - a constant
                database.execute(void, (account,))

    def expire(self, account: str) -> None:
        """Make an account's access tokens too old at once; its refresh tokens stay good."""
        with self._transaction() as database:
            now = "UPDATE access_tokens SET expires = 0 WHERE account = ?"
            database.execute(now, (account,))
