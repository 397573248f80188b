"""Customers and entities as they are written."""

import json
from datetime import date

import pytest

from customers.table import save_customer, save_entity
from shared.customers import Customer, Entity, StorageAccount, entities_of, get_customer
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with
from tests.unit.template import REPOSITORY


@pytest.fixture
def table(cloud):
    return cloud.name("CustomersTable")


def any_customer(**changed) -> Customer:
    return Customer(**{"customer_id": "1001", "name": "Dana Meyer"} | changed)


def test_writes_everything_that_is_known_of_a_customer(cloud, table):
    customer = any_customer(
        email="dana@example.com",
        phone="+4915112345678",
        language="de",
        time_zone="Europe/Berlin",
        plan="enterprise",
        storage=StorageAccount(provider="webdav", location="https://dav.example", secret_name="s"),
    )

    save_customer(cloud.dynamodb, table, customer)

    assert get_customer(table, "1001") == customer


def test_replaces_what_was_known(cloud, table):
    save_customer(cloud.dynamodb, table, any_customer(email="old@example.com"))

    save_customer(cloud.dynamodb, table, any_customer())

    assert get_customer(table, "1001").email is None


def test_writes_an_entity_beside_its_customer(cloud, table):
    entity = Entity(
        customer_id="1001",
        entity_id="books-2026",
        name="Books",
        folders=("in", "out"),
        templates=("a.xlsx",),
        holidays="DE-BE",
        weekend=("friday", "saturday"),
        closed_on=(date(2026, 12, 24),),
    )
    save_customer(cloud.dynamodb, table, any_customer())

    save_entity(cloud.dynamodb, table, entity)
    save_entity(cloud.dynamodb, table, entity)

    assert list(entities_of(table, "1001")) == [entity]
    assert get_customer(table, "1001") == any_customer()


@pytest.mark.parametrize("region", ["XX", "DE-ZZ"])
def test_refuses_an_entity_with_holidays_that_nobody_knows(cloud, table, region):
    entity = Entity(customer_id="1001", entity_id="books", name="Books", holidays=region)

    with pytest.raises(ValueError, match=rf"^the entity 1001/books has holidays of '{region}': "):
        save_entity(cloud.dynamodb, table, entity)

    assert list(entities_of(table, "1001")) == []


def test_takes_the_customers_of_the_samples(cloud, table):
    samples = json.loads((REPOSITORY / "samples" / "customers.json").read_text())

    for customer in samples["customers"]:
        save_customer(cloud.dynamodb, table, Customer.model_validate(customer))
    for entity in samples["entities"]:
        save_entity(cloud.dynamodb, table, Entity.model_validate(entity))

    assert len(list(entities_of(table, "1003"))) == 2


def test_asks_for_another_try_when_the_table_is_busy(cloud, table, intercept):
    intercept("PutItem", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match=r"^ThrottlingException: "):
        save_customer(cloud.dynamodb, table, any_customer())
