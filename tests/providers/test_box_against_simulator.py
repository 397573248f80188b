"""What only Box does: ids of folders, and parts that it processes and removes."""

import time
from typing import Any

import pytest

from replication.storage import box
from replication.storage.interface import Pause
from tests.providers.accounts import DOCUMENT, LONG, put
from tests.providers.simulators import Box as Api
from tests.storages import Purse


@pytest.fixture
def provider():
    return "box"


def test_another_process_finds_the_folders_by_listing_those_above(account, storage, folder, purse):
    storage.create_folder(f"{folder}/a")
    storage.create_folder(f"{folder}/a/b")
    other = account.open(purse)
    purse.spent.clear()

    assert put(other, f"{folder}/A/b/c.txt") == "uploaded"
    assert put(other, f"{folder}/A/b/d.txt") == "uploaded"

    assert purse.spent == ["find"] * 3 + ["upload"] * 2
    assert account.arrived(f"{folder}/a/b/d.txt") == DOCUMENT.sha256


def test_a_folder_that_was_made_again_meanwhile_is_found(account, server, storage, folder):
    storage.create_folder(f"{folder}/a")
    api = Api(server)
    items = api.ask("GET", f"/2.0/folders/{account.location}/items?limit=1000").json()["entries"]
    [before] = [item["id"] for item in items if item["name"] == folder]
    api.ask("DELETE", f"/2.0/folders/{before}?recursive=true")
    after = api.make_folder(folder, account.location).json()["id"]
    api.make_folder("a", after)

    assert put(storage, f"{folder}/a/b") == "uploaded"

    assert account.arrived(f"{folder}/a/b") == DOCUMENT.sha256


def test_goes_on_with_the_parts_of_all_pages(account, folder, parts, monkeypatch):
    progress, purse = account.begun(f"{folder}/long", 5), Purse()
    monkeypatch.setattr(box, "_ITEMS_AT_ONCE", 2)

    came_of_it = account.open(purse).upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert came_of_it == "uploaded"
    assert purse.counts() == {"find": 3, "upload": 2}
    assert account.arrived(f"{folder}/long") == LONG.sha256


def test_a_file_that_is_not_ready_yet_is_committed_later(account, server, storage, folder, parts):
    server.set_limits({"processing_seconds": 2})
    progress: dict[str, Any] = {}
    try:
        with pytest.raises(Pause) as raised:
            storage.upload(f"{folder}/long", LONG, there=None, progress=progress)
    finally:
        server.set_limits({"processing_seconds": 0})

    assert 0 < raised.value.not_before - time.time() <= 3
    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"
    assert account.arrived(f"{folder}/long") == LONG.sha256


def test_the_parts_are_removed_where_somebody_was_faster(account, storage, folder, purse, parts):
    progress = account.begun(f"{folder}/long")
    put(storage, f"{folder}/long")

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=dict(progress)) == "conflict"

    assert purse.spent[-1] == "find"
    with pytest.raises(box.NotThere):
        list(storage._parts_that_are_there(progress))
