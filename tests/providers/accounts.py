"""Accounts at simulators of storage providers: how tests open one, and what they put there."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import requests

from local.providers.client import Simulator
from replication.storage import box, drive, dropbox, graph, json_api
from replication.storage.interface import Document, Meter, Pause, Storage
from shared.errors import StorageRefused
from tests.providers import cloud_drives, simulators
from tests.providers.simulators import TOKENS
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

USER = "ann"
FOLDER = "Bücher & mehr"
"""The account's location is this folder."""

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
    """What the client calls the most entries of a page."""

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

    part_kind: str = "upload"
    """What its simulator calls the request for a part that is not the last."""

    look_kind: str = "read"
    """What it calls the look at what lies at a path."""

    longest_name: int = 255

    def uploads(self, size: int) -> int:
        """How many a document costs that goes in parts."""
        return self.opening + -(-size // self.part_bytes) + self.closing


PROVIDERS = {
    "dropbox": Provider(
        *(dropbox.Dropbox, dropbox, "_ENTRIES_AT_ONCE", "LARGEST_REQUEST"),
        root=lambda _: "/",
        below_root=lambda _, name: f"/{name}",
        part="CHUNK_BYTES",
        part_kind="other",
    ),
    "box": Provider(
        *(box.Box, box, "_ITEMS_AT_ONCE", "LARGEST_REQUEST"),
        root=lambda _: "0",
        below_root=lambda running, name: _id(simulators.Box(running).make_folder(name)),
        settings={"chunk_minimum": 1, "part_size": PIECE_BYTES},
        closing=1,
        look_kind="find",
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
}


class Account:
    """A customer's account at a simulator."""

    def __init__(self, server: Simulator) -> None:
        self.server, self.provider = server, PROVIDERS[server.profile]
        self.tokens = Tokens(server)
        self.root = self.provider.root(server)
        self.location = _location(server)

    def open(
        self, meter: Meter | None = None, *, location: str | None = None, tokens: Any = None
    ) -> Any:
        """A client as a new process has it, which remembers nothing."""
        connection = json_api.connect(tokens or self.tokens)
        place = location or self.location
        return self.provider.client(place, self.server.url, connection, meter or Purse())

    def files(self, folder: str = "") -> dict[str, str]:
        """SHA-256 by path, of all that has arrived."""
        return self._below(self.server.files(USER), folder)

    def folders(self, folder: str = "") -> set[str]:
        return set(self._below(dict.fromkeys(self.server.folders(USER), ""), folder))

    def arrived(self, path: str) -> str | None:
        return self.files().get(path)

    def _below(self, paths: dict[str, str], folder: str) -> dict[str, str]:
        above = f"{FOLDER}/"
        inside = f"{above}{folder}/" if folder else above
        return {
            path.removeprefix(above): one for path, one in paths.items() if path.startswith(inside)
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


def _id(reply: requests.Response) -> str:
    made: str = reply.json()["id"]
    return made


def put(storage: Storage, path: str, document: Document = DOCUMENT, there: Any = None) -> str:
    progress: dict[str, Any] = {}
    came_of_it = storage.upload(path, document, there=there, progress=progress)
    assert progress == {}
    return came_of_it
