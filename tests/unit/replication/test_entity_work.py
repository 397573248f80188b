"""How long a step works on an entity, what ends it, and what it says."""

import sys
import time

import pytest

from replication.storage.interface import Pause, Throttled
from shared.errors import AmbiguousError, StorageRefused, TransientError
from shared.times import parse_time
from tests.unit.aws_errors import fails_with, raises

from .entity_support import FOLDER
from .factories import any_batch, any_replication, refs, started

MODULE = "replication.upload_folders"
"""The step that needs most: all three find what it uses."""

STEPS = ("create_folders", "apply_templates", "upload_folders")
FAR = 4_102_444_800.25
"""A quarter of a second into the year 2100."""


def before(entity, folder, *happenings):
    entity.storage.before["create_folder", folder] = list(happenings)


def put(entity, name, content=b"any"):
    entity.around.put_document(f"documents/1003/north/{name}", content)


# --- whether it still should


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("state", ["PAUSED", "CANCELLED", "FINISHED", "FAILED"])
def test_stops_where_the_replication_does_not_go_on(entity, name, state):
    entity.set_up()
    put(entity, "Bank/a.pdf")
    entity.around.put(any_replication(state=state))

    output = entity.step(name, {"stage": name, "position": None})

    assert output["status"] == "stopped"
    assert entity.storage.asked == []
    assert entity.around.document_keys() == ["documents/1003/north/Bank/a.pdf"]


def test_goes_on_while_a_retry_of_others_is_planned(entity):
    entity.set_up()
    entity.around.put(any_replication(state="PLANNING", plan=2))

    assert entity.step("create_folders")["status"] == "done"


@pytest.mark.parametrize("changed", [{"attempt": 2}, {"open": None}])
def test_stops_where_another_worker_has_the_batch_or_it_has_ended(entity, changed):
    entity.set_up()
    entity.around.put(started(any_batch(entities=refs("north")), **changed))

    assert entity.step("create_folders")["status"] == "stopped"
    assert entity.storage.asked == []


@pytest.mark.parametrize(("seconds", "made"), [(4, 6), (5, 2)])
@pytest.mark.parametrize("attempt", [True, False], ids=["another worker", "paused"])
def test_notices_within_seconds_that_it_should_not_go_on(entity, seconds, made, attempt):
    entity.set_up()
    entity.now = time.time()
    batch = started(any_batch(entities=refs("north")), attempt=2)
    changed = batch if attempt else any_replication(state="PAUSED")
    before(entity, FOLDER, lambda: entity.around.put(changed), entity.passes(seconds))

    entity.step("create_folders")

    assert len(entity.storage.folders) == made


def test_goes_on_behind_a_stop_where_it_was(entity):
    entity.set_up()
    before(entity, f"{FOLDER}/Bank", raises(Pause(None)))
    first = entity.step("create_folders")
    entity.around.put(any_replication(state="PAUSED"))
    stopped = entity.step("create_folders", first["cursor"])
    entity.around.put(any_replication())
    asked = entity.storage.of("create_folder")

    output = entity.step("create_folders", stopped["cursor"])

    assert output["status"] == "done"
    left = entity.storage.of("create_folder")[len(asked) :]
    assert set(left).isdisjoint({"North", FOLDER})
    assert output["cursor"]["tally"]["folders"] == 6


def test_asks_for_another_execution_before_the_history_is_full(entity):
    entity.set_up()
    before(entity, f"{FOLDER}/Bank", raises(Pause(None)))

    first = entity.step("create_folders", {"steps": 299})
    over = entity.step("create_folders", first["cursor"])
    asked = len(entity.storage.asked)
    last = entity.step("create_folders", over["cursor"])

    assert (first["status"], first["cursor"]["steps"]) == ("more", 300)
    assert over == {"status": "over", "cursor": first["cursor"] | {"steps": 0}}
    assert asked == 4
    assert (last["status"], last["cursor"]["steps"]) == ("done", 1)


def test_another_execution_is_done_at_once_with_what_lies_behind(entity):
    entity.set_up()
    cursor = {"stage": "upload_folders", "position": None}

    for name in STEPS[:2]:
        assert entity.step(name, cursor) == {"status": "done", "cursor": cursor}
    assert entity.storage.asked == []


def test_each_stage_begins_at_its_own_beginning(entity):
    entity.set_up()

    entity.all_steps()

    stages = [(said["cursor"]["stage"], said["cursor"]["position"]) for said in entity.said[:2]]
    assert stages == [("apply_templates", None), ("upload_folders", None)]
    assert [said["cursor"]["steps"] for said in entity.said] == [1, 2, 3]


@pytest.mark.parametrize("item", ["customer", "entity#north"])
@pytest.mark.parametrize("name", STEPS)
def test_says_what_to_do_where_an_entity_or_its_customer_is_gone(entity, name, item):
    entity.set_up()
    entity.around.cloud.dynamodb.delete_item(
        TableName=entity.around.cloud.name("CustomersTable"),
        Key={"customer_id": {"S": "1003"}, "item": {"S": item}},
    )

    with pytest.raises(StorageRefused, match=r"EntityRemoved: .* or add it again and retry"):
        entity.step(name, {"stage": name, "position": None})


# --- how long it works


def test_ends_after_what_it_is_at_when_its_time_is_up(entity):
    entity.set_up()
    entity.now = time.time()
    before(entity, FOLDER, entity.passes(241))

    output = entity.step("create_folders")

    assert (output["status"], output["cursor"]["position"]) == ("more", 2)
    assert entity.storage.folders == ["North", FOLDER]
    assert entity.until_done("create_folders", output["cursor"])["cursor"]["fresh"] is True


def test_goes_on_for_as_long_as_it_has_time(entity):
    entity.set_up()
    entity.now = time.time()
    before(entity, FOLDER, entity.passes(239))

    assert entity.step("create_folders")["status"] == "done"


def test_documents_and_templates_wait_for_the_next_step_too(entity):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))
    entity.now = time.time()
    put(entity, "Bank/a.pdf")
    put(entity, "Bank/b.pdf")
    output = entity.step("create_folders")
    for name in ("a", "b"):
        path = ("upload", f"{FOLDER}/Bank/{name}.pdf")
        entity.storage.before[path] = [entity.passes(300)]

    output = entity.until_done("apply_templates", output["cursor"])
    output = entity.until_done("upload_folders", output["cursor"])

    assert [said["status"] for said in entity.said] == ["done", "done", "more", "more", "done"]
    assert output["cursor"]["tally"]["uploaded"] == 4


def test_a_short_refusal_is_waited_for_within_the_step(entity, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)

    def all_waits_are_short():
        monkeypatch.setattr(sys.modules["replication.meter"], "LONGEST_SLEEP", 60.0)

    entity.set_up()
    before(entity, "North", all_waits_are_short, raises(Throttled("429", 30.0)))

    output = entity.step("create_folders")

    assert output["status"] == "done"
    assert len(entity.storage.folders) == 6
    assert 25 < slept[0] < 35
    assert (output["cursor"]["tally"]["throttled"], output["cursor"]["tally"]["calls"]) == (1, 7)
    assert output["cursor"]["fresh"] is True


def test_a_long_refusal_is_waited_for_by_the_machine(entity):
    entity.set_up()
    before(entity, FOLDER, raises(Throttled("429", 600.0)))
    begun = time.time()

    output = entity.step("create_folders")

    not_before = parse_time(output["not_before"]).timestamp()
    assert output["status"] == "wait"
    assert begun + 600 <= not_before <= time.time() + 610
    assert output["cursor"]["position"] == 1
    assert 590_000 <= output["cursor"]["tally"]["waited_ms"] <= 610_000
    assert "fresh" not in output["cursor"]


def test_a_wait_is_rounded_up_to_the_second(entity):
    entity.set_up()
    before(entity, "North", raises(Pause(FAR)))

    output = entity.step("create_folders")

    assert (output["status"], output["not_before"]) == ("wait", "2100-01-01T00:00:01Z")


def test_a_wait_that_is_over_is_none(entity):
    entity.set_up()
    before(entity, "North", raises(Pause(time.time() - 1)))

    output = entity.step("create_folders")

    assert output["status"] == "more"
    assert "not_before" not in output


# --- errors that pass, and others


@pytest.mark.parametrize("failure", [TransientError("HTTP502", "any"), AmbiguousError("lost")])
def test_an_error_that_passes_keeps_what_was_done_and_looks_from_then_on(entity, failure):
    entity.set_up()
    put(entity, "Bank/a.pdf")
    put(entity, "Bank/b.pdf")
    output = entity.step("create_folders")
    cursor = entity.step("apply_templates", output["cursor"])["cursor"]
    entity.storage.before["upload", f"{FOLDER}/Bank/b.pdf"] = [raises(failure)]

    first = entity.step("upload_folders", cursor)
    second = entity.step("upload_folders", first["cursor"])

    assert (first["status"], first["cursor"]["fresh"]) == ("more", False)
    assert entity.storage.of("find") == [f"{FOLDER}/Bank", f"{FOLDER}/Checklists"]
    assert second["cursor"]["tally"]["uploaded"] == 3


@pytest.mark.parametrize(
    ("failure", "code"),
    [(TransientError("HTTP502", "any"), "HTTP502"), (AmbiguousError("lost"), "Ambiguous")],
)
@pytest.mark.parametrize("name", ["create_folders", "upload_folders"])
def test_an_error_that_passes_is_raised_where_nothing_was_done(entity, name, failure, code):
    entity.set_up(templates=())
    put(entity, "Bank/a.pdf")
    cursor = None
    if name == "upload_folders":
        cursor = entity.step("apply_templates", entity.step("create_folders")["cursor"])["cursor"]
    failing = entity.storage.before
    request = ("create_folder", "North")
    if name == "upload_folders":
        request = ("upload", f"{FOLDER}/Bank/a.pdf")
    elif code == "Ambiguous":  # It is tried again at once: then a reply is lost once more.
        failing = entity.storage.after
        failing[request] = [lambda: failing.update({request: [raises(failure)]})]
    failing.setdefault(request, []).append(raises(failure))

    with pytest.raises(TransientError, match=f"^{code}: "):
        entity.step(name, cursor)


def test_an_error_of_aws_that_passes_is_one_too(entity, intercept):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))
    cursor = entity.step("create_folders")["cursor"]
    intercept("PutObject", before=fails_with("SlowDown", status=503), nth=2)

    first = entity.step("apply_templates", cursor)

    assert (first["status"], first["cursor"]["position"]) == ("more", 1)
    assert entity.step("apply_templates", first["cursor"])["status"] == "done"


def test_a_refusal_for_good_goes_to_the_machine_as_it_is(entity):
    entity.set_up()
    before(entity, f"{FOLDER}/Bank", raises(StorageRefused("StorageFull", "make room and retry")))

    with pytest.raises(StorageRefused, match=r"^StorageFull: make room and retry$"):
        entity.step("create_folders")


def test_what_is_in_the_way_is_noted_although_the_entity_fails(entity):
    entity.set_up(folders=("Why?", "Bank"))
    before(entity, f"{FOLDER}/Bank", raises(StorageRefused("StorageFull", "any")))

    with pytest.raises(StorageRefused, match="StorageFull"):
        entity.step("create_folders")

    assert entity.noted()["illegal"] == ["Why?"]


# --- what it counts


def test_counts_are_exact_sums_over_many_steps(entity):
    entity.set_up()
    put(entity, "Audit/a.pdf", b"12345")
    put(entity, "Bank/b.pdf", b"123")
    put(entity, "Bank/c.pdf", b"theirs")
    entity.storage.folders += ["North", FOLDER, f"{FOLDER}/Bank"]
    entity.storage.files |= {f"{FOLDER}/Bank/b.pdf": b"123", f"{FOLDER}/Bank/c.pdf": b"other"}
    before(entity, f"{FOLDER}/Bank", raises(Pause(None)))
    before(entity, f"{FOLDER}/Freight/Bills", raises(TransientError("HTTP502", "any")))
    for path in ("Audit/a.pdf", "Bank/c.pdf", "Checklists/Month-end checklist.csv"):
        entity.storage.before["upload", f"{FOLDER}/{path}"] = [raises(Pause(None))]

    cursor = None
    for name in STEPS:
        cursor = entity.until_done(name, cursor)["cursor"]

    tally = cursor["tally"]
    checklist = len(entity.storage.files[f"{FOLDER}/Checklists/Month-end checklist.csv"])
    counted = ("folders", "uploaded", "identical", "conflicts", "bytes")
    assert [tally[one] for one in counted] == [4, 2, 1, 1, 5 + checklist]
    assert tally["calls"] == len(entity.storage.asked)
    assert [said["status"] for said in entity.said].count("more") == 5
    assert not {"illegal", "throttled"} & set(tally)


# --- the sample events


@pytest.mark.parametrize("name", STEPS)
def test_takes_its_sample_event(entity, event_of, name):
    entity.set_up()
    given = event_of(f"replication.{name}")
    cursor = given["cursor"]

    output = entity.step(name, cursor)

    assert set(given) == {
        *("replication_id", "provider", "batch", "attempt", "position"),
        *("customer_id", "entity_id", "period", "dry_run", "cursor"),
    }
    assert output["status"] == "done"
