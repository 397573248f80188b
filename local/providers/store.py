"""What the accounts keep, on disk: a process that is killed leaves nothing half done.

Contents lie in `blobs/` by their SHA-256, each written beside its place and then renamed; what is
where is in SQLite. Both outlast the process, not the machine's power. Spaces hold the entries: an
account's files (WebDAV), or a bucket. Paths have no slash in front and none at the end.
"""

import base64
import hashlib
import json
import os
import sqlite3
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from local.providers.messages import pieces

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS spaces (name TEXT PRIMARY KEY, owner TEXT, made REAL);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT, path TEXT, parent TEXT, blob TEXT,
    size INTEGER, etag TEXT, modified REAL, meta TEXT, UNIQUE (space, path));
CREATE INDEX IF NOT EXISTS entries_parent ON entries (space, parent);
CREATE INDEX IF NOT EXISTS entries_blob ON entries (blob);
CREATE INDEX IF NOT EXISTS entries_lowered ON entries (space, lowered(path));
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, space TEXT, path TEXT, meta TEXT, begun REAL);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT, number INTEGER, name TEXT, blob TEXT, size INTEGER, etag TEXT, meta TEXT,
    modified REAL, PRIMARY KEY (upload, number));
CREATE INDEX IF NOT EXISTS parts_blob ON parts (blob);
"""
_LARGEST_ID = 2**63 - 1

LAST = "\U0010ffff"
"""A character after all others."""

BIN = "\x1fbin/"
"""What a path begins with that has been thrown away and can still be brought back."""


@dataclass(frozen=True)
class Account:
    """Who may log in: by name and password, by the id of an access key, or through a client."""

    name: str
    password: str
    access_key_id: str
    storage_quota: int | None = None
    client_id: str = ""
    client_secret: str = ""
    drive_type: Literal["personal", "business", "documentLibrary"] = "business"


@dataclass(frozen=True)
class Blob:
    """Content that has arrived: not yet anybody's. Hashes are hexadecimal."""

    file: Path
    size: int
    sha256: str
    md5: str


@dataclass(frozen=True)
class Entry:
    """A file, or a folder where `sha256` is None."""

    id: int
    path: str
    sha256: str | None
    size: int
    etag: str
    modified: float
    meta: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A part of an upload."""

    number: int
    name: str
    sha256: str
    size: int
    etag: str
    modified: float
    meta: dict[str, Any]


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


class NoRoom(Exception):
    """An account's storage quota is used up."""


class Store:
    """One folder on disk. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._blobs, self._arriving = folder / "blobs", folder / "arriving"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._arriving.mkdir(exist_ok=True)
        for left_over in self._arriving.iterdir():
            left_over.unlink()
        self._mutex = threading.RLock()
        self._dropped: set[str] = set()
        self._database = sqlite3.connect(
            folder / "entries.sqlite", check_same_thread=False, isolation_level=None
        )
        self._database.create_function("lowered", 1, str.lower, deterministic=True)
        self._database.executescript(_SCHEMA)
        known = [Account(**json.loads(row[0])) for row in self._rows("SELECT value FROM accounts")]
        self.accounts: Mapping[str, Account] = {account.name: account for account in known}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done within is done at once, or not at all."""
        with self._mutex:
            if self._database.in_transaction:
                yield
                return
            self._dropped.clear()
            self._database.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
            self._remove_dropped()

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._mutex:
            return self._database.execute(query, values).fetchall()

    # Settings, accounts and spaces

    def setting(self, name: str) -> Any:
        rows = self._rows("SELECT value FROM settings WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def set(self, name: str, value: Any) -> None:
        self._rows("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, json.dumps(value))

    def add_account(self, account: Account) -> None:
        """Make an account, or give it another password, key or quota."""
        value = json.dumps(vars(account))
        self._rows("INSERT OR REPLACE INTO accounts VALUES (?, ?)", account.name, value)
        self.accounts = {**self.accounts, account.name: account}

    def add_space(self, name: str, owner: str) -> bool:
        """False where there is one of that name."""
        with self.transaction():
            if self.owner(name) is not None:
                return False
            self._rows("INSERT INTO spaces VALUES (?, ?, ?)", name, owner, time.time())
            return True

    def remove_space(self, name: str) -> None:
        self._rows("DELETE FROM spaces WHERE name = ?", name)

    def owner(self, space: str) -> str | None:
        rows = self._rows("SELECT owner FROM spaces WHERE name = ?", space)
        return rows[0][0] if rows else None

    def spaces(self, owner: str) -> list[tuple[str, float]]:
        """Names and when they were made."""
        query = "SELECT name, made FROM spaces WHERE owner = ? ORDER BY name"
        return [(name, made) for name, made in self._rows(query, owner)]

    def used(self, owner: str) -> int:
        """Bytes that an account has stored, with what it is uploading in parts."""
        files = (
            "SELECT total(size) FROM entries WHERE space IN"
            " (SELECT name FROM spaces WHERE owner = ?)"
        )
        parts = (
            "SELECT total(size) FROM parts WHERE upload IN (SELECT id FROM uploads WHERE space IN"
            " (SELECT name FROM spaces WHERE owner = ?))"
        )
        return int(self._rows(files, owner)[0][0] + self._rows(parts, owner)[0][0])

    # Contents

    def joining(self, hashes: Iterable[str]) -> AbstractContextManager[Blob]:
        """Contents that are there already, one after another, in the same way."""
        return self.arriving(self.contents(hashes))

    def contents(self, hashes: Iterable[str]) -> Iterator[bytes]:
        """Contents that are there, one after another, in pieces."""
        for sha256 in hashes:
            with self.open(sha256) as file:
                yield from pieces(file)

    @contextmanager
    def arriving(self, content: Iterable[bytes]) -> Iterator[Blob]:
        """Content, written to disk as it comes; gone afterwards unless it has been put."""
        blob = self._written(content)
        try:
            yield blob
        finally:
            blob.file.unlink(missing_ok=True)

    def _written(self, content: Iterable[bytes]) -> Blob:
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        descriptor, name = tempfile.mkstemp(dir=self._arriving)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                for piece in content:
                    file.write(piece)
                    sha256.update(piece)
                    md5.update(piece)
                    size += len(piece)
        except BaseException:
            os.unlink(name)
            raise
        return Blob(Path(name), size, sha256.hexdigest(), md5.hexdigest())

    def open(self, sha256: str) -> BinaryIO:
        return open(self._blob(sha256), "rb")

    def _blob(self, sha256: str) -> Path:
        return self._blobs / sha256[:2] / sha256

    def _keep(self, blob: Blob) -> None:
        place = self._blob(blob.sha256)
        place.parent.mkdir(exist_ok=True)
        os.replace(blob.file, place)

    def _drop(self, blobs: Iterable[str | None]) -> None:
        """Remove contents, if nobody has them any more once the transaction has ended."""
        self._dropped.update(blob for blob in blobs if blob is not None)

    def _remove_dropped(self) -> None:
        """Only now: what a process that is killed had not committed must still be there."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM entries WHERE blob = ?)"
            " OR EXISTS (SELECT 1 FROM parts WHERE blob = ?)"
        )
        for blob in self._dropped:
            if not self._rows(query, blob, blob)[0][0]:
                self._blob(blob).unlink(missing_ok=True)  # Whoever reads it goes on reading.

    # Entries

    def entry(self, space: str, path: str) -> Entry | None:
        rows = self._rows(
            "SELECT id, path, blob, size, etag, modified, meta FROM entries"
            " WHERE space = ? AND path = ?",
            space,
            path,
        )
        return _entry(rows[0]) if rows else None

    def entry_like(self, space: str, path: str) -> Entry | None:
        """The entry at a path, whichever of its letters are capitals."""
        rows = self._rows(
            "SELECT id, path, blob, size, etag, modified, meta FROM entries"
            " WHERE space = ? AND lowered(path) = ?",
            space,
            path.lower(),
        )
        return _entry(rows[0]) if rows else None

    def entry_of(self, space: str, identity: int) -> Entry | None:
        """The entry with an id."""
        if identity > _LARGEST_ID:
            return None
        rows = self._rows(
            "SELECT id, path, blob, size, etag, modified, meta FROM entries"
            " WHERE space = ? AND id = ?",
            space,
            identity,
        )
        return _entry(rows[0]) if rows else None

    def within(self, space: str, path: str) -> tuple[int, int]:
        """How many entries lie in a folder itself, and how many bytes in all below it."""
        count = "SELECT count(*) FROM entries WHERE space = ? AND parent = ? AND path != ''"
        total = "SELECT total(size) FROM entries WHERE space = ? AND path >= ? AND path < ?"
        first, last = (path + "/", path + "0") if path else ("", LAST)  # "0" comes after "/".
        [(number,)] = self._rows(count, space, path)
        return number, int(self._rows(total, space, first, last)[0][0])

    def reserve(self, count: int) -> list[int]:
        """So many ids that no entry gets unless it is put under one of them."""
        with self.transaction():
            rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'entries'")
            first = (rows[0][0] if rows else 0) + 1
            if not rows:
                self._rows("INSERT INTO sqlite_sequence VALUES ('entries', 0)")
            last = first + count - 1
            self._rows("UPDATE sqlite_sequence SET seq = ? WHERE name = 'entries'", last)
            return list(range(first, last + 1))

    def revise(self, entry: Entry, meta: dict[str, Any], modified: float | None = None) -> None:
        """Say something else of an entry, whose content stays the same."""
        when = entry.modified if modified is None else modified
        query = "UPDATE entries SET meta = ?, modified = ? WHERE id = ?"
        self._rows(query, json.dumps(meta), when, entry.id)

    def opened(self, space: str, path: str) -> tuple[Entry, BinaryIO] | None:
        """A file as it is now, and its content; None where there is none."""
        with self._mutex:
            found = self.entry(space, path)
            if found is None or found.sha256 is None:
                return None
            return found, self.open(found.sha256)

    def children(self, space: str, path: str) -> list[Entry]:
        query = (
            "SELECT id, path, blob, size, etag, modified, meta FROM entries"
            " WHERE space = ? AND parent = ? ORDER BY path"
        )
        return [_entry(row) for row in self._rows(query, space, path)]

    def below(self, space: str, first: str, last: str, count: int) -> list[Entry]:
        """The entries from one path on and before another, in the order of their bytes."""
        query = (
            "SELECT id, path, blob, size, etag, modified, meta FROM entries"
            " WHERE space = ? AND path >= ? AND path < ? ORDER BY path LIMIT ?"
        )
        return [_entry(row) for row in self._rows(query, space, first, last, count)]

    def everything(self, space: str) -> list[Entry]:
        return self.below(space, "", LAST, -1)

    def put_folder(
        self,
        space: str,
        path: str,
        meta: dict[str, Any] | None = None,
        *,
        number: int | None = None,
    ) -> Entry:
        """Make a folder, under a reserved id if there is a `number`."""
        values = (space, path, parent_of(path), None, 0, uuid.uuid4().hex, time.time())
        self._insert((*values, json.dumps(meta or {})), number)
        return self._there(space, path)

    def put(
        self,
        space: str,
        path: str,
        blob: Blob,
        meta: dict[str, Any],
        check: Callable[[Entry | None], None],
        *,
        etag: str | None = None,
        modified: float | None = None,
        upload: str | None = None,
        number: int | None = None,
    ) -> tuple[Entry, bool]:
        """Store a file, in place of one that is there; whether there was one.

        `check` is shown what is there, and raises where it must not be replaced. The `upload` that
        the content comes from ends with it. `number` is a reserved id for a new file.
        """
        with self.transaction():
            before = self.entry(space, path)
            check(before)
            dropped = [before.sha256] if before else []
            if upload is not None:
                dropped += self._ended(upload)
            self._check_quota(space, blob.size - (before.size if before else 0))
            self._keep(blob)
            tag, when = etag or uuid.uuid4().hex, modified or time.time()
            row = (space, path, parent_of(path), blob.sha256, blob.size, tag, when)
            self._insert((*row, json.dumps(meta)), number)
            self._drop(dropped)
            return self._there(space, path), before is not None

    def move(self, space: str, source: str, target: str) -> None:
        """Give a file or a folder with all within it another path, which must be free."""
        with self.transaction():
            for entry in self._tree(space, source):
                path = target + entry.path[len(source) :]
                self._rows(
                    "UPDATE entries SET path = ?, parent = ? WHERE id = ?",
                    path,
                    parent_of(path),
                    entry.id,
                )

    def delete(self, space: str, path: str, *, within: bool = True) -> None:
        """Remove an entry; a folder with all within it."""
        with self.transaction():
            single = [entry for entry in [self.entry(space, path)] if entry]
            gone = self._tree(space, path) if within else single
            for entry in gone:
                self._rows("DELETE FROM entries WHERE id = ?", entry.id)
            self._drop(entry.sha256 for entry in gone)

    def _tree(self, space: str, path: str) -> list[Entry]:
        whole = self.below(space, path + "/", path + "0", -1)  # "0" comes after "/".
        return [entry for entry in [self.entry(space, path)] if entry] + whole

    def _there(self, space: str, path: str) -> Entry:
        found = self.entry(space, path)
        assert found is not None, path  # noqa: S101 - it has just been written
        return found

    def _insert(self, values: tuple[Any, ...], number: int | None = None) -> None:
        """Keeps the id of a file that is replaced, as providers do."""
        self._rows(
            "INSERT INTO entries (id, space, path, parent, blob, size, etag, modified, meta)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (space, path) DO UPDATE SET"
            " blob = excluded.blob, size = excluded.size, etag = excluded.etag,"
            " modified = excluded.modified, meta = excluded.meta",
            number,
            *values,
        )

    def _check_quota(self, space: str, size: int) -> None:
        self.check_quota(self.owner(space) or "", size)

    def check_quota(self, owner: str, size: int) -> None:
        """Raises NoRoom where an account cannot store so many bytes more."""
        account = self.accounts.get(owner)
        quota = account.storage_quota if account is not None else None
        if quota is not None and self.used(owner) + size > quota:
            raise NoRoom

    # Uploads in parts

    def begin_upload(self, upload: str, space: str, path: str, meta: dict[str, Any]) -> bool:
        """False where there is one of that id."""
        with self.transaction():
            if self.upload(upload) is not None:
                return False
            values = (upload, space, path, json.dumps(meta), time.time())
            self._rows("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", *values)
            return True

    def upload(self, upload: str) -> tuple[str, str, dict[str, Any]] | None:
        """Its space, its path and what was said when it began."""
        rows = self._rows("SELECT space, path, meta FROM uploads WHERE id = ?", upload)
        return (rows[0][0], rows[0][1], json.loads(rows[0][2])) if rows else None

    def uploads(self, space: str) -> list[tuple[str, str, float]]:
        """Path, id and when it began, of all in a space."""
        query = "SELECT path, id, begun FROM uploads WHERE space = ? ORDER BY path, begun"
        return [(path, upload, begun) for path, upload, begun in self._rows(query, space)]

    def put_part(
        self, upload: str, number: int, name: str, blob: Blob, etag: str, meta: dict[str, Any]
    ) -> bool:
        """Store a part, in place of one of that number; False where the upload has ended."""
        with self.transaction():
            begun = self.upload(upload)
            if begun is None:
                return False
            query = "SELECT blob, size FROM parts WHERE upload = ? AND number = ?"
            before = self._rows(query, upload, number)
            self._check_quota(begun[0], blob.size - sum(size for _, size in before))
            self._keep(blob)
            values = (upload, number, name, blob.sha256, blob.size, etag, json.dumps(meta))
            row = (*values, time.time())
            self._rows("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)
            self._drop(blob for blob, _ in before)
            return True

    def parts(self, upload: str) -> list[Stored]:
        """In the order of their numbers."""
        query = (
            "SELECT number, name, blob, size, etag, modified, meta FROM parts"
            " WHERE upload = ? ORDER BY number"
        )
        return [Stored(*row[:-1], json.loads(row[-1])) for row in self._rows(query, upload)]

    def end_upload(self, upload: str) -> None:
        """Forget an upload with its parts."""
        with self.transaction():
            self._drop(self._ended(upload))

    def _ended(self, upload: str) -> list[str]:
        blobs = [part.sha256 for part in self.parts(upload)]
        self._rows("DELETE FROM parts WHERE upload = ?", upload)
        self._rows("DELETE FROM uploads WHERE id = ?", upload)
        return blobs


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(*row[:-1], json.loads(row[-1]))


def encoded(hexadecimal: str) -> str:
    """A hash as HTTP headers have it: base64."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
