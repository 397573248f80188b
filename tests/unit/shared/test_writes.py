"""Writes that hold only under a condition."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises, reply_is_lost

WANTED = {"CustomersTable"}


@pytest.fixture
def wanted():
    return WANTED


@pytest.fixture
def writes(cloud):
    return import_module("shared.writes")


@pytest.fixture
def table(cloud):
    return cloud.name("CustomersTable")


def key(item):
    return {"customer_id": {"S": "1003"}, "item": {"S": item}}


def put(table, item="any", *, once=True):
    condition = {"ConditionExpression": "attribute_not_exists(customer_id)"} if once else {}
    return {"TableName": table, "Item": key(item)} | condition


def stored(cloud, table):
    return [item["item"]["S"] for item in cloud.dynamodb.scan(TableName=table)["Items"]]


def cancelled(*codes):
    error = aws_error("TransactionCanceledException")
    error.response["CancellationReasons"] = [{"Code": code} for code in codes]
    return raises(error)


# --- alone


def test_gives_the_reply_of_a_write_whose_condition_holds(writes, cloud, table):
    reply = writes.conditionally(lambda: cloud.dynamodb.put_item(**put(table)))

    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_gives_none_where_the_condition_does_not_hold(writes, cloud, table):
    cloud.dynamodb.put_item(**put(table))

    assert writes.conditionally(lambda: cloud.dynamodb.put_item(**put(table))) is None


@pytest.mark.parametrize("code", ["ThrottlingException", "TransactionConflictException"])
def test_what_passes_is_no_answer_to_the_condition(writes, cloud, table, intercept, code):
    intercept("PutItem", before=fails_with(code))

    with pytest.raises(TransientError, match=code):
        writes.conditionally(lambda: cloud.dynamodb.put_item(**put(table)))


def test_a_lost_reply_passes(writes, cloud, table, intercept):
    intercept("PutItem", after=reply_is_lost)

    with pytest.raises(TransientError):
        writes.conditionally(lambda: cloud.dynamodb.put_item(**put(table)))


def test_what_does_not_pass_is_raised_as_it_is(writes, cloud, intercept, table):
    intercept("PutItem", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDenied"):
        writes.conditionally(lambda: cloud.dynamodb.put_item(**put(table)))


# --- in a transaction


def test_does_all_parts(writes, cloud, table):
    assert writes.refused([{"Put": put(table, "a")}, {"Put": put(table, "b")}]) == []
    assert stored(cloud, table) == ["a", "b"]


def test_does_nothing_where_one_condition_does_not_hold_and_says_which(writes, cloud, table):
    cloud.dynamodb.put_item(**put(table, "b"))

    parts = [{"Put": put(table, name, once=name != "c")} for name in ("a", "b", "c")]

    assert writes.refused(parts) == [1]
    assert stored(cloud, table) == ["b"]


def test_names_all_conditions_that_do_not_hold(writes, cloud, table):
    for name in ("a", "b"):
        cloud.dynamodb.put_item(**put(table, name))

    assert writes.refused([{"Put": put(table, "a")}, {"Put": put(table, "b")}]) == [0, 1]


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_that_somebody_was_in_the_way_of_may_go_through_later(
    writes, table, intercept, reason
):
    intercept("TransactWriteItems", before=cancelled("None", reason))

    with pytest.raises(TransientError) as raised:
        writes.refused([{"Put": put(table)}])

    assert raised.value.code == writes.CANCELLED
    assert reason in str(raised.value)


def test_a_condition_says_more_than_whoever_was_in_the_way(writes, table, intercept):
    intercept(
        "TransactWriteItems", before=cancelled("TransactionConflict", "ConditionalCheckFailed")
    )

    assert writes.refused([{"Put": put(table)}]) == [1]


@pytest.mark.parametrize("reason", ["ValidationError", "ItemCollectionSizeLimitExceeded"])
def test_a_transaction_that_never_goes_through_is_raised_as_it_is(writes, table, intercept, reason):
    intercept("TransactWriteItems", before=cancelled("None", reason))

    with pytest.raises(ClientError, match="TransactionCanceled"):
        writes.refused([{"Put": put(table)}])


def test_a_transaction_that_is_denied_is_raised_as_it_is(writes, table, intercept):
    intercept("TransactWriteItems", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDenied"):
        writes.refused([{"Put": put(table)}])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_broken_connection_passes(writes, table, intercept, when):
    intercept("TransactWriteItems", **{when: reply_is_lost})

    with pytest.raises(TransientError):
        writes.refused([{"Put": put(table)}])
