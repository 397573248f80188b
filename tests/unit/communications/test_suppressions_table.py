"""Who shall get no more messages: one entry for each address, which its key does not tell."""

import hashlib
from importlib import import_module

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import PHONE, RECIPIENT

AT = "2026-03-02T09:16:04Z"


@pytest.fixture
def table(step):
    step("communications.on_email_event")
    return import_module("communications.suppressions_table")


def keys(around):
    reply = around.cloud.dynamodb.scan(TableName=around.cloud.name("SuppressionsTable"))
    return [item["address_id"]["S"] for item in reply["Items"]]


@pytest.mark.parametrize("address", [RECIPIENT, "John.Smith@EXAMPLE.com", f"  {RECIPIENT} "])
def test_is_keyed_by_the_digest_of_the_address_in_small_letters(table, around, address):
    table.suppress(address, "bounce", "provider", AT)

    assert keys(around) == [hashlib.sha256(RECIPIENT.encode()).hexdigest()]
    assert around.suppressed() == {address.strip(): "bounce"}


def test_finds_and_releases_an_address_however_it_is_written(table):
    table.suppress("John.Smith@Example.com", "bounce", "provider", AT)

    assert table.get_suppression(RECIPIENT)["reason"] == "bounce"
    assert table.get_suppression("jane@example.com") is None
    assert (table.release(RECIPIENT.upper()), table.release(RECIPIENT)) == (True, False)
    assert table.get_suppression(RECIPIENT) is None


def test_a_later_reason_replaces_an_earlier_one(table, around):
    table.suppress(PHONE, "bounce", "provider", AT)
    table.suppress(PHONE, "unsubscribe", "sarah.k", AT)

    assert around.suppressed() == {PHONE: "unsubscribe"}


def test_a_page_names_the_next_by_the_digest(table, around):
    addresses = {f"a{number}@example.com" for number in range(3)}
    for address in addresses:
        table.suppress(address, "bounce", "provider", AT)

    first, following = table.page_of_suppressions(2)
    second, end = table.page_of_suppressions(2, following)

    assert following in keys(around)
    assert {one["address"] for one in [*first, *second]} == addresses
    assert end is None


CALLS = {
    "GetItem": lambda table: table.get_suppression(RECIPIENT),
    "PutItem": lambda table: table.suppress(RECIPIENT, "bounce", "any", AT),
    "DeleteItem": lambda table: table.release(RECIPIENT),
    "Scan": lambda table: table.page_of_suppressions(1),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_throttle_passes(table, intercept, operation):
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        CALLS[operation](table)
