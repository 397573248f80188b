"""Accounts whose tokens expire, are revoked and rotate, at token endpoints of another make."""

import json
import os
import subprocess
import sys
import uuid
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from replication.storage import box, dropbox
from replication.storage.interface import Pause
from shared import clients
from shared.customers import StorageAccount
from shared.errors import StorageRefused, TransientError
from tests.providers.secrets_server import Secret, environment, secrets_server
from tests.providers.simulators import TOKENS, simulator
from tests.storages import PIECE_BYTES, LongDocument, Purse

REPOSITORY = Path(__file__).parents[2]
ROOTS = {"dropbox": "/", "box": "0"}
NOT_YOUNG = -1.0
"""Seconds: times are stored in whole ones, rounded up."""


@pytest.fixture(scope="module")
def aws():
    with secrets_server() as url, pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        for cached in (clients.dynamodb, clients.secretsmanager):
            cached.cache_clear()
        yield url
        for cached in (clients.dynamodb, clients.secretsmanager):
            cached.cache_clear()


@pytest.fixture(scope="module", params=sorted(ROOTS))
def running(request, tmp_path_factory):
    settings = {"box": {"chunk_minimum": 1, "part_size": PIECE_BYTES}}
    provider = request.param
    folder = tmp_path_factory.mktemp(provider)
    with simulator(provider, folder, **settings.get(provider, {})) as server:
        yield server


@pytest.fixture
def server(running):
    running.clear_faults()
    running.clear_stats()
    yield running
    running.clear_faults()


@pytest.fixture
def accounts(aws, monkeypatch):
    """As if no token had been given out just now."""
    module = import_module("replication.storage.accounts")
    monkeypatch.setattr(import_module("replication.storage.tokens"), "YOUNG_SECONDS", NOT_YOUNG)
    yield module
    for account in list(module._kept):
        module.forget(account)


class Customer:
    """One whose account is at the simulator and whose secret is at AWS."""

    def __init__(self, server, aws: str) -> None:
        self.name = f"c{uuid.uuid4().hex[:8]}"
        self._server = server
        self.secret = Secret(aws, f"aftercall/storage/{self.name}", self.authorised())
        self.account = StorageAccount(
            provider=server.profile,
            location=ROOTS[server.profile],
            secret_name=self.secret.name,
            endpoint=server.url,
        )

    def authorised(self) -> dict[str, str]:
        """What a person stores when the customer has authorised the app."""
        refresh_token = uuid.uuid4().hex
        self._server.add_account(self.name, **TOKENS, refresh_token=refresh_token)
        return {**TOKENS, "refresh_token": refresh_token}


@pytest.fixture
def customer(server, aws):
    return Customer(server, aws)


@pytest.fixture
def storage(accounts, customer):
    return accounts.open_storage(customer.account, Purse())


@pytest.fixture
def chunks(monkeypatch):
    """Documents of more than 1 MiB go in parts of that size."""
    monkeypatch.setattr(dropbox, "LARGEST_REQUEST", PIECE_BYTES)
    monkeypatch.setattr(dropbox, "CHUNK_BYTES", PIECE_BYTES)
    monkeypatch.setattr(box, "LARGEST_REQUEST", PIECE_BYTES)


def token_requests(server) -> dict[str, int]:
    return server.stats()["token_requests"]


def test_a_token_is_asked_for_once_and_shared_by_what_is_stored(
    server, customer, storage, accounts
):
    storage.create_folder("any")
    accounts.forget(customer.account)
    purse = Purse()
    other = accounts.open_storage(customer.account, purse)

    assert other.find("any") == {}

    assert token_requests(server) == {"200": 1}
    assert set(purse.spent) == {"find"}  # Requests for tokens cost nothing.
    before = customer.secret.read()
    assert before["access_token"]


def test_a_refresh_token_is_stored_where_the_provider_rotates_it(server, customer, storage):
    first = customer.secret.read()["refresh_token"]

    storage.find("")

    rotated = customer.secret.read()["refresh_token"] != first
    assert rotated == (server.profile == "box")


def test_a_token_that_expires_between_two_requests_is_renewed(server, customer, storage):
    storage.create_folder("any")
    for _ in range(3):
        server.expire_tokens(customer.name)
        assert storage.find("any") == {}

    assert token_requests(server) == {"200": 4}


def test_a_token_that_expires_amid_a_long_upload_is_renewed(server, customer, storage, chunks):
    seen: list[int] = []

    def reading(number: int) -> None:
        seen.append(number)
        if number == 2 and seen.count(2) == 2:  # Each is read for its hash first.
            server.expire_tokens(customer.name)

    document = LongDocument(5, reading)

    assert storage.upload("any.bin", document, there=None, progress={}) == "uploaded"

    assert server.files(customer.name) == {"any.bin": document.sha256}
    assert token_requests(server) == {"200": 2}


def test_a_long_upload_goes_on_in_another_process_with_another_token(
    server, customer, accounts, chunks
):
    document, progress = LongDocument(5), {}
    with pytest.raises(Pause):
        accounts.open_storage(customer.account, Purse(limit=3)).upload(
            "any.bin", document, there=None, progress=progress
        )
    accounts.forget(customer.account)
    server.expire_tokens(customer.name)
    progress = json.loads(json.dumps(progress))

    storage = accounts.open_storage(customer.account, Purse())

    assert storage.upload("any.bin", document, there=None, progress=progress) == "uploaded"
    assert server.files(customer.name) == {"any.bin": document.sha256}


def test_a_person_is_told_that_the_app_was_revoked_and_mends_it(server, customer, storage):
    storage.create_folder("any")
    server.revoke_tokens(customer.name)

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: .*authorise") as raised:
        storage.find("any")
    for secret in customer.secret.read().values():
        assert secret not in str(raised.value)

    customer.secret.store(customer.authorised())
    assert storage.find("any") == {}


def test_a_person_is_told_that_the_client_is_wrong(customer, storage):
    customer.secret.store(customer.authorised() | {"client_secret": "wrong"})

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: .*client_secret"):
        storage.find("")


def test_a_lost_reply_of_the_token_endpoint_costs_boxs_only_token(server, customer, storage):
    server.set_faults({"action": "lose_reply", "kind": "token", "times": 1})

    with pytest.raises(TransientError):
        storage.find("")

    if server.profile == "box":
        with pytest.raises(StorageRefused, match=r"^CredentialsRefused: .*authorise"):
            storage.find("")
    else:
        assert storage.find("") == {}


@pytest.mark.parametrize("action", ["refuse", "status"])
def test_a_token_endpoint_in_trouble_is_asked_again(server, customer, storage, action):
    server.set_faults({"action": action, "kind": "token", "status": 503, "times": 1})

    with pytest.raises(TransientError):
        storage.find("")

    assert storage.find("") == {}


def test_a_busy_token_endpoint_is_left_alone_for_as_long_as_it_says(server, customer, storage):
    headers = {"Retry-After": "7"}
    server.set_faults({"action": "status", "kind": "token", "status": 429, "headers": headers})

    with pytest.raises(Pause) as raised:
        storage.find("")

    assert raised.value.not_before


@pytest.mark.parametrize("provider", sorted(ROOTS))
def test_processes_that_share_an_account_refresh_each_token_once(aws, tmp_path, provider):
    with simulator(provider, tmp_path, token_seconds=4) as server:
        customer = Customer(server, aws)
        given = {"account": customer.account.model_dump(exclude_none=True), "seconds": 8}
        command = [sys.executable, "-m", "tests.providers.token_worker", json.dumps(given)]
        environ = {**os.environ, **environment(aws), "PYTHONPATH": "functions"}
        workers = [
            subprocess.Popen(
                command, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        said = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
        requests = token_requests(server)

    assert [one["wrong"] for one in said] == [[]] * 4
    assert all(one["answered"] > 5 for one in said)
    assert set(requests) == {"200"}
    assert (
        2 <= requests["200"] <= 8
    )  # Each is good for four seconds; alone all would ask for twelve.


def test_what_is_kept_of_an_account_shows_no_secret(customer, storage, accounts):
    storage.find("")

    shown: Any = repr(accounts._kept)
    for secret in customer.secret.read().values():
        assert secret not in shown
