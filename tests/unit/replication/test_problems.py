"""What is in the way of an entity is noted once, and each batch's own."""

import importlib
import json

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises

MODULE = "replication.upload_folders"
NORTH = ("2026-12-all", "1003", "north", "webdav")


@pytest.fixture
def problems(load, around):
    load(MODULE)
    return importlib.import_module("replication.problems")


def test_an_entity_with_nothing_in_its_way_has_empty_lists(problems):
    assert problems.read_problems(*NORTH, 1) == {"conflicts": [], "illegal": []}


def test_adds_to_what_was_noted_and_keeps_each_path_once(problems):
    problems.note_problems(*NORTH, 1, [("conflicts", "Bank/a.pdf"), ("illegal", "Why?.pdf")])
    problems.note_problems(*NORTH, 1, [("conflicts", "Bank/a.pdf"), ("conflicts", "Bank/b.pdf")])

    found = problems.read_problems(*NORTH, 1)

    assert found == {"conflicts": ["Bank/a.pdf", "Bank/b.pdf"], "illegal": ["Why?.pdf"]}


def test_a_retry_is_another_batch_and_begins_with_nothing(problems):
    problems.note_problems(*NORTH, 1, [("illegal", "Why?.pdf")])
    problems.note_problems("2026-12-all", "1003", "north", "s3", 2, [("illegal", "What?.pdf")])

    assert problems.read_problems(*NORTH, 2) == {"conflicts": [], "illegal": []}


def test_others_have_their_own(problems):
    problems.note_problems(*NORTH, 1, [("illegal", "Why?.pdf")])

    for other in (
        ("2026-11-all", "1003", "north", "webdav"),
        ("2026-12-all", "1004", "north", "webdav"),
        ("2026-12-all", "1003", "south", "webdav"),
    ):
        assert problems.read_problems(*other, 1)["illegal"] == []


def test_keeps_so_many_paths_of_a_kind(problems):
    many = [("illegal", f"{number}?.pdf") for number in range(problems.MOST + 5)]
    problems.note_problems(*NORTH, 1, [*many, ("conflicts", "Bank/a.pdf")])

    found = problems.read_problems(*NORTH, 1)

    assert len(found["illegal"]) == problems.MOST
    assert found["conflicts"] == ["Bank/a.pdf"]


def test_lies_where_the_runbook_deletes_a_customers(problems, around):
    problems.note_problems(*NORTH, 12, [("conflicts", "Übersicht.pdf")])

    [key] = around.document_keys()
    assert key == "reports/2026-12-all/1003/north/webdav-12.json"
    assert json.loads(around.document(key)) == {"conflicts": ["Übersicht.pdf"], "illegal": []}


def test_a_failure_that_passes_is_not_taken_for_nothing(problems, intercept):
    intercept("GetObject", before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError):
        problems.note_problems(*NORTH, 1, [("illegal", "Why?.pdf")])


def test_another_failure_is_told_as_it_is(problems, intercept):
    refused = aws_error("AccessDenied", status=403)
    intercept("GetObject", before=raises(refused))

    with pytest.raises(type(refused)):
        problems.read_problems(*NORTH, 1)
