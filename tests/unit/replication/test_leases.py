"""Leases: one writer at a time, and whoever comes late is told apart."""

from importlib import import_module
from threading import Barrier, Lock, Thread

import pytest
from botocore.client import BaseClient

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

NOW = 1_767_225_600.0
DROPBOX = ("dropbox", "account#1003")


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def leases(cloud, step):
    step("replication.create_folders")
    return import_module("replication.leases")


def test_one_has_it_and_nobody_else_until_it_is_released(leases):
    fence = leases.acquire(*DROPBOX, "ada", 60, NOW)

    assert fence == 1
    assert leases.acquire(*DROPBOX, "bob", 60, NOW + 1) is None
    assert leases.ends_at(*DROPBOX) == NOW + 60
    assert leases.release(*DROPBOX, "ada", fence) is True
    assert leases.ends_at(*DROPBOX) is None
    assert leases.acquire(*DROPBOX, "bob", 60, NOW + 2) == 2


def test_nobody_has_what_was_never_acquired(leases):
    assert leases.ends_at(*DROPBOX) is None
    assert leases.renew(*DROPBOX, "ada", 1, 60, NOW) is False


def test_leases_of_other_namespaces_are_other_leases(leases):
    assert leases.acquire("dropbox", "account#1003", "ada", 60, NOW) == 1
    assert leases.acquire("dropbox", "account#1004", "bob", 60, NOW) == 1
    assert leases.acquire("box", "account#1003", "cem", 60, NOW) == 1


def test_a_lease_that_is_renewed_lasts_longer(leases):
    fence = leases.acquire(*DROPBOX, "ada", 60, NOW)

    assert leases.renew(*DROPBOX, "ada", fence, 60, NOW + 30) is True

    assert leases.acquire(*DROPBOX, "bob", 60, NOW + 89) is None
    assert leases.acquire(*DROPBOX, "bob", 60, NOW + 90) == fence + 1


def test_whoever_comes_late_can_neither_renew_nor_release_it(leases):
    old = leases.acquire(*DROPBOX, "ada", 60, NOW)
    new = leases.acquire(*DROPBOX, "bob", 60, NOW + 61)

    assert new > old
    assert leases.renew(*DROPBOX, "ada", old, 60, NOW + 62) is False
    assert leases.release(*DROPBOX, "ada", old) is False
    assert leases.ends_at(*DROPBOX) == NOW + 121


def test_under_the_same_name_the_later_one_has_it(leases):
    """A step that is tried again, while its first attempt is still at work."""
    first = leases.acquire(*DROPBOX, "ada", 60, NOW)
    second = leases.acquire(*DROPBOX, "ada", 60, NOW + 1)

    assert second == first + 1
    assert leases.renew(*DROPBOX, "ada", first, 60, NOW + 2) is False
    assert leases.release(*DROPBOX, "ada", first) is False
    assert leases.renew(*DROPBOX, "ada", second, 60, NOW + 2) is True


def test_fences_are_never_given_twice_whoever_releases(leases):
    fences = []
    for turn in range(4):
        fences.append(leases.acquire(*DROPBOX, "ada", 60, NOW + turn))
        leases.release(*DROPBOX, "ada", fences[-1])

    assert fences == [1, 2, 3, 4]


def test_of_many_at_once_one_gets_it(leases, monkeypatch):
    real, lock = BaseClient._make_api_call, Lock()  # moto knows nothing of threads.

    def one_at_a_time(client, name, arguments):
        with lock:
            return real(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", one_at_a_time)
    fences, together = [], Barrier(8)

    def try_it(name):
        together.wait(timeout=10)
        fences.append(leases.acquire(*DROPBOX, name, 60, NOW))

    threads = [Thread(target=try_it, args=(f"worker-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert sorted(fence or 0 for fence in fences) == [0] * 7 + [1]


def test_a_throttled_table_is_tried_again_by_the_machine(leases, intercept):
    intercept("UpdateItem", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match="ThrottlingException"):
        leases.acquire(*DROPBOX, "ada", 60, NOW)
