"""The customers of the samples, whom every part of the demo serves."""

import json

from customers.table import save_customer, save_entity
from local.cloud.client import Cloud
from local.cloud.settings import ROOT
from shared.customers import Customer, Entity


def save_customers(cloud: Cloud) -> None:
    """Store them as they are in samples/customers.json."""
    table_name = cloud.outputs["CustomersTableName"]
    known = json.loads((ROOT / "samples" / "customers.json").read_text())
    for customer in known["customers"]:
        save_customer(cloud.dynamodb, table_name, Customer.model_validate(customer))
    for entity in known["entities"]:
        save_entity(cloud.dynamodb, table_name, Entity.model_validate(entity))
