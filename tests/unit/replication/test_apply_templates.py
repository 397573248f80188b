"""Checklists and reconciliations of the period lie in our bucket, the same bytes each time."""

import csv
import time
from datetime import date

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

MODULE = "replication.upload_folders"
"""The step that needs most: all three find what it uses."""

PREFIX = "periods/2026-12-all/1003/north/"
CHECKLIST = "Checklists/Month-end checklist.csv"
BEGUN = {"stage": "apply_templates", "position": None, "tally": {}}


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


CALENDARS = {
    "plain": {},
    "closed": {"closed_on": ("2027-01-04", "2027-01-05", "2027-01-06")},
    "with holidays": {"holidays": "DE-BY"},
    "no mondays": {"weekend": ("sunday", "monday")},
}


def test_due_dates_keep_the_entitys_own_calendar(entity):
    due = {}
    for name, calendar in CALENDARS.items():
        entity.set_up(**calendar)
        entity.step("apply_templates", BEGUN)
        rows = csv.reader(csv_of(entity, CHECKLIST).splitlines())
        due[name] = [row[3] for row in rows if row and row[0].isdigit()]

    assert len({tuple(dates) for dates in due.values()}) == 4
    assert "2027-01-05" in due["plain"]
    assert not set(CALENDARS["closed"]["closed_on"]) & set(due["closed"])
    assert "2027-01-06" not in due["with holidays"]  # Epiphany, in Bavaria.
    weekdays = {date.fromisoformat(one).weekday() for one in due["no mondays"]}
    assert weekdays.isdisjoint({0, 6})


def test_makes_the_same_bytes_again_whenever_that_is(entity):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))
    made = []
    for _ in range(2):
        entity.step("apply_templates", BEGUN)
        made.append([entity.around.document(key) for key in entity.around.document_keys()])
        entity.now = 4_102_444_800.0

    assert made[0] == made[1]
    assert len(made[0]) == 2


def test_leaves_the_rest_to_the_next_step_when_its_time_is_up(entity, intercept):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))
    entity.now = time.time()
    intercept("PutObject", after=entity.passes(300))

    first = entity.step("apply_templates", BEGUN)
    made = entity.around.document_keys()
    second = entity.step("apply_templates", first["cursor"])

    assert (first["status"], second["status"]) == ("more", "done")
    assert made == [f"{PREFIX}{CHECKLIST}"]
    assert len(entity.around.document_keys()) == 2


def test_a_failure_that_passes_leaves_the_rest_to_the_next_step(entity, intercept):
    entity.set_up(templates=("month-end-checklist", "bank-reconciliation"))
    intercept("PutObject", before=fails_with("SlowDown", status=503), nth=2)

    first = entity.step("apply_templates", BEGUN)
    second = entity.step("apply_templates", first["cursor"])

    assert (first["status"], second["status"]) == ("more", "done")
    assert len(entity.around.document_keys()) == 2


def test_a_failure_that_passes_is_raised_where_nothing_was_made(entity, intercept):
    entity.set_up()
    intercept("PutObject", before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match="SlowDown"):
        entity.step("apply_templates", BEGUN)


def test_a_lost_reply_does_no_harm(entity, intercept):
    entity.set_up()
    intercept("PutObject", after=reply_is_lost)

    with pytest.raises(TransientError):
        entity.step("apply_templates", BEGUN)
    assert entity.step("apply_templates", BEGUN)["status"] == "done"
    assert entity.around.document_keys() == [f"{PREFIX}{CHECKLIST}"]


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

    assert entity.storage.account is None


def test_a_dry_run_makes_them_too_because_they_are_compared(entity):
    entity.set_up(dry_run=True)

    entity.step("apply_templates", BEGUN)

    assert entity.around.document_keys() == [f"{PREFIX}{CHECKLIST}"]


def test_neither_logs_nor_says_the_name_of_an_entity(entity, capsys):
    entity.set_up(name="Divorce of Mr Smith")

    entity.step("apply_templates", BEGUN)

    assert "Divorce of Mr Smith" in csv_of(entity, CHECKLIST)
    assert "Divorce" not in f"{entity.said} {capsys.readouterr().out}"
