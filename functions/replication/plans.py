"""What a plan has found, between its steps: documents in our own bucket.

A group is a part of one provider's entities, each with its customer's quotas:
`{"customers": [{"customer_id", "scopes", "entities": [{"entity_id", "folder", "calls"}]}]}`.
"""

import os
from typing import TypedDict

from shared.documents import read_json, write_json

DOCUMENTS_BUCKET_NAME = os.environ["DOCUMENTS_BUCKET_NAME"]


class Groups(TypedDict):
    """What there is, and how far the grouping has come."""

    start: dict[str, str] | None
    """Where the next page of customers begins; None on the first, and when `done`."""
    done: bool
    parts: dict[str, int]
    """By provider, how many groups there are."""
    without_storage: int
    unknown: int
    """Entities that were named and that nobody has."""
    unreadable: int
    """Customers and entities whose records make no sense."""


class GroupedEntity(TypedDict):
    entity_id: str
    folder: str
    calls: int
    """A guess at how many requests it takes."""


class GroupedCustomer(TypedDict):
    customer_id: str
    scopes: dict[str, str]
    entities: list[GroupedEntity]


def write_group(
    replication_id: str, plan: int, provider: str, part: int, customers: list[GroupedCustomer]
) -> None:
    write_json(
        DOCUMENTS_BUCKET_NAME,
        _key(replication_id, plan, provider, part),
        {"customers": customers},
    )


def read_group(replication_id: str, plan: int, provider: str, part: int) -> list[GroupedCustomer]:
    key = _key(replication_id, plan, provider, part)
    customers: list[GroupedCustomer] = read_json(DOCUMENTS_BUCKET_NAME, key)["customers"]
    return customers


def _key(replication_id: str, plan: int, provider: str, part: int) -> str:
    return f"plans/{replication_id}/{plan}/{provider}/{part:06}.json"
