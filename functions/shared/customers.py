"""Customers and their entities, as every domain may read them.

Both lie in the customers table, keyed by `customer_id` and `item`: the customer itself is the item
`customer`, each entity `entity#<entity id>`. Only `functions/customers/` writes there.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from shared.addresses import EMail, Phone
from shared.clients import dynamodb, transient_failures
from shared.endpoints import trusted_endpoint
from shared.items import to_values
from shared.public_holidays import WEEKDAYS, RegionName, Weekday
from shared.time_zones import TimeZone

CUSTOMER_ITEM = "customer"
ENTITY_PREFIX = "entity#"
_BEHIND_ALL_ITEMS = "~"
"""Sorts behind every item that a customer can have."""

PAGE_ITEMS = 1000


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class StorageAccount(BaseModel):
    """Where a customer keeps documents; `secret_name` names the credentials and is none.

    `location` is a folder that is there, as the provider names it:

    - webdav: its URL;
    - s3: `<bucket>` or `<bucket>/<prefix>`;
    - dropbox: its path, such as `/Books`, or `/`;
    - drive and box: its id, or that of the root: `root` of Drive, `0` of Box;
    - graph: `<drive id>` or `<drive id>/<folder's id>`, in OneDrive or SharePoint.

    `endpoint` is the URL of what speaks as the provider does elsewhere: another S3, a national
    cloud of Microsoft.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    provider: Literal["s3", "webdav", "dropbox", "drive", "graph", "box"]
    location: str = Field(min_length=1, max_length=1024)
    secret_name: str | None = Field(default=None, min_length=1, max_length=512)
    endpoint: str | None = Field(default=None, max_length=1024)
    region: str | None = Field(default=None, pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")

    @model_validator(mode="after")
    def _is_a_place_that_can_be(self) -> Self:
        if self.region is not None and self.provider != "s3":
            raise ValueError("region is for s3 alone")
        if self.endpoint is not None:
            if self.provider == "webdav":
                raise ValueError("webdav has its URL in location, and no endpoint")
            _folder_url("endpoint", self.endpoint)
        match self.provider:
            case "webdav":
                _folder_url("location", self.location)
            case "s3":
                _bucket_and_prefix(self.location)
            case "dropbox":
                _path_of_folder(self.location)
            case "drive" | "graph" | "box" as provider:
                _ids(self.location, most=2 if provider == "graph" else 1)
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


_ID_AT_PROVIDER = re.compile(r"[A-Za-z0-9!._-]+")


def _path_of_folder(location: str) -> None:
    names = location.removeprefix("/").split("/") if location != "/" else []
    if not location.startswith("/") or any(
        name in ("", ".", "..") or not name.isprintable() or "\\" in name for name in names
    ):
        raise ValueError(
            "location must be the path of a folder: / or /<folder>/<folder> with none at the end"
        )


def _ids(location: str, most: int) -> None:
    ids = location.split("/")
    if len(ids) > most or not all(_ID_AT_PROVIDER.fullmatch(one) for one in ids):
        wanted = "a folder's id" if most == 1 else "<drive id> or <drive id>/<folder's id>"
        raise ValueError(f"location must be {wanted}, as it stands in the folder's URL")


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
    """One set of books, site or company of a customer: the folders and templates of its periods.

    `holidays` is the region whose public holidays it has (see `shared.public_holidays`). They, the
    `weekend` and the further days `closed_on` are no business days.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    customer_id: Id
    entity_id: Id
    name: str = Field(min_length=1, max_length=200)
    folders: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    holidays: RegionName | None = None
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    closed_on: tuple[date, ...] = ()

    @field_validator("weekend")
    @classmethod
    def _somebody_works_some_day(cls, weekend: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
        if len(set(weekend)) == len(WEEKDAYS):
            raise ValueError("a weekend of all seven days leaves no business day")
        return weekend


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


class CustomersPage(NamedTuple):
    """Some customers with all their entities. `unreadable` are items that make no sense, and `next`
    is where the next page begins; None on the last.
    """

    customers: list[tuple[Customer, list[Entity]]]
    unreadable: int
    next: dict[str, str] | None


def whole_customers(
    table_name: str, start: Mapping[str, str] | None, most_items: int = PAGE_ITEMS
) -> CustomersPage:
    """Read some of all customers, each with all its entities, and say where the next ones begin.

    `start` is None for the first page, then what the page before said; after the last one that is
    None. It is JSON, so another step can go on. A page has about `most_items` customers and
    entities together: the last customer is always read to its end. Within the table's order, which
    nobody chooses, nobody is left out or comes twice, except who is written or removed meanwhile.
    Entities whose customer is gone are left out, and count as unreadable.
    """
    begin: Any = {"ExclusiveStartKey": _behind(start["customer_id"])} if start else {}
    with transient_failures():
        page = dynamodb().scan(TableName=table_name, Limit=most_items, ConsistentRead=True, **begin)
        items = [to_values(item) for item in page["Items"]]
        reached = page.get("LastEvaluatedKey")
        if reached is None:
            return CustomersPage(*_customers_in(items), None)
        items += _rest_of_customer(table_name, reached)
    return CustomersPage(*_customers_in(items), {"customer_id": reached["customer_id"]["S"]})


def _behind(customer_id: str) -> dict[str, Any]:
    """A key between a customer's last item and the next customer; there need not be such an item.

    So a page never begins with an entity that was added after its customer had been read.
    """
    return {"customer_id": {"S": customer_id}, "item": {"S": _BEHIND_ALL_ITEMS}}


def _rest_of_customer(table_name: str, reached: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The items of a customer that come behind a key."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=table_name,
            KeyConditionExpression="customer_id = :customer_id AND #item > :item",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={
                ":customer_id": reached["customer_id"],
                ":item": reached["item"],
            },
            ConsistentRead=True,
        )
    )
    for page in pages:
        for item in page["Items"]:
            yield to_values(item)


def _customers_in(
    items: list[dict[str, Any]],
) -> tuple[list[tuple[Customer, list[Entity]]], int]:
    """Customers with their entities, and how many items could not be read.

    A customer's own item comes before those of the entities.
    """
    found: dict[str, tuple[Customer, list[Entity]]] = {}
    unreadable = 0
    for item in items:
        customer_id = item["customer_id"]
        try:
            if item["item"] == CUSTOMER_ITEM:
                found[customer_id] = (Customer.model_validate(item), [])
            elif customer_id in found:
                found[customer_id][1].append(Entity.model_validate(item))
            else:
                unreadable += 1
        except ValidationError:
            unreadable += 1
    return list(found.values()), unreadable
