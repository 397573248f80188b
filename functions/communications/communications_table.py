"""The communications table: one item for each, and an index of those that are not done with.

The index `by_state` is keyed by `open_state` and sorted by `open_at`: when something is due, for
what waits; when it was composed, for what needs a redrive or a person. What is sent or given up is
not in it.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from communications.rules.communication import Communication, State
from shared.clients import dynamodb, error_code, transient_failures
from shared.errors import TransientError
from shared.items import to_attributes, to_values
from shared.times import now

COMMUNICATIONS_TABLE_NAME = os.environ["COMMUNICATIONS_TABLE_NAME"]
INDEX = "by_state"
RETENTION = timedelta(days=400)
"""How long what is sent or given up is kept; DynamoDB deletes it some time after that."""

_DONE = ("SENT", "DISCARDED")
_INDEX_KEY = ("communication_id", "open_state", "open_at")
_READ_AT_ONCE = 500
_MOST_READS_OF_A_PAGE = 10
_MOST_CONFLICTS = 10

type Attributes = dict[str, Any]


def create(communication: Communication) -> bool:
    """Store a new communication; False when there is one with its id."""
    return _put(communication, ConditionExpression="attribute_not_exists(communication_id)")


def get(communication_id: str) -> Communication | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=COMMUNICATIONS_TABLE_NAME,
            Key={"communication_id": {"S": communication_id}},
            ConsistentRead=True,
        )
    item = reply.get("Item")
    return Communication.model_validate(to_values(item)) if item else None


def change(
    communication_id: str, rule: Callable[[Communication], Communication | None]
) -> Communication | None:
    """Apply a rule to a communication as it is, and store what it gives.

    Where somebody else was faster, the rule is applied again to what they left. Gives what was
    stored, or None where the rule found nothing to do.
    """
    for _ in range(_MOST_CONFLICTS):
        before = get(communication_id)
        if before is None:
            raise LookupError("the communication was deleted meanwhile")
        after = rule(before)
        if after is None or replace(before, after):
            return after
    raise TransientError("Conflict", "others keep changing the communication")


def replace(before: Communication, after: Communication) -> bool:
    """Store a communication over the version that was read; False where that is gone."""
    return _put(
        after,
        ConditionExpression="#version = :version",
        ExpressionAttributeNames={"#version": "version"},
        ExpressionAttributeValues={":version": {"N": str(before.version)}},
    )


def overdue(state: State, until: str, limit: int) -> list[str]:
    """Ids of communications in a state whose time has come, the longest overdue first."""
    with transient_failures():
        reply = dynamodb().query(
            TableName=COMMUNICATIONS_TABLE_NAME,
            IndexName=INDEX,
            KeyConditionExpression="open_state = :state AND open_at <= :until",
            ExpressionAttributeValues={":state": {"S": state}, ":until": {"S": until}},
            ProjectionExpression="communication_id",
            Limit=limit,
        )
    return [item["communication_id"]["S"] for item in reply["Items"]]


def page_of(
    state: State,
    *,
    created_from: str,
    created_to: str,
    equal: Mapping[str, str],
    limit: int,
    start: Attributes | None = None,
) -> tuple[list[dict[str, Any]], Attributes | None]:
    """One page of the failed or unknown, the latest first, and the key where the next one begins.

    `equal` names columns and the values they must have. What they leave out costs reading all the
    same, so a page may be shorter than its limit, or empty, with more to come.
    """
    found: list[dict[str, Any]] = []
    pages = _pages(state, (created_from, created_to), equal, start=start, latest_first=True)
    for number, (items, following) in enumerate(pages, 1):
        found += items
        if len(found) > limit:
            last = to_attributes(found[limit - 1])
            return found[:limit], {name: last[name] for name in _INDEX_KEY}
        if len(found) == limit or number == _MOST_READS_OF_A_PAGE:
            return found, following
    return found, None


def every(
    state: State, equal: Mapping[str, str], *, latest_first: bool = False
) -> Iterator[dict[str, Any]]:
    """All of the failed or unknown that have these values."""
    for items, _ in _pages(state, ("0", "9"), equal, latest_first=latest_first):
        yield from items


def _pages(
    state: State,
    created: tuple[str, str],
    equal: Mapping[str, str],
    *,
    start: Attributes | None = None,
    latest_first: bool,
) -> Iterator[tuple[list[dict[str, Any]], Attributes | None]]:
    """What the index gives, read by read, each with the key where the next one begins."""
    values = {":state": state, ":from": created[0], ":to": created[1]}
    arguments: dict[str, Any] = {
        "TableName": COMMUNICATIONS_TABLE_NAME,
        "IndexName": INDEX,
        "KeyConditionExpression": "open_state = :state AND open_at BETWEEN :from AND :to",
        "ExpressionAttributeValues": to_attributes(
            values | {f":{name}": value for name, value in equal.items()}
        ),
        "ScanIndexForward": not latest_first,
        "Limit": _READ_AT_ONCE,
    }
    if equal:
        arguments["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in equal)
        arguments["ExpressionAttributeNames"] = {f"#{name}": name for name in equal}
    while True:
        begin: Any = {"ExclusiveStartKey": start} if start else {}
        with transient_failures():
            reply = dynamodb().query(**arguments, **begin)
        start = reply.get("LastEvaluatedKey")
        yield [to_values(item) for item in reply["Items"]], start
        if start is None:
            return


def get_many(communication_ids: Sequence[str]) -> list[Communication]:
    """Communications by their ids, a hundred at most; those that there are, in any order."""
    if not communication_ids:
        return []
    keys = [{"communication_id": {"S": one}} for one in communication_ids]
    with transient_failures():
        reply = dynamodb().batch_get_item(
            RequestItems={COMMUNICATIONS_TABLE_NAME: {"Keys": keys, "ConsistentRead": True}}
        )
    if reply["UnprocessedKeys"]:
        raise TransientError("UnprocessedKeys", "the table did not give all that was asked for")
    items = reply["Responses"][COMMUNICATIONS_TABLE_NAME]
    return [Communication.model_validate(to_values(item)) for item in items]


def _put(communication: Communication, **condition: Any) -> bool:
    """Store a communication if the condition holds; tell whether it is stored.

    A write whose reply is lost is repeated by the client, and then meets what it wrote itself: by
    `write_id` that is told from somebody else's.
    """
    write_id = uuid.uuid4().hex
    try:
        with transient_failures():
            dynamodb().put_item(
                TableName=COMMUNICATIONS_TABLE_NAME,
                Item=_item(communication) | {"write_id": {"S": write_id}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **condition,
            )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        found: Any = error.response.get("Item", {})
        return bool(found.get("write_id", {}).get("S") == write_id)
    return True


def _item(communication: Communication) -> Attributes:
    values = communication.model_dump(mode="json", exclude_none=True)
    values["destination"] = communication.destination
    if communication.state in _DONE:
        values["expires_at"] = int((now() + RETENTION).timestamp())
    else:
        waits = communication.state not in ("FAILED", "UNKNOWN")
        values["open_state"] = communication.state
        values["open_at"] = communication.due_at if waits else communication.created_at
    return to_attributes(values)
