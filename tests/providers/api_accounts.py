"""What tests of the API clients share: how an account at a simulator is opened, and documents."""

import uuid
from typing import Any

import requests

from local.providers.client import Simulator
from replication.storage import json_api
from replication.storage.drive import Drive
from replication.storage.graph import Graph
from replication.storage.hashes import digest_of
from replication.storage.interface import Document, Meter, Storage
from shared.errors import StorageRefused
from tests.providers.simulators import TOKENS, access_token
from tests.storages import BytesDocument, Purse

USER = "ann"
CONTENT = b"what the customer is to get\n" * 1000
DOCUMENT = BytesDocument(CONTENT)


class OneToken:
    """Tokens of which there is one, good for as long as a test takes."""

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
        token: str = reply.json()["access_token"]
        return token


def opened(
    running: Simulator,
    meter: Meter | None = None,
    *,
    location: str | None = None,
    tokens: Tokens | None = None,
) -> Any:
    """A client as a new process has it, which remembers nothing."""
    connection = json_api.connect(tokens or Tokens(running))
    kind = Drive if running.profile == "drive" else Graph
    place = "root" if running.profile == "drive" else running.drive_id(USER)
    return kind(location or place, running.url, connection, meter or Purse())


def connected(running: Simulator) -> json_api.Connection:
    return json_api.connect(OneToken(access_token(running)))


def put(storage: Storage, path: str, document: Document = DOCUMENT, there: Any = None) -> str:
    progress: dict[str, Any] = {}
    came_of_it = storage.upload(path, document, there=there, progress=progress)
    assert progress == {}
    return came_of_it


def hash_of(content: bytes, name: Any) -> str:
    return digest_of(name, [content]).value


def arrived(running: Simulator, path: str) -> str | None:
    return running.files(USER).get(path)
