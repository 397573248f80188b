"""A customer's account at a provider, for tests that say by `provider` which one."""

import hashlib
from contextlib import ExitStack
from functools import cache

import pytest

from tests.providers.accounts import PROVIDERS, Account
from tests.providers.simulators import simulator
from tests.storages import PIECE_BYTES, Purse


@pytest.fixture(scope="session")
def simulators(tmp_path_factory):
    """Of each provider, one that runs as soon as it is asked for."""
    with ExitStack() as stack:

        @cache
        def running(provider):
            folder = tmp_path_factory.mktemp(provider)
            return stack.enter_context(simulator(provider, folder, **PROVIDERS[provider].settings))

        yield running


@pytest.fixture
def server(simulators, provider):
    running = simulators(provider)
    yield running
    running.clear_faults()


@pytest.fixture
def account(server):
    return Account(server)


@pytest.fixture
def purse():
    return Purse()


@pytest.fixture
def storage(account, purse):
    return account.open(purse)


@pytest.fixture
def folder(storage, purse, request):
    """A folder of the test's own."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    assert storage.create_folder(name)
    purse.spent.clear()
    return name


@pytest.fixture
def parts(provider, monkeypatch):
    """Documents of more than 1 MiB go in parts of about that size."""
    traits = PROVIDERS[provider]
    monkeypatch.setattr(traits.module, traits.at_once, PIECE_BYTES)
    if traits.part is not None:
        monkeypatch.setattr(traits.module, traits.part, traits.part_bytes)
