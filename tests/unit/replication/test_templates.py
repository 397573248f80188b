"""Checklists and reconciliations, and what a spreadsheet makes of them."""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from replication.rules import templates
from replication.rules.due_dates import BusinessCalendar
from replication.rules.periods import Period
from replication.rules.templates import Checklist, Reconciliation, known, names, render
from tests.unit.template import REPOSITORY

DECEMBER, MARCH = Period.parse("2026-12"), Period.parse("2026-03")
OFFICE = BusinessCalendar()

CHECKLIST: dict[str, Any] = {
    "kind": "checklist",
    "title": "Any list",
    "folder": "Checklists",
    "file": "Any list",
    "tasks": [
        {"title": "Count", "role": "preparer", "due": {"rule": "last_business_day"}},
        {
            "title": "Look at the year",
            "role": "reviewer",
            "due": {"rule": "days_after_end", "days": 10, "shift": "next"},
            "months": [12],
        },
    ],
}
RECONCILIATION: dict[str, Any] = {
    "kind": "reconciliation",
    "title": "Any accounts",
    "folder": "Reconciliations",
    "file": "Any accounts",
    "lines": ["Balance per ledger", "Difference"],
    "prepare": {"rule": "business_days_after_end", "days": 3},
    "review": {"rule": "business_days_after_end", "days": 5},
}


def records(content: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


# --- the templates that there are


def test_there_are_the_templates_that_the_samples_name():
    samples = json.loads((REPOSITORY / "samples" / "customers.json").read_text())
    named = {name for entity in samples["entities"] for name in entity["templates"]}

    assert named
    assert named <= names()
    assert {"intercompany-reconciliation", "vat-return-checklist"} <= names()


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("name", sorted(names()))
def test_every_template_has_something_to_do_every_month_and_review_comes_last(name, month):
    template, period = known(name), Period(2026, month)

    if isinstance(template, Checklist):
        tasks = [task for task in template.tasks if task.counts_in(period)]
        dates = [task.due.due(period, OFFICE) for task in tasks]
        assert {task.role for task in tasks} == {"preparer", "reviewer"}
    else:
        dates = [rule.due(period, OFFICE) for rule in (template.prepare, template.review)]
    assert dates == sorted(dates)


def test_no_two_templates_make_the_same_document_or_write_a_folder_differently():
    paths = [render(known(name), "any", MARCH, OFFICE).path for name in names()]
    folders = {known(name).folder for name in names()}

    assert len({path.casefold() for path in paths}) == len(paths)
    assert len({folder.casefold() for folder in folders}) == len(folders)


@pytest.mark.parametrize("name", ["nothing", "", "../templates/month-end-checklist", "*"])
def test_says_which_templates_there_are_when_asked_for_another(name):
    with pytest.raises(LookupError, match=r"there is no template .*; there are bank-recon.*, vat-"):
        known(name)


# --- what a template may be


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a template and reads it."""
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    names.cache_clear()
    known.cache_clear()

    def write(given: dict[str, Any]) -> templates.Template:
        (tmp_path / "any.json").write_text(json.dumps(given))
        return known("any")

    yield write
    names.cache_clear()
    known.cache_clear()


def test_reads_templates_of_both_kinds(written):
    assert isinstance(written(CHECKLIST), Checklist)
    known.cache_clear()
    assert isinstance(written(RECONCILIATION), Reconciliation)


def task(**changed) -> dict[str, Any]:
    return CHECKLIST | {"tasks": [CHECKLIST["tasks"][0] | changed]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (CHECKLIST | {"kind": "poem"}, "'checklist', 'reconciliation'"),
        (CHECKLIST | {"lines": []}, "Extra inputs"),
        (CHECKLIST | {"tasks": []}, "at least 1"),
        (CHECKLIST | {"folder": "../elsewhere"}, "pattern"),
        (CHECKLIST | {"file": "a/b"}, "pattern"),
        (CHECKLIST | {"file": "a."}, "pattern"),
        (CHECKLIST | {"title": " "}, "pattern"),
        (RECONCILIATION | {"lines": []}, "at least 1"),
        (RECONCILIATION | {"prepare": {"rule": "soon"}}, "end_of_period"),
        (task(role="boss"), "'preparer' or 'reviewer'"),
        (task(months=[13]), "less than or equal to 12"),
        (task(months=[]), "at least 1"),
        (task(who="me"), "Extra inputs"),
    ],
)
def test_refuses_a_template_that_cannot_be(written, wrong, message):
    with pytest.raises(ValidationError, match=message):
        written(wrong)


# --- documents


def test_a_checklist_has_the_tasks_of_its_period_with_their_dates(written):
    path, content = render(written(CHECKLIST), "Malmö depot", DECEMBER, OFFICE)

    assert path == "Checklists/Any list.csv"
    assert content.decode("utf-8-sig").split("\r\n") == [
        "Any list,,,,,,",
        "Entity,Malmö depot,,,,,",
        "Period,2026-12,2026-12-01,2026-12-31,,,",
        ",,,,,,",
        "No.,Task,Role,Due on,Done on,Done by,Remarks",
        "1,Count,preparer,2026-12-31,,,",
        "2,Look at the year,reviewer,2027-01-11,,,",
        "",
    ]


def test_what_is_only_for_december_is_left_out_of_other_months(written):
    content = render(written(CHECKLIST), "any", MARCH, OFFICE).content

    assert [record[:2] for record in records(content)[5:]] == [["1", "Count"]]


def test_a_reconciliation_has_its_lines_and_who_signs_by_when(written):
    path, content = render(written(RECONCILIATION), "any", DECEMBER, OFFICE)

    assert path == "Reconciliations/Any accounts.csv"
    assert content.decode("utf-8-sig").split("\r\n")[4:] == [
        "No.,Line,Amount,Currency,Reference,Remarks",
        "1,Balance per ledger,,,,",
        "2,Difference,,,,",
        ",,,,,",
        ",Role,Due on,Done on,Done by,Remarks",
        ",preparer,2027-01-05,,,",
        ",reviewer,2027-01-07,,,",
        "",
    ]


def test_dates_are_those_of_the_entitys_calendar(written):
    calendar = BusinessCalendar(weekend=("friday", "saturday"), holidays="SE")

    content = render(written(RECONCILIATION), "any", DECEMBER, calendar).content

    assert records(content)[9][2] == "2027-01-05"  # Sunday 3, Monday 4, Tuesday 5 January
    assert (
        records(content)[10][2] == "2027-01-10"
    )  # Epiphany is the 6th, the weekend follows the 7th


@pytest.mark.parametrize("name", sorted(names()))
def test_the_same_template_makes_the_same_bytes_and_shows_umlauts(name):
    made = [render(known(name), "Malmö", DECEMBER, OFFICE).content for _ in range(2)]

    assert made[0] == made[1]
    assert made[0].startswith(b"\xef\xbb\xbf")
    assert made[0].count(b"\n") == made[0].count(b"\r\n") == len(records(made[0]))
    assert len({len(record) for record in records(made[0])}) == 1


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", '=cmd|"/c calc"!A1'],  # noqa: RUF001
)
def test_no_name_becomes_a_formula(name):
    content = render(known("bank-reconciliation"), name, DECEMBER, OFFICE).content

    assert records(content)[1][1] == f"'{name}"


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_whatever_an_entity_is_called_stays_in_one_cell(name):
    content = render(known("bank-reconciliation"), name, DECEMBER, OFFICE).content

    assert len(records(content)) == 17
    assert records(content)[1][1] in (name, f"'{name}")
    for record in records(content):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in record)
