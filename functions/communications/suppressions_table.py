"""Who shall get no more messages, and why: bounces, complaints, and people who said so."""

import os
from typing import Any, Literal

from shared.clients import dynamodb, transient_failures
from shared.items import to_attributes, to_values

SUPPRESSIONS_TABLE_NAME = os.environ["SUPPRESSIONS_TABLE_NAME"]

type Reason = Literal["bounce", "complaint", "unsubscribe"]


def normalised(address: str) -> str:
    """Addresses that differ in case only are one recipient's, whatever the letter of the law."""
    return address.strip().lower()


def get_suppression(address: str) -> dict[str, Any] | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=SUPPRESSIONS_TABLE_NAME,
            Key={"address": {"S": normalised(address)}},
            ConsistentRead=True,
        )
    item = reply.get("Item")
    return to_values(item) if item else None


def suppress(address: str, reason: Reason, by: str, at: str) -> None:
    """Put an address on the list; a later reason replaces an earlier one."""
    values = {"address": normalised(address), "reason": reason, "by": by, "at": at}
    with transient_failures():
        dynamodb().put_item(TableName=SUPPRESSIONS_TABLE_NAME, Item=to_attributes(values))


def release(address: str) -> bool:
    """Take an address off the list; False when it was not on it."""
    with transient_failures():
        reply = dynamodb().delete_item(
            TableName=SUPPRESSIONS_TABLE_NAME,
            Key={"address": {"S": normalised(address)}},
            ReturnValues="ALL_OLD",
        )
    return "Attributes" in reply


def page_of_suppressions(
    limit: int, start: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of the list, in no order, and the address after which the next one begins."""
    begin: Any = {"ExclusiveStartKey": {"address": {"S": start}}} if start else {}
    with transient_failures():
        reply = dynamodb().scan(TableName=SUPPRESSIONS_TABLE_NAME, Limit=limit, **begin)
    last = reply.get("LastEvaluatedKey")
    return [to_values(item) for item in reply["Items"]], last["address"]["S"] if last else None
