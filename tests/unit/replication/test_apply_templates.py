"""Checklists and reconciliations of the period lie in our bucket, the same bytes each time."""

import pytest

MODULE = "replication.upload_folders"
"""The step that needs most: all three find what it uses."""

PREFIX = "periods/2026-12-all/1003/north/"
BEGUN = {"stage": "apply_templates", "position": None, "tally": {}, "began": 0.0}


def csv_of(entity, name):
    return entity.around.document(f"{PREFIX}{name}").decode("utf-8-sig")


def test_makes_each_template_of_the_entity(entity):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))

    output = entity.step("apply_templates", BEGUN)

    assert output["status"] == "done"
    assert output["cursor"]["stage"] == "upload_folders"
    assert entity.around.document_keys() == [
        f"{PREFIX}Checklists/Month-end checklist.csv",
        f"{PREFIX}Reconciliations/Bank reconciliation.csv",
    ]


def test_due_dates_keep_the_entitys_own_calendar(entity):
    found = {}
    for closed in ((), ("2027-01-04", "2027-01-05", "2027-01-06")):
        entity.set_up(closed_on=closed)
        entity.step("apply_templates", BEGUN)
        found[closed] = csv_of(entity, "Checklists/Month-end checklist.csv")

    open_dates, closed_dates = found.values()
    assert "2027-01-05" in open_dates
    assert "2027-01-05" not in closed_dates


def test_makes_the_same_bytes_again(entity):
    entity.set_up()
    entity.step("apply_templates", BEGUN)
    once = csv_of(entity, "Checklists/Month-end checklist.csv")

    entity.step("apply_templates", BEGUN)

    assert csv_of(entity, "Checklists/Month-end checklist.csv") == once


def test_goes_on_from_its_cursor(entity):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))

    entity.step("apply_templates", BEGUN | {"position": 1})

    assert entity.around.document_keys() == [f"{PREFIX}Reconciliations/Bank reconciliation.csv"]


def test_an_entity_without_templates_is_done(entity):
    entity.set_up(templates=())

    assert entity.step("apply_templates", BEGUN)["status"] == "done"
    assert entity.around.document_keys() == []


def test_an_unknown_template_is_an_error_that_says_which_there_are(entity):
    entity.set_up(templates=("moth-end-checklist",))

    with pytest.raises(LookupError, match="month-end-checklist"):
        entity.step("apply_templates", BEGUN)


def test_asks_no_provider_for_anything(entity):
    entity.set_up()

    entity.step("apply_templates", BEGUN)

    assert entity.storage.asked == []
