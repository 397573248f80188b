"""A period's folders are made once, parents first, and from where the last step left off."""

import pytest

from replication.storage.interface import Pause
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.unit.aws_errors import raises

from .entity_support import FOLDER

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
    assert output["cursor"]["tally"] == {"calls": 6, "create_folder_calls": 6, "folders": 6}


def test_folders_that_are_there_stay_and_count_as_requests_alone(entity):
    entity.set_up()
    entity.storage.folders += ["North", FOLDER]

    output = entity.step("create_folders")

    assert output["cursor"]["fresh"] is False
    assert output["cursor"]["tally"] == {"calls": 6, "create_folder_calls": 6, "folders": 4}


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


def test_a_folder_that_is_not_the_periods_may_have_been_there(entity):
    entity.set_up()
    entity.storage.folders += ["North"]

    assert entity.step("create_folders")["cursor"]["fresh"] is True


def test_a_lost_reply_to_a_second_try_leaves_it_to_the_next_step(entity):
    entity.set_up()
    bank = ("create_folder", f"{FOLDER}/Bank")
    lost = [raises(AmbiguousError("reply lost"))]
    entity.storage.after[bank] = [lambda: entity.storage.after.update({bank: lost}), *lost]

    first = entity.step("create_folders")
    second = entity.step("create_folders", first["cursor"])

    assert (first["status"], second["status"]) == ("more", "done")
    assert sorted(entity.storage.folders) == MADE
    assert second["cursor"]["fresh"] is False


def test_begins_again_where_somebody_has_removed_the_folders_above(entity):
    entity.set_up()
    bills = ("create_folder", f"{FOLDER}/Freight/Bills")
    entity.storage.before[bills] = [lambda: entity.storage.folders.remove(f"{FOLDER}/Freight")]

    output = entity.until_done("create_folders", None)

    assert output["status"] == "done"
    assert sorted(entity.storage.folders) == MADE
    assert output["cursor"]["fresh"] is False


def test_begins_again_once_and_then_says_that_a_folder_is_missing(entity):
    entity.set_up()
    gone = TransientError("FolderMissing", "the account's folder is not there")
    entity.storage.before["create_folder", "North"] = [raises(gone)]
    first = entity.step("create_folders")
    entity.storage.before["create_folder", "North"] = [raises(gone)]

    with pytest.raises(TransientError, match="FolderMissing"):
        entity.step("create_folders", first["cursor"])


def test_a_folder_that_leads_elsewhere_is_refused_without_its_name(entity):
    entity.set_up(folders=("Bank/../../Secret",))

    with pytest.raises(StorageRefused, match="correct its record") as refused:
        entity.step("create_folders")

    assert "Secret" not in str(refused.value)
    assert entity.storage.asked == []


def test_a_name_that_is_not_possible_is_noted_and_the_others_are_made(entity):
    entity.set_up(folders=("Bank", "Why?"))

    output = entity.step("create_folders")

    assert output["cursor"]["tally"]["illegal"] == 1
    assert f"{FOLDER}/Bank" in entity.storage.folders
    assert entity.noted() == {"conflicts": [], "illegal": ["Why?"]}


def test_an_entity_whose_own_name_is_not_possible_asks_for_nothing(entity):
    entity.set_up(folders=())
    entity.storage.not_possible = {"North": "any"}

    output = entity.step("create_folders")

    assert (output["status"], entity.storage.asked) == ("done", [])
    assert output["cursor"]["fresh"] is False
    assert entity.noted()["illegal"] == ["North", FOLDER, "Checklists"]


def test_a_dry_run_makes_nothing_and_counts_what_it_would(entity):
    entity.set_up(dry_run=True)

    output = entity.step("create_folders")

    assert entity.storage.asked == []
    assert output["cursor"]["tally"] == {"folders": 6}


def test_neither_logs_nor_says_the_name_of_a_folder(entity, capsys):
    entity.set_up(folders=("Divorce papers",))

    entity.storage.before["create_folder", f"{FOLDER}/Divorce papers"] = [raises(Pause(None))]

    entity.until_done("create_folders", None)

    assert len(entity.said) == 2
    assert "Divorce" not in str(entity.said)
    assert "Divorce" not in capsys.readouterr().out
