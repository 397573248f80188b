"""Who shall get no more messages, and why: bounces, complaints, and people who said so.

Keyed by a digest of the address, so that neither a cursor in a URL nor a log of requests tells it.
"""

import hashlib
import os
from typing import Any

from communications.rules.communication import SuppressionReason
from shared.clients import dynamodb, transient_failures
from shared.items import to_attributes, to_values

SUPPRESSIONS_TABLE_NAME = os.environ["SUPPRESSIONS_TABLE_NAME"]


def address_id(address: str) -> str:
    """The same for addresses that differ in case only: whatever the letter of the law, those are
    one recipient's.
    """
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


def get_suppression(address: str) -> dict[str, Any] | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=SUPPRESSIONS_TABLE_NAME, Key=_key(address), ConsistentRead=True
        )
    item = reply.get("Item")
    return to_values(item) if item else None


def suppress(address: str, reason: SuppressionReason, by: str, at: str) -> None:
    """Put an address on the list; a later reason replaces an earlier one."""
    values = {"address": address.strip(), "reason": reason, "by": by, "at": at}
    with transient_failures():
        dynamodb().put_item(
            TableName=SUPPRESSIONS_TABLE_NAME, Item=_key(address) | to_attributes(values)
        )


def release(address: str) -> bool:
    """Take an address off the list; False when it was not on it."""
    with transient_failures():
        reply = dynamodb().delete_item(
            TableName=SUPPRESSIONS_TABLE_NAME, Key=_key(address), ReturnValues="ALL_OLD"
        )
    return "Attributes" in reply


def page_of_suppressions(
    limit: int, start: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of the list, in no order, and the key after which the next one begins."""
    begin: Any = {"ExclusiveStartKey": {"address_id": {"S": start}}} if start else {}
    with transient_failures():
        reply = dynamodb().scan(TableName=SUPPRESSIONS_TABLE_NAME, Limit=limit, **begin)
    last = reply.get("LastEvaluatedKey")
    found = [to_values(item) for item in reply["Items"]]
    return found, last["address_id"]["S"] if last else None


def _key(address: str) -> dict[str, Any]:
    return {"address_id": {"S": address_id(address)}}
