"""What every domain may know of customers."""

import json
import subprocess
import sys
from datetime import date

import pytest
from pydantic import ValidationError

from customers.table import save_customer, save_entity
from shared.customers import (
    Customer,
    Entity,
    StorageAccount,
    entities_of,
    get_customer,
    whole_customers,
)
from shared.errors import TransientError
from shared.public_holidays import WEEKDAYS
from tests.unit.aws_errors import fails_with
from tests.unit.template import REPOSITORY


@pytest.fixture
def table(cloud):
    return cloud.name("CustomersTable")


def any_customer(**changed) -> Customer:
    return Customer(**{"customer_id": "1001", "name": "Dana Meyer"} | changed)


def any_entity(entity_id: str, customer_id: str = "1001", **changed) -> Entity:
    return Entity(customer_id=customer_id, entity_id=entity_id, name="any", **changed)


def test_knows_nobody_by_an_id_that_nobody_has(table):
    assert get_customer(table, "nobody") is None


def test_reads_the_customer_that_was_saved(table, cloud):
    save_customer(cloud.dynamodb, table, any_customer(time_zone="Europe/Berlin", plan="business"))

    found = get_customer(table, "1001")

    assert found == any_customer(time_zone="Europe/Berlin", plan="business")


def test_gives_entities_of_one_customer_in_the_order_of_their_ids(table, cloud):
    save_customer(cloud.dynamodb, table, any_customer())
    for entity in (any_entity("b"), any_entity("a"), any_entity("a", customer_id="10010")):
        save_entity(cloud.dynamodb, table, entity)

    found = list(entities_of(table, "1001"))

    assert [(one.customer_id, one.entity_id) for one in found] == [("1001", "a"), ("1001", "b")]


def test_gives_entities_of_every_page(table, cloud):
    for number in range(9):
        folders = tuple("x" * 300_000 for _ in range(1))
        save_entity(cloud.dynamodb, table, any_entity(f"e{number}", folders=folders))

    assert len(list(entities_of(table, "1001"))) == 9


# --- all customers, page by page

EVERYBODY = {"1001": [], "1002": ["a"], "1003": ["a", "b", "c", "d", "e"], "1004": [], "1005": "x"}


def save_everybody(table, cloud) -> None:
    for customer_id, entity_ids in EVERYBODY.items():
        save_customer(cloud.dynamodb, table, any_customer(customer_id=customer_id))
        for entity_id in entity_ids:
            save_entity(cloud.dynamodb, table, any_entity(entity_id, customer_id=customer_id))


def pages_of(table, most_items: int) -> list[dict[str, list[str]]]:
    """What pages hold, as each of a row of steps reads it: the cursor goes through JSON."""
    pages, cursor = [], "null"
    while not pages or cursor != "null":
        customers, _, start = whole_customers(table, json.loads(cursor), most_items)
        assert all(
            entity.customer_id == one.customer_id for one, own in customers for entity in own
        )
        pages.append(
            {one.customer_id: [entity.entity_id for entity in own] for one, own in customers}
        )
        cursor = json.dumps(start)
    return pages


@pytest.mark.parametrize("most_items", range(1, 15))
def test_reads_each_customer_whole_and_once_however_small_the_pages_are(table, cloud, most_items):
    save_everybody(table, cloud)

    pages = pages_of(table, most_items)

    found = [(name, own) for page in pages for name, own in page.items()]
    assert sorted(found) == [(name, list(own)) for name, own in EVERYBODY.items()]


def test_a_page_ends_with_the_customer_in_whom_it_is_full(table, cloud):
    save_everybody(table, cloud)

    assert [list(page) for page in pages_of(table, 4)][:2] == [
        ["1001", "1002", "1003"],
        ["1004", "1005"],
    ]


def test_reads_a_customer_to_the_end_over_many_pages_of_the_table(table, cloud):
    save_customer(cloud.dynamodb, table, any_customer())
    for number in range(9):
        save_entity(cloud.dynamodb, table, any_entity(f"e{number}", folders=("x" * 300_000,)))

    [(_, entities)], _, start = whole_customers(table, None, 2)

    assert [entity.entity_id for entity in entities] == [f"e{number}" for number in range(9)]
    assert pages_after(table, start) == []


def pages_after(table, start) -> list[tuple[Customer, list[Entity]]]:
    customers, _, end = whole_customers(table, start)
    assert end is None
    return customers


def test_an_entity_that_is_added_behind_a_cursor_is_left_for_the_next_time(table, cloud):
    save_everybody(table, cloud)
    _, _, start = whole_customers(table, None, 4)
    save_entity(cloud.dynamodb, table, any_entity("z", customer_id="1003"))
    save_customer(cloud.dynamodb, table, any_customer(customer_id="1006"))

    found = pages_after(table, start)

    assert [customer.customer_id for customer, _ in found] == ["1004", "1005", "1006"]


def test_nobody_is_missing_where_the_customer_of_a_cursor_is_gone(table, cloud):
    save_everybody(table, cloud)
    _, _, start = whole_customers(table, None, 1)
    cloud.dynamodb.delete_item(
        TableName=table, Key={"customer_id": {"S": "1001"}, "item": {"S": "customer"}}
    )

    assert [customer.customer_id for customer, _ in pages_after(table, start)] == [
        "1002",
        "1003",
        "1004",
        "1005",
    ]


def test_leaves_out_what_makes_no_sense_and_says_how_much(table, cloud):
    for entity_id in ("a", "b"):
        save_entity(cloud.dynamodb, table, any_entity(entity_id, customer_id="1000"))
    save_everybody(table, cloud)
    cloud.dynamodb.put_item(
        TableName=table,
        Item={
            "customer_id": {"S": "1099"},
            "item": {"S": "customer"},
            "name": {"S": "Any"},
            "storage": {"M": {"provider": {"S": "webdav"}, "location": {"S": "nowhere"}}},
        },
    )

    page = whole_customers(table, None)

    assert [customer.customer_id for customer, _ in page.customers] == list(EVERYBODY)
    assert page.unreadable == 3  # Two entities without a customer, and a customer.


def test_an_empty_table_has_one_empty_page(table):
    assert whole_customers(table, None) == ([], 0, None)


# --- what cannot be

LOOKS_AT_IMPORTS = (
    "import sys; from shared.customers import Entity;"
    " Entity(customer_id='1001', entity_id='a', name='any', holidays='DE');"
    " sys.exit('holidays' in sys.modules)"
)


def test_the_library_of_holidays_is_not_imported_for_reading_an_entity():
    subprocess.run(
        [sys.executable, "-c", LOOKS_AT_IMPORTS], cwd=REPOSITORY / "functions", check=True
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"holidays": ""},
        {"holidays": "de"},
        {"holidays": "DE-"},
        {"weekend": ["caturday"]},
        {"weekend": WEEKDAYS},
        {"closed_on": ["2027-02-29"]},
    ],
    ids=str,
)
def test_refuses_an_entity_that_cannot_be(wrong):
    with pytest.raises(ValidationError):
        any_entity("a", **wrong)


def test_an_entity_rests_on_weekends_unless_told():
    assert any_entity("a").weekend == ("saturday", "sunday")
    assert any_entity("a", weekend=()).weekend == ()
    assert any_entity("a", closed_on=["2026-12-24"]).closed_on == (date(2026, 12, 24),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer_id": ""},
        {"customer_id": "a b"},
        {"customer_id": "a#b"},
        {"name": ""},
        {"email": "nobody"},
        {"phone": "0800 1234567"},
        {"language": "english"},
        {"time_zone": "Mars/Olympus"},
        {"plan": "free"},
    ],
    ids=str,
)
def test_refuses_a_customer_that_cannot_be(wrong):
    with pytest.raises(ValidationError):
        any_customer(**wrong)


@pytest.mark.parametrize(
    ("operation", "read"),
    [
        ("GetItem", lambda table: get_customer(table, "1001")),
        ("Query", lambda table: list(entities_of(table, "1001"))),
        ("Scan", lambda table: whole_customers(table, None)),
    ],
)
def test_asks_for_another_try_when_the_table_is_busy(table, intercept, operation, read):
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match=r"^ThrottlingException: "):
        read(table)


@pytest.mark.parametrize(
    "given",
    [
        {"provider": "s3", "location": "documents-of-dana"},
        {"provider": "s3", "location": "documents.of.dana/Bücher/2026 neu", "region": "eu-west-1"},
        {"provider": "s3", "location": "any-bucket", "endpoint": "https://s3.example:9000"},
        {"provider": "s3", "location": "any-bucket", "endpoint": "http://127.0.0.1:9000"},
        {"provider": "webdav", "location": "https://dav.example"},
        {"provider": "webdav", "location": "https://cloud.example/remote.php/dav/files/dana/B%20s"},
        {"provider": "webdav", "location": "http://localhost:8080/dav/", "secret_name": "any"},
        {"provider": "dropbox", "location": "/"},
        {"provider": "dropbox", "location": "/Books/Zürich 2026"},
        {"provider": "drive", "location": "1aB-c_D"},
        {"provider": "graph", "location": "b!aB-c_D/01ABC"},
        {"provider": "graph", "location": "b!aB", "endpoint": "https://graph.example"},
        {"provider": "box", "location": "0"},
    ],
    ids=lambda given: given["location"],
)
def test_takes_a_storage_account_wherever_it_may_be(given):
    account = StorageAccount(**given)

    assert account.model_dump(exclude_unset=True) == given
    assert account in {account}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"provider": "ftp", "location": "any-bucket"}, "'s3', 'webdav', 'dropbox'"),
        ({"provider": "s3", "location": "Documents"}, "name of a bucket"),
        ({"provider": "s3", "location": "ab"}, "name of a bucket"),
        ({"provider": "s3", "location": "any..bucket"}, "name of a bucket"),
        ({"provider": "s3", "location": "any-bucket-"}, "name of a bucket"),
        ({"provider": "s3", "location": "s3://any-bucket"}, "name of a bucket"),
        ({"provider": "s3", "location": "any-bucket/"}, "none at the end"),
        ({"provider": "s3", "location": "any-bucket/a//b"}, "one / between them"),
        ({"provider": "s3", "location": "any-bucket/../b"}, "names of folders"),
        ({"provider": "s3", "location": "any-bucket/a\nb"}, "names of folders"),
        ({"provider": "s3", "location": "any-bucket", "region": "EU West"}, "match pattern"),
        (
            {"provider": "s3", "location": "any-bucket", "endpoint": "s3.example"},
            "endpoint must be a URL",
        ),
        (
            {"provider": "s3", "location": "any-bucket", "endpoint": "http://s3.example"},
            "endpoint is plain http",
        ),
        ({"provider": "s3", "location": "any-bucket", "endpoint": "https://s3.example?a"}, "query"),
        ({"provider": "webdav", "location": "dav.example/files"}, "location must be a URL"),
        ({"provider": "webdav", "location": "http://dav.example"}, "location is plain http"),
        ({"provider": "webdav", "location": "https://dana:pw@dav.example"}, "must be a URL"),
        ({"provider": "webdav", "location": "https://dav.example/a?b"}, "without a query"),
        ({"provider": "webdav", "location": "https://dav.example/a#b"}, "or a fragment"),
        ({"provider": "webdav", "location": "https://dav.example/a b"}, "percent signs"),
        ({"provider": "webdav", "location": "https://dav.example/ä"}, "percent signs"),
        (
            {"provider": "webdav", "location": "https://dav.example", "region": "eu-west-1"},
            "for s3 alone",
        ),
        (
            {"provider": "webdav", "location": "https://dav.example", "endpoint": "https://a.b"},
            "and no endpoint",
        ),
        ({"provider": "dropbox", "location": "Books"}, "path of a folder"),
        ({"provider": "dropbox", "location": "/Books/"}, "none at the end"),
        ({"provider": "dropbox", "location": "/Books/../a"}, "path of a folder"),
        ({"provider": "drive", "location": "root/Books"}, "a folder's id"),
        ({"provider": "graph", "location": "b!a/b/c"}, "drive id"),
        ({"provider": "box", "location": "https://box.example/0"}, "a folder's id"),
        ({"provider": "box", "location": "0", "endpoint": "http://box.example"}, "plain http"),
        ({"provider": "box", "location": "0", "region": "eu-west-1"}, "for s3 alone"),
    ],
    ids=str,
)
def test_says_what_is_wrong_with_a_storage_account_and_repeats_none_of_it(given, message):
    with pytest.raises(ValidationError, match=message) as raised:
        StorageAccount(**given)

    assert "dana:pw" not in str(raised.value)
