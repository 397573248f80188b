"""Customers and their entities, as every domain may read them.

Both lie in the customers table, keyed by `customer_id` and `item`: the customer itself is the item
`customer`, each entity `entity#<entity id>`. Only `functions/customers/` writes there.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.addresses import EMail, Phone
from shared.clients import dynamodb, transient_failures
from shared.endpoints import trusted_endpoint
from shared.items import to_values
from shared.time_zones import TimeZone

CUSTOMER_ITEM = "customer"
ENTITY_PREFIX = "entity#"


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class StorageAccount(BaseModel):
    """Where a customer keeps documents; `secret_name` names the credentials and is none.

    `location` is the URL of a folder for webdav. For s3 it is `<bucket>` or `<bucket>/<prefix>`,
    and `endpoint` is the URL of what speaks S3 elsewhere than at AWS.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    provider: Literal["s3", "webdav"]
    location: str = Field(min_length=1, max_length=1024)
    secret_name: str | None = Field(default=None, min_length=1, max_length=512)
    endpoint: str | None = Field(default=None, max_length=1024)
    region: str | None = Field(default=None, pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")

    @model_validator(mode="after")
    def _is_a_place_that_can_be(self) -> Self:
        if self.provider == "webdav":
            if self.endpoint or self.region:
                raise ValueError("endpoint and region are for s3: webdav has its URL in location")
            _folder_url("location", self.location)
            return self
        _bucket_and_prefix(self.location)
        if self.endpoint is not None:
            _folder_url("endpoint", self.endpoint)
        return self


_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*")


def _folder_url(setting: str, url: str) -> None:
    trusted_endpoint(setting, url)
    if not re.fullmatch(r"[!-~]+", url) or "?" in url or "#" in url or "\\" in url:
        raise ValueError(
            f"{setting} must be a URL without a query or a fragment, in which spaces and letters"
            " other than a-z are written with percent signs"
        )


def _bucket_and_prefix(location: str) -> None:
    bucket, *folders = location.split("/")
    if not 3 <= len(bucket) <= 63 or not _BUCKET.fullmatch(bucket) or bucket.endswith("-"):
        raise ValueError(
            "location must begin with the name of a bucket: 3 to 63 small letters, digits,"
            " hyphens and dots"
        )
    if any(name in ("", ".", "..") or not name.isprintable() for name in folders):
        raise ValueError(
            "location must be <bucket> or <bucket>/<prefix>, and the prefix names of folders with"
            " one / between them and none at the end"
        )


class Customer(BaseModel):
    """Whom the contact centre serves: how to reach them, in which language, at which hours."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    customer_id: Id
    name: str = Field(min_length=1, max_length=200)
    email: EMail | None = None
    phone: Phone | None = None
    language: str = Field(default="en", pattern=r"^[a-z]{2}(-[A-Z]{2})?$")
    time_zone: TimeZone = "UTC"
    plan: Literal["basic", "business", "enterprise"] = "basic"
    storage: StorageAccount | None = None


class Entity(BaseModel):
    """One set of books, site or company of a customer: the folders and templates of its periods."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    customer_id: Id
    entity_id: Id
    name: str = Field(min_length=1, max_length=200)
    folders: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


def get_customer(table_name: str, customer_id: str) -> Customer | None:
    """Read one customer; None for an id that nobody has."""
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=table_name,
            Key={"customer_id": {"S": customer_id}, "item": {"S": CUSTOMER_ITEM}},
            ConsistentRead=True,
        )
    item = reply.get("Item")
    return Customer.model_validate(to_values(item)) if item else None


def get_entity(table_name: str, customer_id: str, entity_id: str) -> Entity | None:
    """Read one entity; None for an id that the customer has not."""
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=table_name,
            Key={"customer_id": {"S": customer_id}, "item": {"S": ENTITY_PREFIX + entity_id}},
            ConsistentRead=True,
        )
    item = reply.get("Item")
    return Entity.model_validate(to_values(item)) if item else None


def entities_of(table_name: str, customer_id: str) -> Iterator[Entity]:
    """Read a customer's entities in the order of their ids, page by page."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=table_name,
            KeyConditionExpression="customer_id = :customer_id AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={
                ":customer_id": {"S": customer_id},
                ":prefix": {"S": ENTITY_PREFIX},
            },
        )
    )
    with transient_failures():
        for page in pages:
            for item in page["Items"]:
                yield Entity.model_validate(to_values(item))
