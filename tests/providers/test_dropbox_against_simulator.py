"""What only Dropbox does: paths below a file, sessions that say where they are, and a lock."""

import time
from threading import Thread
from typing import Any

import pytest

from replication.storage.interface import Pause, Throttled
from shared.errors import StorageRefused
from tests.providers.accounts import DOCUMENT, LONG, put
from tests.providers.simulators import Dropbox as Api
from tests.providers.simulators import wait_for
from tests.storages import PIECE_BYTES


@pytest.fixture
def provider():
    return "dropbox"


def test_the_folders_above_are_made_with_what_is_in_them(account, storage, folder):
    assert storage.create_folder(f"{folder}/a/b")
    assert put(storage, f"{folder}/c/d") == "uploaded"

    assert account.folders(folder) == {f"{folder}/a", f"{folder}/a/b", f"{folder}/c"}


def test_a_file_in_the_place_of_a_folder_above_is_told(storage, folder):
    put(storage, f"{folder}/file")

    for ask in (
        lambda: storage.create_folder(f"{folder}/file/below"),
        lambda: put(storage, f"{folder}/file/below"),
        lambda: storage.find(f"{folder}/file"),
    ):
        with pytest.raises(StorageRefused, match=r"^NameTaken: "):
            ask()


@pytest.mark.parametrize("believed", [1, 3, 6], ids=["less", "more", "all but its end"])
def test_goes_on_from_where_dropbox_says(account, storage, folder, parts, believed):
    progress = account.begun(f"{folder}/long") | {"offset": believed * PIECE_BYTES}

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"

    assert account.arrived(f"{folder}/long") == LONG.sha256


@pytest.mark.parametrize(
    "body",
    [
        '{"error_summary": "too_many_requests/..", "error": {"reason":'
        ' {".tag": "too_many_requests"}, "retry_after": 7}}',
        "Too many requests",
    ],
    ids=["json", "text"],
)
def test_a_throttle_is_told_in_each_form(server, storage, folder, body):
    headers = {"Retry-After": "7"}
    server.set_faults({"action": "status", "status": 429, "headers": headers, "body": body})

    for ask in (lambda: storage.create_folder(folder), lambda: put(storage, f"{folder}/any")):
        with pytest.raises(Throttled) as raised:
            ask()
        assert raised.value.retry_after == 7


@pytest.mark.parametrize("document", [DOCUMENT, LONG], ids=["short", "long"])
def test_whoever_writes_beside_us_is_waited_for(server, storage, folder, parts, document):
    """Another app holds the account's lock for a second."""
    server.set_faults({"action": "delay", "path": "*by another app", "seconds": 1})
    other = Api(server)
    path = f"/{folder} by another app"
    beside = Thread(target=lambda: other.content("upload", b"any", path=path))
    beside.start()
    wait_for(lambda: server.fault_hits() == [1])
    progress: dict[str, Any] = {}
    began = time.time()

    with pytest.raises(Pause) as raised:
        storage.upload(f"{folder}/any", document, there=None, progress=progress)
    beside.join()

    assert 0 < raised.value.not_before - began < 30
    assert storage.upload(f"{folder}/any", document, there=None, progress=progress) == "uploaded"
