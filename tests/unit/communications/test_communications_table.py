"""Storing communications: nobody overwrites what they have not seen; lists hold what is open."""

from importlib import import_module

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import (
    FAILURE,
    ID,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_sms,
    any_unknown,
)


@pytest.fixture
def table(step):
    step("communications.requeue_overdue")
    return import_module("communications.communications_table")


@pytest.mark.parametrize(
    "record",
    [
        any_communication(),
        any_sms(template="case_update", fields={"name": "", "status": "ä\n"}, body=None),
        any_sending(),
        any_sent(),
        any_failed(redrives=2, redrive_run="run-1"),
        any_unknown(),
    ],
    ids=lambda record: f"{record.channel} {record.state}",
)
def test_reads_what_was_stored(table, record):
    assert table.create(record) is True

    assert table.get(ID) == record


def test_does_not_know_what_is_not_there(table):
    assert table.get("nobody") is None
    assert table.get_many(["nobody"]) == []


def test_stores_a_new_one_once(table):
    table.create(any_communication())

    assert table.create(any_sent()) is False

    assert table.get(ID) == any_communication()


def test_replaces_only_the_version_that_was_read(table):
    before = any_communication()
    table.create(before)

    assert table.replace(before, before.changed(None, tries=1)) is True
    assert table.replace(before, before.changed(None, tries=9)) is False

    assert table.get(ID).tries == 1


def test_applies_a_rule_again_to_what_somebody_faster_left(table, around, intercept):
    table.create(any_communication())
    intercept("PutItem", before=lambda: around.put(any_communication(version=5, tries=3)))

    after = table.change(ID, lambda found: found.changed(None, tries=found.tries + 1))

    assert (after.tries, after.version) == (4, 6)
    assert table.get(ID) == after


def test_stores_nothing_where_the_rule_finds_nothing_to_do(table):
    table.create(any_communication())

    assert table.change(ID, lambda _: None) is None

    assert table.get(ID) == any_communication()


def test_gives_up_for_now_where_others_keep_changing_it(table, around):
    table.create(any_communication())

    def rule(found):
        around.put(found.changed(None))
        return found.changed(None)

    with pytest.raises(TransientError, match="Conflict"):
        table.change(ID, rule)


def test_a_communication_that_was_deleted_meanwhile_is_a_fault(table):
    with pytest.raises(LookupError):
        table.change(ID, lambda found: found)


CALLS = {
    "PutItem": lambda table: table.create(any_communication()),
    "GetItem": lambda table: table.get(ID),
    "Query": lambda table: table.overdue("QUEUED", "9", 1),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_throttle_passes(table, intercept, operation):
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        CALLS[operation](table)


@pytest.mark.parametrize(
    ("record", "open_at"),
    [
        (any_communication(), "due_at"),
        (any_sending(), "due_at"),
        (any_failed(state="DEAD_LETTER"), "due_at"),
        (any_failed(), "created_at"),
        (any_unknown(), "created_at"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_what_is_open_is_found_by_its_state(table, around, record, open_at):
    around.put(record)

    item = around.item()
    assert (item["open_state"], item["open_at"]) == (record.state, getattr(record, open_at))
    assert "expires_at" not in item


@pytest.mark.parametrize("record", [any_sent(), any_communication(state="DISCARDED")])
def test_what_is_done_with_expires_and_is_in_no_list(table, around, record):
    around.put(record)

    assert {"open_state", "open_at"} & set(around.item()) == set()
    assert around.item()["expires_at"] > 0


def test_what_is_sent_again_expires_no_more(table, around):
    around.put(any_sent())
    table.change(ID, lambda found: found.changed(None, **FAILURE, sent=0))

    assert "expires_at" not in around.item()
    assert around.item()["open_state"] == "FAILED"


def test_knows_what_recipients_have_in_common(table, around):
    around.put(
        any_failed(communication_id="c1", recipient="John@Mail.Example.com"),
        any_failed(communication_id="c2", channel="sms", recipient="+4915112345678"),
    )

    found = table.every("FAILED", most=10, equal={})

    assert {one["communication_id"]: one["destination"] for one in found} == {
        "c1": "mail.example.com",
        "c2": "+491",
    }


def test_lists_no_text_of_a_message(table, around):
    around.put(any_failed(template="case_update", fields={"name": "any"}))

    [one] = table.every("FAILED", most=10, equal={})

    assert {"body", "subject", "fields", "history"} & set(one) == set()


@pytest.mark.parametrize("most", [0, 1, 5, 7, 9])
def test_reads_every_failure_up_to_a_number(table, around, most):
    around.put(*(any_failed(communication_id=f"c{number}") for number in range(7)))

    found = list(table.every("FAILED", most=most, equal={}))

    assert len({one["communication_id"] for one in found}) == min(most, 7)


def test_a_page_is_full_although_a_filter_leaves_much_out(table, around):
    around.put(
        *(
            any_failed(
                communication_id=f"c{number:02}",
                created_at=f"2026-03-02T10:{number:02}:00Z",
                error="Odd" if number % 3 == 0 else "Even",
            )
            for number in range(12)
        )
    )

    found, _ = table.page_of(
        "FAILED", created_from="0", created_to="9", equal={"error": "Odd"}, limit=3
    )

    assert [one["communication_id"] for one in found] == ["c09", "c06", "c03"]
