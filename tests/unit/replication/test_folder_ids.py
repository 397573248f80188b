"""For how long a folder's id is kept."""

import pytest

from replication.storage import folder_ids
from replication.storage.folder_ids import KEPT_SECONDS, MOST_NOTED, EntityFolderIds, FolderIds


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def ids(time):
    return FolderIds(time)


def test_an_id_is_kept_for_some_minutes(ids, time):
    ids.put("a/b", "17")

    time.now += KEPT_SECONDS - 1
    assert ids.get("a/b") == "17"
    time.now += 1
    assert ids.get("a/b") is None


def test_nothing_is_known_of_other_folders(ids):
    ids.put("a", "17")

    assert ids.get("a/b") is None
    ids.clear()
    assert ids.get("a") is None


def test_not_more_are_kept_than_a_process_has_room_for(ids, monkeypatch):
    monkeypatch.setattr(folder_ids, "MOST_KEPT", 3)

    for number in range(10):
        ids.put(str(number), "any")

    assert ids.get("9") == "any"
    assert len(ids._ids) <= 3


def of_entity(kept, noted):
    ids = EntityFolderIds(kept)
    ids.go_on(["a", "a/b"], noted)
    return ids


def test_what_one_process_has_noted_another_knows(ids, time):
    noted = {}
    of_entity(ids, noted).put("a/b", "17")

    time.now += KEPT_SECONDS
    another = of_entity(FolderIds(time), noted)

    assert another.get("a/b") == "17"
    assert another.get("a") is None


def test_no_more_are_noted_than_an_execution_may_carry(ids):
    folders = [f"folder {number}" for number in range(MOST_NOTED + 1)]
    noted = {}
    entity = EntityFolderIds(ids)
    entity.go_on(folders, noted)

    for folder in folders:
        entity.put(folder, f"id of {folder}")

    assert len(noted) == MOST_NOTED
    assert entity.get(folders[-1]) == f"id of {folders[-1]}"
    entity.put(folders[0], "another id")
    assert entity.get(folders[0]) == "another id"


def test_folders_of_others_are_kept_and_not_noted(ids):
    noted = {}
    of_entity(ids, noted).put("c", "17")

    assert noted == {}
    assert of_entity(ids, {}).get("c") == "17"


def test_notes_hold_no_names_and_are_forgotten_with_all_else(ids):
    noted = {}
    entity = of_entity(ids, noted)
    entity.put("a/b", "17")
    assert "a" not in noted
    assert "a/b" not in noted

    entity.clear()

    assert noted == {}
    assert entity.get("a/b") is None
