"""A period's folders are made once, parents first, and from where the last step left off."""

import pytest

from replication.storage.interface import Pause, Throttled
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.unit.aws_errors import raises

from .entity_support import FOLDER
from .factories import any_batch, any_customer, any_entity, any_replication, refs, started

MODULE = "replication.upload_folders"
"""The step that needs most: all three find what it uses."""

MADE = [
    "North",
    FOLDER,
    f"{FOLDER}/Bank",
    f"{FOLDER}/Checklists",
    f"{FOLDER}/Freight",
    f"{FOLDER}/Freight/Bills",
]


def test_makes_every_folder_of_the_period_with_its_parents_first(entity):
    entity.set_up()

    output = entity.step("create_folders")

    assert sorted(entity.storage.folders) == MADE
    assert output["status"] == "done"
    assert output["cursor"]["stage"] == "apply_templates"
    assert output["cursor"]["fresh"] is True
    assert output["cursor"]["tally"] == {"calls": 6, "folders": 6}


def test_folders_that_are_there_stay_and_count_as_requests_alone(entity):
    entity.set_up()
    entity.storage.folders += ["North", FOLDER]

    output = entity.step("create_folders")

    assert output["cursor"]["fresh"] is False
    assert output["cursor"]["tally"] == {"calls": 6, "folders": 4}


def test_goes_on_from_its_cursor_when_its_time_was_up(entity):
    entity.set_up()
    entity.storage.before["create_folder", f"{FOLDER}/Bank"] = [raises(Pause(None))]

    first = entity.step("create_folders")
    assert first["status"] == "more"
    second = entity.step("create_folders", first["cursor"])

    assert second["status"] == "done"
    assert sorted(entity.storage.folders) == MADE
    assert entity.storage.of("create_folder").count("North") == 1
    assert second["cursor"]["fresh"] is True


def test_a_folder_whose_reply_was_lost_is_there_and_the_period_is_not_fresh(entity):
    entity.set_up()
    entity.storage.after["create_folder", FOLDER] = [raises(AmbiguousError("reply lost"))]

    output = entity.step("create_folders")

    assert output["status"] == "done"
    assert sorted(entity.storage.folders) == MADE
    assert output["cursor"]["fresh"] is False


def test_a_short_refusal_is_waited_for_within_the_step(entity, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    entity.set_up()
    entity.storage.before["create_folder", "North"] = [raises(Throttled("429", 1.0))]

    output = entity.step("create_folders")

    assert output["status"] in ("done", "wait")
    assert output["cursor"]["tally"]["throttled"] == 1


def test_a_long_refusal_is_waited_for_by_the_machine(entity):
    entity.set_up()
    entity.storage.before["create_folder", "North"] = [raises(Throttled("429", 600.0))]

    output = entity.step("create_folders")

    assert output["status"] == "wait"
    assert output["not_before"].endswith("Z")
    assert output["cursor"]["tally"]["waited_ms"] >= 599_000


def test_an_error_that_passes_keeps_what_was_made(entity):
    entity.set_up()
    failure = TransientError("HTTP502", "any")
    entity.storage.before["create_folder", f"{FOLDER}/Bank"] = [raises(failure)]

    output = entity.step("create_folders")

    assert output["status"] == "more"
    assert output["cursor"]["position"] == len(entity.storage.folders) > 1
    assert output["cursor"]["fresh"] is False


def test_an_error_that_passes_is_raised_where_nothing_was_made(entity):
    entity.set_up()
    entity.storage.before["create_folder", "North"] = [raises(TransientError("HTTP502", "any"))]

    with pytest.raises(TransientError, match="HTTP502"):
        entity.step("create_folders")


def test_a_refusal_for_good_goes_to_the_machine_as_it_is(entity):
    entity.set_up()
    entity.storage.before["create_folder", "North"] = [raises(StorageRefused("StorageFull", "any"))]

    with pytest.raises(StorageRefused, match="StorageFull"):
        entity.step("create_folders")


def test_a_name_that_is_not_possible_is_noted_and_the_others_are_made(entity):
    entity.set_up(folders=("Bank", "Why?"))

    output = entity.step("create_folders")

    assert output["cursor"]["tally"]["illegal"] == 1
    assert f"{FOLDER}/Bank" in entity.storage.folders
    noted = entity.around.document("reports/2026-12-all/1003/north.json").decode()
    assert "Why?" in noted


def test_a_dry_run_makes_nothing_and_counts_what_it_would(entity):
    entity.set_up(dry_run=True)

    output = entity.step("create_folders")

    assert entity.storage.asked == []
    assert output["cursor"]["tally"] == {"folders": 6}


# --- whether it still should


@pytest.mark.parametrize("state", ["PAUSED", "CANCELLED", "FINISHED"])
def test_stops_where_the_replication_does_not_go_on(entity, state):
    entity.set_up()
    entity.around.put(any_replication(state=state))

    output = entity.step("create_folders")

    assert output["status"] == "stopped"
    assert entity.storage.asked == []


@pytest.mark.parametrize("changed", [{"attempt": 2}, {"open": None}])
def test_stops_where_another_worker_has_the_batch(entity, changed):
    entity.set_up()
    entity.around.put(started(any_batch(entities=refs("north")), **changed))

    assert entity.step("create_folders")["status"] == "stopped"
    assert entity.storage.asked == []


def test_the_time_of_a_stop_counts_as_waited(entity):
    entity.set_up()
    entity.around.put(any_replication(state="PAUSED"))
    stopped = entity.step("create_folders")
    stopped["cursor"]["stopped_at"] -= 3600
    entity.around.put(any_replication())

    output = entity.step("create_folders", stopped["cursor"])

    assert output["status"] == "done"
    assert 3_600_000 <= output["cursor"]["tally"]["waited_ms"] < 3_700_000


def test_asks_for_another_execution_before_the_history_is_full(entity):
    entity.set_up()

    output = entity.step("create_folders", {"stage": "create_folders", "steps": 300, "position": 2})

    assert output["status"] == "over"
    assert (output["cursor"]["steps"], output["cursor"]["position"]) == (0, 2)
    assert entity.storage.asked == []


def test_is_done_at_once_where_an_execution_goes_on_behind_it(entity):
    entity.set_up()
    cursor = {"stage": "upload_folders", "position": None}

    assert entity.step("create_folders", cursor) == {"status": "done", "cursor": cursor}


@pytest.mark.parametrize(
    ("customer", "code"),
    [
        (any_customer(storage=None), "AccountMissing"),
        (None, "EntityRemoved"),
    ],
)
def test_says_what_to_do_where_a_customer_has_changed_since_the_plan(entity, customer, code):
    entity.set_up()
    around = entity.around
    if customer is not None:
        around.put_customer(customer, any_entity())
    else:
        key = {"customer_id": {"S": "1003"}, "item": {"S": "entity#north"}}
        around.cloud.dynamodb.delete_item(TableName=around.cloud.name("CustomersTable"), Key=key)

    with pytest.raises(StorageRefused, match=code):
        entity.step("create_folders")


def test_neither_logs_nor_says_the_name_of_a_folder(entity, capsys):
    entity.set_up(folders=("Divorce papers",))

    output = entity.step("create_folders")

    assert "Divorce" not in str(output)
    assert "Divorce" not in capsys.readouterr().out
