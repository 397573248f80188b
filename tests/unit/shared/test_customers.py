"""What every domain may know of customers."""

import pytest
from pydantic import ValidationError

from customers.table import save_customer, save_entity
from shared.customers import Customer, Entity, StorageAccount, entities_of, get_customer
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with


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
        ({"provider": "ftp", "location": "any-bucket"}, "'s3' or 'webdav'"),
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
            "are for s3",
        ),
        (
            {"provider": "webdav", "location": "https://dav.example", "endpoint": "https://a.b"},
            "are for s3",
        ),
    ],
    ids=str,
)
def test_says_what_is_wrong_with_a_storage_account_and_repeats_none_of_it(given, message):
    with pytest.raises(ValidationError, match=message) as raised:
        StorageAccount(**given)

    assert "dana:pw" not in str(raised.value)
