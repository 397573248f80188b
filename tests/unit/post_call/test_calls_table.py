"""The calls table: who may change a row, and what its index items say."""

import importlib

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises

from .calls import UPLOAD, put_call, query, row_of

MINE, OTHER = "arn:mine", "arn:other"
FAILURE = {
    "attempt": 1,
    "error": "AnyError",
    "cause": "any cause",
    "failed_state": "any_state",
    "failed_at": "2026-03-02T10:00:00Z",
}
OPTIONAL_COLUMNS = (
    "agent",
    "agent_sentiment",
    "agent_trend",
    "customer_id",
    "customer_sentiment",
    "customer_trend",
    "guid",
)
VANISHED = {
    "execution_arn": OTHER,
    "state": "PROCESSING",
    "attempt": 0,
    "lease_expires_at": "2026-03-02T09:59:59Z",
}


@pytest.fixture
def table(step):
    step("post_call.store_analysis")
    return importlib.import_module("post_call.calls_table")


def any_row(*categories: str, **changed: object) -> dict:
    return {
        "state": "ANALYSED",
        "created_at": "2026-03-02T09:14:05Z",
        "categories": list(categories),
    } | changed


def cancelled(*codes: str):
    error = aws_error("TransactionCanceledException")
    error.response["CancellationReasons"] = [{"Code": code} for code in codes]
    return raises(error)


def categories_of(cloud, call_id: str) -> set[str]:
    reply = cloud.dynamodb.query(
        TableName=cloud.name("CallsTable"),
        KeyConditionExpression="call_id = :id AND begins_with(#item, :prefix)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":id": {"S": call_id}, ":prefix": {"S": "category#"}},
    )
    return {item["category"]["S"] for item in reply["Items"]}


def test_nobody_knows_a_call_that_is_not_there(table):
    assert table.get_call("unknown") is None


def test_reads_the_last_write(table, cloud, monkeypatch):
    put_call(cloud, "c1", MINE)
    asked = []
    real = table.dynamodb().get_item
    monkeypatch.setattr(
        table.dynamodb(), "get_item", lambda **given: asked.append(given) or real(**given)
    )

    call = table.get_call("c1")

    assert (call["execution_arn"], call["attempt"]) == (MINE, 1)
    assert [given["ConsistentRead"] for given in asked] == [True]


def test_stores_row_and_categories_for_the_owner(table, cloud):
    put_call(cloud, "c1", MINE)

    assert table.store_analysed_call("c1", MINE, any_row("Complaint", "Refund"), {})

    assert row_of(cloud, "c1")["state"] == "ANALYSED"
    assert categories_of(cloud, "c1") == {"Complaint", "Refund"}


def test_takes_categories_out_of_the_index_that_the_call_no_longer_has(table, cloud):
    put_call(cloud, "c1", MINE)
    table.store_analysed_call("c1", MINE, any_row("Complaint", "Refund"), {})
    before = table.get_call("c1")

    table.store_analysed_call("c1", MINE, any_row("Refund", "Praise"), before)

    assert categories_of(cloud, "c1") == {"Refund", "Praise"}
    assert query(cloud, "by_category", "category", "Complaint") == []


def test_takes_every_category_out_when_none_is_left(table, cloud):
    put_call(cloud, "c1", MINE)
    table.store_analysed_call("c1", MINE, any_row("Complaint"), {})

    table.store_analysed_call("c1", MINE, any_row(), table.get_call("c1"))

    assert categories_of(cloud, "c1") == set()


def test_sorts_a_categorys_calls_by_when_they_took_place(table, cloud):
    for call_id, created_at in (("c1", "2026-03-03T00:00:00Z"), ("c2", "2026-03-02T00:00:00Z")):
        put_call(cloud, call_id, MINE)
        table.store_analysed_call(call_id, MINE, any_row("Refund", created_at=created_at), {})

    found = query(cloud, "by_category", "category", "Refund")

    assert [item["call_id"] for item in found] == ["c2", "c1"]


@pytest.mark.parametrize("owner", [OTHER, None])
def test_stores_nothing_for_a_stranger(table, cloud, owner):
    if owner:
        put_call(cloud, "c1", owner)

    assert not table.store_analysed_call("c1", MINE, any_row("Complaint"), {})

    assert categories_of(cloud, "c1") == set()
    assert (row_of(cloud, "c1") or {}).get("state") != "ANALYSED"


def test_takes_out_of_row_and_index_what_a_new_analysis_does_not_know(table, cloud):
    put_call(cloud, "c1", MINE)
    known = {name: f"any {name}" for name in OPTIONAL_COLUMNS}
    table.store_analysed_call("c1", MINE, any_row(**known), {})

    stored = table.store_analysed_call("c1", MINE, any_row(agent="DanaM"), table.get_call("c1"))

    row = row_of(cloud, "c1")
    assert stored
    assert {name: row[name] for name in known if name in row} == {"agent": "DanaM"}
    assert query(cloud, "by_customer", "customer_id", "any customer_id") == []
    assert {name: row[name] for name in UPLOAD} == UPLOAD


@pytest.mark.parametrize(
    "code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_that_met_another_is_tried_again(table, intercept, code):
    intercept("TransactWriteItems", before=cancelled("None", code))

    with pytest.raises(TransientError, match=code):
        table.store_analysed_call("c1", MINE, any_row("Complaint"), {})


def test_a_lost_claim_is_lost_whatever_else_cancelled_the_transaction(table, intercept):
    intercept("TransactWriteItems", before=cancelled("ConditionalCheckFailed", "ThrottlingError"))

    assert not table.store_analysed_call("c1", MINE, any_row("Complaint"), {})


@pytest.mark.parametrize("code", ["ValidationError", "ItemCollectionSizeLimitExceeded"])
def test_a_transaction_that_can_never_go_through_is_not_tried_again(table, intercept, code):
    intercept("TransactWriteItems", before=cancelled("None", code))

    with pytest.raises(ClientError, match="TransactionCanceledException"):
        table.store_analysed_call("c1", MINE, any_row("Complaint"), {})


def test_a_denied_write_is_no_lost_claim(table, intercept):
    intercept("TransactWriteItems", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDeniedException"):
        table.store_analysed_call("c1", MINE, any_row(), {})


def test_a_denied_failure_record_is_no_lost_claim(table, intercept):
    intercept("UpdateItem", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDeniedException"):
        table.record_failed_call("c1", MINE, FAILURE, unless_recorded=False)


@pytest.mark.parametrize(
    ("row", "unless_recorded", "recorded"),
    [
        (None, False, True),
        (None, True, True),
        ({"execution_arn": MINE, "state": "PROCESSING"}, False, True),
        ({"execution_arn": MINE, "state": "PROCESSING"}, True, True),
        ({"execution_arn": MINE, "state": "ANALYSED"}, False, True),
        ({"execution_arn": MINE, "state": "ANALYSED"}, True, True),
        ({"execution_arn": MINE, "state": "FAILED"}, True, False),
        ({"execution_arn": OTHER, "state": "PROCESSING", "attempt": 0}, False, False),
        ({"execution_arn": OTHER, "state": "PROCESSING", "attempt": 0}, True, False),
        (VANISHED, False, True),
        (VANISHED, True, True),
        (VANISHED | {"attempt": 1}, True, False),
        (VANISHED | {"state": "ANALYSED"}, True, False),
        ({"execution_arn": OTHER, "state": "ANALYSED", "attempt": 0}, True, False),
        ({"execution_arn": OTHER, "state": "FAILED", "attempt": 0}, False, True),
        ({"execution_arn": OTHER, "state": "FAILED", "attempt": 0}, True, True),
        ({"execution_arn": OTHER, "state": "FAILED", "attempt": 2}, False, False),
    ],
)
def test_records_a_failure_only_on_a_call_that_is_its_own_to_fail(
    table, cloud, row, unless_recorded, recorded
):
    if row:
        put_call(cloud, "c1", **row)
    before = row_of(cloud, "c1")

    told = table.record_failed_call("c1", MINE, FAILURE, unless_recorded=unless_recorded)

    after = row_of(cloud, "c1")
    assert told is recorded
    if recorded:
        assert (after["state"], after["error"], after["execution_arn"]) == (
            "FAILED",
            "AnyError",
            MINE,
        )
    else:
        assert after == before
