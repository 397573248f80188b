"""Storing communications: nobody overwrites what they have not seen; lists hold what is open."""

from importlib import import_module

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises

from .factories import (
    FAILURE,
    ID,
    NOW,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_sms,
    any_unknown,
    later,
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
def test_what_is_done_with_is_in_no_list_and_expires_so_long_after_that(
    table, around, record, monkeypatch
):
    monkeypatch.setattr(table, "now", lambda: later(days=100))

    around.put(record)

    assert {"open_state", "open_at"} & set(around.item()) == set()
    assert around.item()["expires_at"] == NOW.timestamp() + (100 + 400) * 86400


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

    found = table.every("FAILED", equal={})

    assert {one["communication_id"]: one["destination"] for one in found} == {
        "c1": "mail.example.com",
        "c2": "+491",
    }


def test_lists_no_text_of_a_message(table, around):
    around.put(any_failed(template="case_update", fields={"name": "any"}))

    [one] = table.every("FAILED", equal={})

    assert {"body", "subject", "fields", "history"} & set(one) == set()


# --- lists


def failures(count, **changed):
    """Failures, the oldest first."""
    return [
        any_failed(
            communication_id=f"c{number:02}",
            created_at=f"2026-03-02T10:{number:02}:00Z",
            error="Odd" if number % 3 == 0 else "Even",
            **changed,
        )
        for number in range(count)
    ]


def ids(found):
    return [one["communication_id"] for one in found]


@pytest.mark.parametrize("at_once", [1, 2, 3, 500])
def test_gives_every_failure_in_order_however_few_a_read_gives(table, around, monkeypatch, at_once):
    monkeypatch.setattr(table, "_READ_AT_ONCE", at_once)
    around.put(*failures(7), any_unknown(), any_communication(communication_id="waits"))
    expected = [f"c{number:02}" for number in range(7)]

    assert ids(table.every("FAILED", equal={})) == expected
    assert ids(table.every("FAILED", equal={}, latest_first=True)) == expected[::-1]
    assert ids(table.every("FAILED", equal={"error": "Odd"})) == ["c00", "c03", "c06"]
    assert ids(table.every("UNKNOWN", equal={})) == [ID]


def test_reads_no_further_than_somebody_listens(table, around, monkeypatch, intercept):
    monkeypatch.setattr(table, "_READ_AT_ONCE", 2)
    around.put(*failures(5))
    intercept("Query", before=fails_with("ThrottlingException"), nth=2)

    found = table.every("FAILED", equal={})

    assert [next(found)["communication_id"] for _ in range(2)] == ["c00", "c01"]


def page(table, limit, start=None, **equal):
    return table.page_of(
        "FAILED", created_from="0", created_to="9", equal=equal, limit=limit, start=start
    )


def pages(table, limit, **equal):
    """The ids of each page, to the end of the list."""
    found, start = [], None
    while True:
        some, start = page(table, limit, start, **equal)
        found.append(ids(some))
        if start is None:
            return found


@pytest.mark.parametrize("at_once", [1, 2, 3, 500])
def test_cuts_pages_out_of_what_it_reads(table, around, monkeypatch, at_once):
    monkeypatch.setattr(table, "_READ_AT_ONCE", at_once)
    around.put(*failures(6))

    for limit in (1, 2, 5, 6, 7):
        found = pages(table, limit)

        assert [one for some in found for one in some] == [f"c{n:02}" for n in range(5, -1, -1)]
        assert all(len(some) == limit for some in found[:-2])
        assert all(len(some) <= limit for some in found)


@pytest.mark.parametrize("at_once", [2, 500])
def test_a_page_is_full_although_a_filter_leaves_much_out(table, around, monkeypatch, at_once):
    monkeypatch.setattr(table, "_READ_AT_ONCE", at_once)
    around.put(*failures(12))

    assert pages(table, 3, error="Odd")[0] == ["c09", "c06", "c03"]


def test_a_page_that_costs_too_many_reads_is_short_with_more_to_come(table, around, monkeypatch):
    monkeypatch.setattr(table, "_READ_AT_ONCE", 1)
    around.put(*failures(12))

    found, following = page(table, 5, error="Odd")
    rest, end = page(table, 5, following, error="Odd")

    assert (ids(found), ids(rest)) == (["c09", "c06", "c03"], ["c00"])
    assert following["communication_id"] == {"S": "c02"}
    assert end is None


def test_every_read_is_of_one_size_whatever_the_page_is(table, around, asked_of):
    around.put(*failures(3))
    asked = asked_of("Query")

    for limit in (1, 2, 100):
        page(table, limit)

    assert {query["Limit"] for query in asked} == {500}


# --- many at once


def test_reads_many_by_their_ids_and_passes_over_what_is_not_there(table, around, asked_of):
    around.put(*failures(3))
    asked = asked_of("BatchGetItem")

    found = table.get_many(["c00", "nobody", "c02"])

    assert sorted(one.communication_id for one in found) == ["c00", "c02"]
    [request] = asked
    assert request["RequestItems"][table.COMMUNICATIONS_TABLE_NAME]["ConsistentRead"] is True


def test_nothing_of_nothing_is_asked_of_nobody(table, asked_of):
    asked = asked_of("BatchGetItem")

    assert table.get_many([]) == []

    assert asked == []


def test_what_the_table_did_not_come_to_is_asked_for_again(table, monkeypatch):
    unprocessed = {"Responses": {table.COMMUNICATIONS_TABLE_NAME: []}, "UnprocessedKeys": {"a": {}}}
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *_: unprocessed)

    with pytest.raises(TransientError, match="UnprocessedKeys"):
        table.get_many(["c00"])


# --- writes that are repeated


@pytest.fixture
def repeated(monkeypatch):
    """Repeat each write once, as the client does where the reply to the first was lost."""
    real = BaseClient._make_api_call

    def call(client, name, arguments):
        if name == "PutItem":
            real(client, name, arguments)
        return real(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


@pytest.mark.usefixtures("repeated")
def test_a_write_that_meets_itself_is_stored(table):
    before = any_communication()

    assert table.create(before) is True
    assert table.replace(before, before.changed(None, tries=1)) is True

    assert (table.get(ID).tries, table.get(ID).version) == (1, 2)


@pytest.mark.usefixtures("repeated")
def test_a_write_that_meets_itself_applies_a_rule_once(table):
    table.create(any_communication())
    applied = []

    def rule(found):
        applied.append(found)
        return found.changed(None, tries=found.tries + 1)

    assert table.change(ID, rule).tries == 1

    assert len(applied) == 1
    assert table.get(ID).version == 2


def test_a_write_that_meets_the_same_of_somebody_else_is_not_stored(table):
    before = any_communication()
    table.create(before)
    after = before.changed(None, tries=1)

    assert (table.replace(before, after), table.replace(before, after)) == (True, False)


def test_a_write_that_was_refused_is_a_fault(table, intercept):
    intercept("PutItem", before=raises(aws_error("AccessDeniedException")))

    with pytest.raises(ClientError, match="AccessDenied"):
        table.create(any_communication())


@pytest.fixture
def asked_of(monkeypatch):
    """What AWS is asked by an operation from now on."""

    def spy(operation):
        real, asked = BaseClient._make_api_call, []

        def call(client, name, arguments):
            if name == operation:
                asked.append(arguments)
            return real(client, name, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)
        return asked

    return spy
