"""Accounts at simulators of storage providers: how tests open one, and what they put there."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any
from urllib.parse import quote

import pytest
import requests

from local.providers.client import Simulator
from replication.storage import (
    box,
    drive,
    dropbox,
    graph,
    json_api,
    s3,
    s3_requests,
    webdav,
    webdav_requests,
)
from replication.storage.interface import Document, Meter, Pause, Storage
from shared.errors import StorageRefused
from tests.providers import cloud_drives, simulators
from tests.providers.simulators import ACCOUNT, TOKENS
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

USER = "ann"
FOLDER = "Bücher & mehr"
"""The account's location is this folder."""

BUCKET = "documents-of-ann"
"""In which it lies at S3."""

CONTENT = b"what the customer is to get\n" * 1000
DOCUMENT = BytesDocument(CONTENT)
LONG = LongDocument(6)


class OneToken:
    """Tokens of which there is one, whoever takes it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.refused: list[str] = []

    def token(self, refused: str | None = None) -> str:
        if refused is not None:
            self.refused.append(refused)
        return self.text


class Tokens:
    """One process's, from a refresh token of the account's owner."""

    def __init__(self, running: Simulator, account: str = USER, **more: Any) -> None:
        self._url, self._refresh_token = running.token_url, uuid.uuid4().hex
        running.add_account(account, **TOKENS, refresh_token=self._refresh_token, **more)
        self._token, self.given = "", 0

    def token(self, refused: str | None = None) -> str:
        if not self._token or refused == self._token:
            self._token = self._new()
            self.given += 1
        return self._token

    def _new(self) -> str:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token, **TOKENS}
        with requests.Session() as session:
            session.trust_env = False
            reply = session.post(self._url, form, timeout=30)
        if reply.status_code != 200:
            raise StorageRefused("CredentialsRefused", "the refresh token is void")
        given = reply.json()
        self._refresh_token = given.get("refresh_token", self._refresh_token)
        token: str = given["access_token"]
        return token


@dataclass(frozen=True)
class Provider:
    """What tests have to know of a provider to say the same of all of them."""

    client: Callable[..., Storage]
    module: ModuleType
    page: str
    """What the client calls the most entries of a page, if it says how many."""

    at_once: str
    """What it calls the most bytes of one request."""

    root: Callable[[Simulator], str]
    below_root: Callable[[Simulator, str], str]
    """The location that a new folder is."""

    part: str | None = None
    """What it calls the bytes of a part, unless the provider says how many."""

    part_bytes: int = PIECE_BYTES
    settings: dict[str, Any] = field(default_factory=dict)
    """Of its simulator."""

    opening: int = 0
    """Uploads that a long document costs before its first part ..."""

    closing: int = 0
    """... and after the last."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """What its simulator calls the request that makes a folder, that sends a part which is not the
    last, that ends a long upload, and that looks at a path, where that is not as for most.
    """

    longest_name: int = 255
    connect: Callable[[Simulator, Any], Any] = lambda _, tokens: json_api.connect(tokens)
    """By tokens, or with a user's own name and secret."""

    replaces_beginnings: bool = False
    """Whether the provider shows what has come of an upload that broke off."""

    def kind(self, request: str) -> str:
        usual = {"part": "upload", "end": "upload", "look": "read"}
        return {**usual, **self.kinds}.get(request, request)

    def uploads(self, size: int) -> int:
        """How many a document costs that goes in parts."""
        return self.opening + -(-size // self.part_bytes) + self.closing


PROVIDERS = {
    "dropbox": Provider(
        *(dropbox.Dropbox, dropbox, "_ENTRIES_AT_ONCE", "LARGEST_REQUEST"),
        root=lambda _: "/",
        below_root=lambda _, name: f"/{name}",
        part="CHUNK_BYTES",
        kinds={"part": "other"},
    ),
    "box": Provider(
        *(box.Box, box, "_ITEMS_AT_ONCE", "LARGEST_REQUEST"),
        root=lambda _: "0",
        below_root=lambda running, name: _id(simulators.Box(running).make_folder(name)),
        settings={"chunk_minimum": 1, "part_size": PIECE_BYTES},
        closing=1,
        kinds={"look": "find"},
    ),
    "drive": Provider(
        *(drive.Drive, drive, "PAGE_FILES", "AT_ONCE_BYTES"),
        root=lambda _: "root",
        below_root=lambda running, name: _id(cloud_drives.Drive(running).make_folder(name)),
        part="PART_BYTES",
        opening=1,
        longest_name=1024,
    ),
    "graph": Provider(
        *(graph.Graph, graph, "PAGE_ITEMS", "AT_ONCE_BYTES"),
        root=lambda running: running.drive_id(USER),
        below_root=lambda running, name: (
            f"{running.drive_id(USER)}/{_id(cloud_drives.Graph(running).make_folder(name))}"
        ),
        part="PART_BYTES",
        part_bytes=4 * 320 * 1024,
        opening=1,
    ),
    "s3": Provider(
        *(lambda place, _, *paid: s3.S3(place, *paid), s3, "", "PART_BYTES"),
        root=lambda _: BUCKET,
        below_root=lambda running, name: f"{_bucket(running)}/{name}",
        settings={"chunk_minimum": 10},
        opening=1,
        closing=1,
        kinds={"create_folder": "upload"},
        connect=lambda running, _: s3_requests.Connection(
            {"access_key_id": ACCOUNT["access_key_id"], "secret_access_key": "unchecked"},
            endpoint=running.url,
            region=None,
        ),
        replaces_beginnings=True,
    ),
    "nextcloud": Provider(
        *(lambda place, _, *paid: webdav.WebDav(place, *paid), webdav, "", "CHUNK_BYTES"),
        root=lambda running: running.files_url(USER),
        below_root=lambda running, name: _dav_folder(running, name),
        settings={"chunk_minimum": 10},
        opening=1,
        closing=1,
        kinds={"look": "find", "end": "move"},
        connect=lambda *_: webdav_requests.connect(
            {"username": USER, "password": ACCOUNT["password"]}
        ),
        replaces_beginnings=True,
    ),
}
OAUTH = ("dropbox", "box", "drive", "graph")


class Account:
    """A customer's account at a simulator."""

    def __init__(self, server: Simulator) -> None:
        self.server, self.provider = server, PROVIDERS[server.profile]
        self.location, self.root = _location(server), self.provider.root(server)
        self.tokens = Tokens(server) if server.profile in OAUTH else None

    def open(
        self, meter: Meter | None = None, *, location: str | None = None, tokens: Any = None
    ) -> Any:
        """A client as a new process has it, which remembers nothing."""
        connection = self.provider.connect(self.server, tokens or self.tokens)
        place = location or self.location
        return self.provider.client(place, self.server.url, connection, meter or Purse())

    def files(self, folder: str = "") -> dict[str, str]:
        """SHA-256 by path, of all that has arrived in a folder."""
        return {path: one for path, one in self._below(folder).items() if one is not None}

    def folders(self, folder: str = "") -> set[str]:
        return {path for path, one in self._below(folder).items() if one is None}

    def arrived(self, path: str) -> str | None:
        return self.files().get(path)

    def _below(self, folder: str) -> dict[str, str | None]:
        above = f"{BUCKET}/{FOLDER}/" if self.server.profile == "s3" else f"{FOLDER}/"
        inside = f"{above}{folder}/" if folder else above
        return {
            path.removeprefix(above).removesuffix("/"): None if path[-1] == "/" else one["sha256"]
            for path, one in self.server.tree()[USER].items()
            if path.startswith(inside) and path != inside
        }

    def begun(self, path: str, uploads: int | None = None) -> dict[str, Any]:
        """The progress of a long upload that was paused behind two parts, or so many uploads."""
        progress: dict[str, Any] = {}
        purse = Purse(self.provider.opening + 2 if uploads is None else uploads, of="upload")
        with pytest.raises(Pause):
            self.open(purse).upload(path, LONG, there=None, progress=progress)
        return progress


@cache
def _location(server: Simulator) -> str:
    return PROVIDERS[server.profile].below_root(server, FOLDER)


def _bucket(running: Simulator) -> str:
    simulators.s3_client(running).create_bucket(Bucket=BUCKET)
    return BUCKET


def _dav_folder(running: Simulator, name: str) -> str:
    assert simulators.WebDav(running).ask("MKCOL", name).status_code == 201
    return f"{running.files_url(USER)}/{quote(name)}"


def _id(reply: requests.Response) -> str:
    made: str = reply.json()["id"]
    return made


def put(storage: Storage, path: str, document: Document = DOCUMENT, there: Any = None) -> str:
    progress: dict[str, Any] = {}
    came_of_it = storage.upload(path, document, there=there, progress=progress)
    assert progress == {}
    return came_of_it
