"""What every domain may know of customers."""

import pytest
from pydantic import ValidationError

from customers.table import save_customer, save_entity
from shared.customers import Customer, Entity, entities_of, get_customer
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
