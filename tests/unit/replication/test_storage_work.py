"""A step at a provider: whose account, what was granted, who writes, and what a folder comes to."""

import importlib
import json

import pytest

from replication.storage.interface import Pause
from shared.customers import StorageAccount
from shared.errors import StorageRefused, TransientError
from tests.unit.aws_errors import raises

from .entity_support import FOLDER
from .factories import any_customer, any_entity

MODULE = "replication.upload_folders"
"""The step that needs most: all three find what it uses."""

BANK = f"{FOLDER}/Bank"
SERVER = "server#cloud.example"
LIMIT = {"scope": "server", "rate": 100_000, "burst": 100, "published": True}
S3 = StorageAccount(provider="s3", location="books", secret_name="any")


def put(entity, *names):
    for name in names:
        entity.around.put_document(f"documents/1003/north/{name}", b"any")


def granted(entity):
    """How much was granted of the server's quota, by all that was given back."""
    governor = importlib.import_module("replication.governor")
    return round(governor.read_quotas("webdav")[SERVER].granted)


# --- whose account it is


@pytest.mark.parametrize("storage", [None, S3])
@pytest.mark.parametrize("name", ["create_folders", "upload_folders"])
def test_says_what_to_do_where_the_account_was_removed_or_moved(entity, storage, name):
    entity.set_up()
    put(entity, "Bank/a.pdf")
    entity.around.put_customer(any_customer(storage=storage), any_entity())

    with pytest.raises(StorageRefused, match=r"AccountMissing: .*: ask for the period again"):
        entity.step(name, {"stage": name, "position": None})

    assert entity.storage.asked == []


def test_uses_the_account_as_it_is_now(entity):
    entity.set_up()
    moved = any_customer().storage.model_copy(update={"location": "https://other.example/dav"})
    entity.around.put_customer(any_customer(storage=moved), any_entity())

    entity.step("create_folders")

    assert entity.storage.account == moved
    governor = importlib.import_module("replication.governor")
    assert list(governor.read_quotas("webdav")) == ["server#other.example"]


def test_connects_to_nobody_where_there_is_nothing_to_do(entity):
    entity.set_up(templates=())

    output = entity.step("upload_folders", {"stage": "upload_folders", "position": None})

    assert output["status"] == "done"
    assert (entity.storage.account, "grants" in output["cursor"]) == (None, False)


# --- what was granted


def test_what_was_granted_goes_on_to_the_next_step_and_is_used_there(entity):
    entity.set_up()
    entity.storage.before["create_folder", FOLDER] = [raises(Pause(None))]

    first = entity.step("create_folders")
    [carried] = first["cursor"]["grants"]
    before = granted(entity)
    second = entity.step("create_folders", first["cursor"])

    assert carried["left"] == before - 2 == 4
    assert second["status"] == "done"
    assert granted(entity) == second["cursor"]["tally"]["calls"] == 7
    assert second["cursor"]["grants"] == []


def test_what_a_client_notes_goes_from_step_to_step(entity):
    entity.set_up()
    entity.storage.before["create_folder", BANK] = [
        lambda: entity.storage.notes.update(any=1),
        raises(Pause(None)),
    ]

    first = entity.step("create_folders")
    entity.storage.notes = {}
    entity.step("create_folders", first["cursor"])

    assert entity.storage.notes == {"any": 1}


def test_goes_from_one_stage_to_the_next(entity):
    entity.set_up(templates=())
    put(entity, "Bank/a.pdf")
    entity.storage.before["create_folder", FOLDER] = [raises(Pause(None))]
    first = entity.step("create_folders")
    between = entity.step(
        "apply_templates", first["cursor"] | {"stage": "apply_templates", "position": None}
    )

    assert between["cursor"]["grants"] == first["cursor"]["grants"]


@pytest.mark.parametrize(
    ("dry_run", "happens"),
    [(True, []), (False, [raises(StorageRefused("StorageFull", "any"))])],
    ids=["done", "failed"],
)
def test_what_is_left_at_the_end_is_given_back(entity, dry_run, happens):
    entity.set_up(dry_run=dry_run, templates=(), folders=("Bank",))
    put(entity, "Bank/a.pdf", "Bank/b.pdf", "Bank/c.pdf", "Bank/d.pdf")
    cursor = entity.step("apply_templates", entity.step("create_folders")["cursor"])["cursor"]
    entity.storage.before["upload", f"{BANK}/a.pdf"] = happens
    calls = cursor["tally"].get("calls", 0)

    if happens:
        with pytest.raises(StorageRefused, match="StorageFull"):
            entity.step("upload_folders", cursor)
    else:
        assert "grants" not in entity.step("upload_folders", cursor)["cursor"]

    assert granted(entity) == len(entity.storage.asked) == calls + 1


# --- who writes


@pytest.fixture
def one_writer(entity):
    """Only one may write to the server at a time."""
    entity.limits = json.dumps({"webdav": [LIMIT | {"one_writer": True}]})
    entity.set_up(templates=())
    entity.load("replication.upload_folders")
    entity.leases = importlib.import_module("replication.leases")
    return entity


@pytest.mark.parametrize(
    ("happens", "error"),
    [
        (None, None),
        (Pause(None), None),
        (TransientError("HTTP502", "any"), TransientError),
        (StorageRefused("StorageFull", "any"), StorageRefused),
    ],
    ids=["done", "paused", "to be tried again", "failed"],
)
def test_lets_others_write_however_it_ends(one_writer, happens, error):
    held = []
    at_it = [lambda: held.append(one_writer.leases.ends_at("webdav", SERVER))]
    if happens is not None:
        at_it.append(raises(happens))
    one_writer.storage.before["create_folder", "North"] = at_it

    if error is None:
        one_writer.step("create_folders")
    else:
        with pytest.raises(error):
            one_writer.step("create_folders")

    assert held[0] is not None
    assert one_writer.leases.ends_at("webdav", SERVER) is None


def test_waits_while_somebody_else_writes(one_writer):
    one_writer.leases.acquire("webdav", SERVER, "somebody", 60, 4_102_444_800)

    output = one_writer.step("create_folders")

    assert (output["status"], output["not_before"]) == ("wait", "2100-01-01T00:01:00Z")
    assert one_writer.storage.asked == []


# --- what a folder and a document come to


@pytest.fixture
def work(entity):
    """An entity in the hands of a step."""
    entity.set_up()
    entity.step("create_folders")
    entity.storage.asked.clear()
    module = importlib.import_module("replication.storage_work")
    event = {"replication_id": "2026-12-all", "provider": "webdav", "batch": 1, "attempt": 1}
    event |= {"position": 0, "customer_id": "1003", "entity_id": "north"}
    event |= {"period": "2026-12", "dry_run": False, "cursor": None}
    return module.StorageWork(event, "North", any_customer(), any_entity(), {})


def test_a_folder_is_counted_where_it_was_made(work):
    assert (work.make_folder(BANK), work.make_folder(f"{FOLDER}/New")) == (False, True)
    assert work.counts["folders"] == 1


def test_a_name_that_is_not_possible_is_counted_and_noted(work):
    assert work.is_legal(BANK, "Bank")
    assert not work.is_legal(f"{FOLDER}/Why?", "Why?")
    assert not work.is_legal(None, "../Elsewhere")

    assert work.counts == {"illegal": 2}
    assert work.problems == [("illegal", "Why?"), ("illegal", "../Elsewhere")]


def test_a_document_has_a_place_unless_it_leads_elsewhere(work):
    assert work.place_of("bank/a.pdf") == f"{BANK}/a.pdf"
    assert work.problems == []
    for name in ("Bank/../../../a.pdf", "Bank/Why?.pdf"):
        assert work.place_of(name) is None
    assert [path for _, path in work.problems] == ["Bank/../../../a.pdf", "Bank/Why?.pdf"]
