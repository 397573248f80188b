"""The calls table: one item `call` for each call, and an index item for each of its categories.

Keys are `call_id` and `item`. Indexes: `by_day`, `by_agent`, `by_customer` and `by_category`, each
sorted by `created_at`, the time at which the call took place. Only the owner of a call, the
execution whose ARN the item holds, may change it.
"""

import os
from collections.abc import Mapping
from typing import Any

from post_call.recording_object import RecordingObject
from shared.clients import dynamodb, transient_failures
from shared.items import to_attributes, to_values
from shared.writes import conditionally, refused

CALLS_TABLE_NAME = os.environ["CALLS_TABLE_NAME"]

_ANALYSIS_COLUMNS = frozenset(
    {
        "agent",
        "agent_sentiment",
        "agent_trend",
        "customer_id",
        "customer_sentiment",
        "customer_trend",
        "guid",
    }
)
"""Columns that an analysis may leave out: what is not known is not there."""


def call_key(call_id: str) -> dict[str, Any]:
    return {"call_id": {"S": call_id}, "item": {"S": "call"}}


def category_key(call_id: str, category: str) -> dict[str, Any]:
    return {"call_id": {"S": call_id}, "item": {"S": f"category#{category}"}}


def get_call(call_id: str) -> dict[str, Any] | None:
    """Read a call's item as plain values; None when there is none."""
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=CALLS_TABLE_NAME, Key=call_key(call_id), ConsistentRead=True
        )
    item = reply.get("Item")
    return to_values(item) if item else None


def attempt_columns(attempt: int, recording: RecordingObject, created_at: str) -> dict[str, Any]:
    """What a failed attempt tells of its call, which it may never have come to claim."""
    return {
        "attempt": attempt,
        "recording_bucket": recording["bucket"],
        "recording_key": recording["key"],
        "recording_version_id": recording["version_id"],
        "uploaded_at": created_at,
        "created_at": created_at,
        "day": created_at[:10],
    }


def record_failed_call(
    call_id: str, execution_arn: str, failure: Mapping[str, Any], *, unless_recorded: bool
) -> bool:
    """Mark a call as FAILED if this execution owns it; tell whether it did.

    `failure` has failed_state, error, cause, failed_at and the attempt's columns. With
    `unless_recorded` a call whose failure is recorded stays as it is; one that was analysed and
    could not be announced becomes a failure. So does a call that this execution could not come to
    claim (nobody has it; an earlier attempt failed, or vanished and left its lease to run out):
    otherwise the attempt's name is used up and the call can never be tried again.
    """
    owned = "execution_arn = :execution_arn"
    if unless_recorded:
        owned += " AND #state <> :failed"
    over = "#state = :failed OR (#state = :processing AND lease_expires_at < :failed_at)"
    unclaimed = f"attribute_not_exists(call_id) OR (#attempt < :attempt AND ({over}))"
    condition = f"({owned}) OR {unclaimed}"
    values = {f":{name}": value for name, value in failure.items()}
    values |= {":execution_arn": execution_arn, ":failed": "FAILED", ":processing": "PROCESSING"}
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=CALLS_TABLE_NAME,
            Key=call_key(call_id),
            ConditionExpression=condition,
            UpdateExpression="SET #state = :failed, execution_arn = :execution_arn, "
            + ", ".join(f"#{name} = :{name}" for name in failure),
            ExpressionAttributeNames={"#state": "state"} | {f"#{n}": n for n in failure},
            ExpressionAttributeValues=to_attributes(values),
        )
    )
    return reply is not None


def store_analysed_call(
    call_id: str, execution_arn: str, row: Mapping[str, Any], before: Mapping[str, Any]
) -> bool:
    """Write an analysed call and its categories in one transaction, if this execution owns it.

    `before` is the item as it was read: what it says of an earlier analysis and the new row does
    not, a category or an agent, goes. Gives False when another execution owns the call.
    """
    names = {f"#{name}": name for name in row}
    values = {f":{name}": value for name, value in row.items()} | {":owner": execution_arn}
    stale = set(before.get("categories", [])) - set(row["categories"])
    gone = _ANALYSIS_COLUMNS & set(before) - set(row)
    names |= {f"#{name}": name for name in gone}
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in row)
    if gone:
        update += " REMOVE " + ", ".join(f"#{name}" for name in sorted(gone))
    table = {"TableName": CALLS_TABLE_NAME}
    items: list[Any] = [
        {
            "Update": {
                **table,
                "Key": call_key(call_id),
                "ConditionExpression": "execution_arn = :owner",
                "UpdateExpression": update,
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": to_attributes(values),
            }
        },
        *(
            {"Put": {**table, "Item": _category_item(call_id, category, row["created_at"])}}
            for category in row["categories"]
        ),
        *({"Delete": {**table, "Key": category_key(call_id, category)}} for category in stale),
    ]
    return not refused(items)


def _category_item(call_id: str, category: str, created_at: str) -> dict[str, Any]:
    key = category_key(call_id, category)
    return key | to_attributes({"category": category, "created_at": created_at})
