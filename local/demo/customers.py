"""The customers of the samples, whom every part of the demo serves."""

import json
from typing import Any

from customers.table import save_customer, save_entity
from local.cloud.client import Cloud
from local.cloud.settings import ROOT
from shared.customers import Customer, Entity


def save_customers(cloud: Cloud) -> None:
    """Store them as they are in samples/customers.json."""
    table_name = cloud.outputs["CustomersTableName"]
    for customer in sample_customers():
        save_customer(cloud.dynamodb, table_name, customer)
    for entity in sample_entities():
        save_entity(cloud.dynamodb, table_name, entity)


def sample_customers() -> list[Customer]:
    return [Customer.model_validate(one) for one in _samples()["customers"]]


def sample_entities() -> list[Entity]:
    return [Entity.model_validate(one) for one in _samples()["entities"]]


def _samples() -> dict[str, list[dict[str, Any]]]:
    samples: dict[str, list[dict[str, Any]]] = json.loads(
        (ROOT / "samples" / "customers.json").read_text()
    )
    return samples
