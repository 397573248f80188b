"""Writing customers and entities; everybody reads them through `shared.customers`."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from shared.clients import transient_failures
from shared.customers import CUSTOMER_ITEM, ENTITY_PREFIX, Customer, Entity
from shared.items import to_attributes
from shared.public_holidays import known_region

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def save_customer(client: "DynamoDBClient", table_name: str, customer: Customer) -> None:
    """Write a customer, replacing what was known of them."""
    _put(client, table_name, CUSTOMER_ITEM, customer)


def save_entity(client: "DynamoDBClient", table_name: str, entity: Entity) -> None:
    """Write an entity of a customer, replacing what was known of it.

    Raises ValueError where nobody knows the public holidays of its region.
    """
    if entity.holidays is not None:
        _check_region(entity, entity.holidays)
    _put(client, table_name, ENTITY_PREFIX + entity.entity_id, entity)


def _check_region(entity: Entity, region: str) -> None:
    """Here and not in the model, because what knows all regions is slow to import."""
    try:
        known_region(region)
    except ValueError as error:
        name = f"{entity.customer_id}/{entity.entity_id}"
        raise ValueError(f"the entity {name} has holidays of {region!r}: {error}") from error


def _put(client: "DynamoDBClient", table_name: str, item_name: str, model: BaseModel) -> None:
    values: dict[str, Any] = {"item": item_name, **model.model_dump(mode="json")}
    with transient_failures():
        client.put_item(
            TableName=table_name,
            Item=to_attributes(values),
        )
