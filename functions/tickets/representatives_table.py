"""The representatives table: one item each. Their load changes only together with a ticket, in a
transaction of tickets_table.
"""

import json
import os
from typing import Any

from shared.clients import dynamodb, transient_failures
from shared.items import to_values
from shared.writes import conditionally
from tickets.rules.representative import Profile, Representative

REPRESENTATIVES_TABLE_NAME = os.environ["REPRESENTATIVES_TABLE_NAME"]


def get_representative(representative_id: str) -> Representative | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=REPRESENTATIVES_TABLE_NAME,
            Key={"representative_id": {"S": representative_id}},
            ConsistentRead=True,
        )
    item = reply.get("Item")
    return _representative(item) if item else None


def every_representative() -> list[Representative]:
    """All of them, by id; loads are as good as current, and every assignment checks again."""
    pages = (
        dynamodb()
        .get_paginator("scan")
        .paginate(TableName=REPRESENTATIVES_TABLE_NAME, ConsistentRead=True)
    )
    with transient_failures():
        found = [_representative(item) for page in pages for item in page["Items"]]
    return sorted(found, key=lambda one: one.representative_id)


def put_profile(representative_id: str, profile: Profile, version: int) -> Representative | None:
    """Store a profile over the version that was read, 0 for none; None where that is gone.

    Load and turn stay what they are.
    """
    condition = "version = :before" if version else "attribute_not_exists(representative_id)"
    values: Any = {
        ":before": {"N": str(version)},
        ":after": {"N": str(version + 1)},
        ":profile": {"S": profile.model_dump_json()},
        ":capacity": {"N": str(profile.capacity if profile.active else 0)},
        ":zero": {"N": "0"},
    }
    if not version:
        del values[":before"]
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=REPRESENTATIVES_TABLE_NAME,
            Key={"representative_id": {"S": representative_id}},
            ConditionExpression=condition,
            UpdateExpression=(
                "SET version = :after, profile = :profile, #capacity = :capacity, "
                "#load = if_not_exists(#load, :zero), turn = if_not_exists(turn, :zero)"
            ),
            ExpressionAttributeNames={"#capacity": "capacity", "#load": "load"},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
    )
    return None if reply is None else _representative(reply["Attributes"])


def load_update(representative_id: str, difference: int, turn: int) -> dict[str, Any]:
    """The part of a transaction that gives somebody tickets, or takes them: never more than their
    capacity, never less than none.
    """
    gives = difference > 0
    return {
        "Update": {
            "TableName": REPRESENTATIVES_TABLE_NAME,
            "Key": {"representative_id": {"S": representative_id}},
            "UpdateExpression": "SET #load = #load + :difference"
            + (", turn = :turn" if gives else ""),
            "ConditionExpression": "#load < #capacity" if gives else "#load > :zero",
            "ExpressionAttributeNames": {"#load": "load"}
            | ({"#capacity": "capacity"} if gives else {}),
            "ExpressionAttributeValues": {":difference": {"N": str(difference)}}
            | ({":turn": {"N": str(turn)}} if gives else {":zero": {"N": "0"}}),
        }
    }


def _representative(item: dict[str, Any]) -> Representative:
    """The item, whose `capacity` is 0 where the representative is not active."""
    values = to_values(item)
    own = {name: values[name] for name in ("representative_id", "version", "load", "turn")}
    return Representative.model_validate(json.loads(values["profile"]) | own)
