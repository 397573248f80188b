"""An entity's folders and documents at Google Drive, under ids that its steps have noted before."""

import json
from typing import Any

import pytest

from replication.storage import drive, drive_keys
from replication.storage.interface import Pause
from shared.errors import AmbiguousError, TransientError
from tests.providers import cloud_drives
from tests.providers.accounts import CONTENT, DOCUMENT, Account
from tests.storages import BytesDocument, Purse

OTHER = BytesDocument(CONTENT[::-1])
INSIDE = ("Bank", "Freight", "Freight/Bills")


@pytest.fixture
def provider():
    return "drive"


class Entity:
    """An entity at a customer's account; each process sees it with nothing remembered."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.name = account, name
        self.folders = [name, f"{name}/2026-12", *(f"{name}/2026-12/{one}" for one in INSIDE)]
        self.bank = self.folders[2]
        self.notes: dict[str, Any] = {}
        self._anybody = cloud_drives.Drive(account.server)

    def process(self, notes: dict[str, Any] | None = None) -> "Process":
        """One that goes on with what the last step has noted, or with other notes."""
        return Process(self, self.notes if notes is None else notes)

    def id(self, folder: str) -> str:
        """Of the one folder or document at a path."""
        place = self.account.location
        for name in folder.split("/"):
            [place] = [one["id"] for one in self._below(place) if one["name"] == name]
        return place

    def names(self, folder: str) -> list[str]:
        """Of all that is in a folder and not in the trash, twice where it is there twice."""
        place = self.id(folder) if folder else self.account.location
        return sorted(one["name"] for one in self._below(place))

    def throw_away(self, path: str) -> None:
        where = f"/files/{self.id(path)}"
        assert self._anybody.ask("PATCH", where, json={"trashed": True}).ok

    def remove(self, path: str) -> None:
        assert self._anybody.ask("DELETE", f"/files/{self.id(path)}").ok

    def _below(self, place: str) -> list[dict[str, str]]:
        query = {"q": f"'{place}' in parents and trashed = false", "pageSize": 1000}
        found: list[dict[str, str]] = self._anybody.ask("GET", "/files", params=query).json()[
            "files"
        ]
        return found


class Process:
    """A step: what it notes is kept where it ends, and not where it is killed."""

    def __init__(self, entity: Entity, notes: dict[str, Any]) -> None:
        self.entity, self.purse = entity, Purse()
        self.notes = json.loads(json.dumps(notes))
        self.storage = entity.account.open(self.purse)
        self.storage.go_on(entity.folders, self.notes)

    def ends(self) -> None:
        self.entity.notes = self.notes

    def make(self, *folders: str) -> list[bool]:
        return [self.storage.create_folder(folder) for folder in folders or self.entity.folders]

    def put(self, name: str, document: Any = DOCUMENT) -> str:
        progress: dict[str, Any] = {}
        path = f"{self.entity.bank}/{name}"
        came_of_it: str = self.storage.upload(path, document, there=None, progress=progress)
        return came_of_it


@pytest.fixture
def entity(account, request):
    return Entity(account, request.node.name)


@pytest.fixture
def noted(entity):
    """An entity whose ids are noted, and nothing made."""
    process = entity.process()
    with pytest.raises(Pause):
        process.make()
    process.ends()
    return entity


@pytest.fixture
def made(noted):
    """An entity with all of its folders."""
    process = noted.process()
    assert process.make() == [True] * 5
    process.ends()
    return noted


def test_nothing_is_made_before_the_ids_are_noted(entity):
    process = entity.process()

    with pytest.raises(Pause):
        process.make()

    assert entity.name not in entity.names("")
    assert process.purse.counts() == {"verify": 1}


def test_each_takes_one_request_whichever_process_makes_it(noted):
    first = noted.process()
    first.make()
    first.ends()
    second = noted.process()
    for name in ("a.pdf", "b.pdf"):
        assert second.put(name) == "uploaded"

    # It is looked for the entity's folder: whatever is below is new.
    assert first.purse.counts() == {"find": 1, "create_folder": 5}
    assert second.purse.counts() == {"upload": 2}
    assert noted.names(noted.bank) == ["a.pdf", "b.pdf"]


def test_a_step_that_runs_twice_makes_nothing_twice(noted):
    noted.process().make()

    again = noted.process()
    assert again.make() == [True] * 5
    again.ends()
    noted.process().put("a.pdf")
    assert noted.process().put("a.pdf") == "uploaded"

    assert noted.names(noted.folders[1]) == ["Bank", "Freight"]
    assert noted.names(noted.bank) == ["a.pdf"]


def test_two_that_do_the_same_step_at_once_make_nothing_twice(noted):
    one, other = noted.process(), noted.process()
    for folder in noted.folders:
        assert one.make(folder) == [True]
        assert other.make(folder) == [True]
    one.ends()
    one, other = noted.process(), noted.process()
    for name in ("a.pdf", "b.pdf"):
        assert other.put(name) == "uploaded"
        assert one.put(name) == "uploaded"

    assert noted.names(noted.folders[1]) == ["Bank", "Freight"]
    assert noted.names(noted.bank) == ["a.pdf", "b.pdf"]


def test_lost_replies_make_nothing_twice(noted, server):
    server.set_faults(
        {"action": "lose_reply", "kind": "create_folder", "times": 2},
        {"action": "lose_reply", "kind": "upload", "times": 1},
    )

    with pytest.raises(AmbiguousError):
        noted.process().make()
    process = noted.process()
    assert process.make() == [True] * 5
    assert process.put("a.pdf") == "uploaded"

    assert noted.names("").count(noted.name) == 1
    assert noted.names(noted.bank) == ["a.pdf"]


def test_an_entity_that_had_the_period_is_looked_at(made):
    other = Entity(made.account, made.name)
    with pytest.raises(Pause):
        (process := other.process()).make()
    process.ends()
    made.process().put("a.pdf")

    process = other.process()
    assert process.make() == [False] * 5
    assert process.put("a.pdf") == "identical"
    assert process.put("b.pdf") == "uploaded"

    assert process.purse.counts()["find"] > 5
    assert other.names(other.folders[1]) == ["Bank", "Freight"]
    assert other.names(other.bank) == ["a.pdf", "b.pdf"]


def test_notes_that_are_lost_cost_requests_alone(made):
    made.process().put("a.pdf")

    process = made.process(notes={"keys": {}, "spare": []})
    assert process.make() == [False] * 5
    assert process.put("a.pdf") == "identical"
    assert process.put("b.pdf") == "uploaded"

    assert made.names(made.bank) == ["a.pdf", "b.pdf"]


def test_documents_in_another_order_are_looked_for(made):
    """A step is done once more, and meanwhile somebody has stored one that comes first."""
    first = made.process()
    assert [first.put(name) for name in ("b.pdf", "c.pdf")] == ["uploaded"] * 2

    again = made.process()
    came_of_them = [again.put("a.pdf", OTHER), *(again.put(name) for name in ("b.pdf", "c.pdf"))]

    assert came_of_them == ["uploaded", "identical", "identical"]
    assert made.names(made.bank) == ["a.pdf", "b.pdf", "c.pdf"]
    again.ends()
    assert made.process().put("d.pdf") == "uploaded"


def test_a_folder_that_somebody_has_thrown_away_is_made_again(made):
    made.throw_away(made.bank)

    process = made.process()
    with pytest.raises(TransientError, match="FolderMissing"):
        process.put("a.pdf")
    assert process.make(made.bank) == [True]
    assert process.put("a.pdf") == "uploaded"

    assert made.names(made.folders[1]) == ["Bank", "Freight"]
    assert made.names(made.bank) == ["a.pdf"]


def test_a_document_that_somebody_has_removed_for_good_is_sent_again(made):
    made.process().put("a.pdf")
    made.remove(f"{made.bank}/a.pdf")

    assert made.process().put("a.pdf") == "uploaded"

    assert made.names(made.bank) == ["a.pdf"]


def test_a_document_that_arrived_broken_is_sent_again(made, monkeypatch):
    sent = drive.Body
    with monkeypatch.context() as patched:
        patched.setattr(drive, "Body", lambda _, *place, **around: sent(OTHER, *place, **around))
        with pytest.raises(TransientError, match="ChecksumMismatch"):
            made.process().put("a.pdf")

    assert made.process().put("a.pdf") == "uploaded"

    assert made.names(made.bank) == ["a.pdf"]


def test_a_document_that_has_changed_since_it_was_sent_is_looked_for(made):
    made.process().put("a.pdf")
    progress = {"sha256": DOCUMENT.sha256, "id": "of what was sent"}

    storage = made.process().storage
    came_of_it = storage.upload(f"{made.bank}/a.pdf", OTHER, there=None, progress=progress)

    assert came_of_it == "conflict"
    assert made.names(made.bank) == ["a.pdf"]


def test_folders_beyond_those_that_are_noted_are_looked_for(entity, monkeypatch):
    monkeypatch.setattr(drive_keys, "MOST_NOTED", 4)
    process = entity.process()
    with pytest.raises(Pause):
        process.make()
    process.ends()
    assert entity.process().make() == [True] * 5

    assert entity.process().make() == [True] * 4 + [False]

    assert entity.names(entity.folders[3]) == ["Bills"]


def test_more_ids_are_noted_where_there_are_many_documents(noted, monkeypatch):
    monkeypatch.setattr(drive_keys, "DOCUMENTS_AHEAD", 2)
    process = noted.process(notes={})
    with pytest.raises(Pause):
        process.make()
    process.make()
    assert [process.put(name) for name in ("a.pdf", "b.pdf")] == ["uploaded"] * 2

    with pytest.raises(Pause):
        process.put("c.pdf")
    process.ends()
    assert noted.process().put("c.pdf") == "uploaded"

    assert noted.names(noted.bank) == ["a.pdf", "b.pdf", "c.pdf"]


def test_notes_hold_no_names(made):
    made.process().put("a.pdf")

    said = json.dumps(made.notes)

    assert not any(name in said for name in (made.name, "2026-12", "Bank", "Bills"))
