"""The queues table: each queue's settings, and how many tickets each day has had.

Its key is `kind` and `name`: `queue` and the queue's name, or `number` and a day.
"""

import os
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.clients import dynamodb, transient_failures
from shared.writes import conditionally
from tickets.rules.queue import GENERAL, Queue

QUEUES_TABLE_NAME = os.environ["QUEUES_TABLE_NAME"]


class StoredQueue(BaseModel):
    """Settings with their version; 0 where nobody has stored any."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    queue: Queue
    version: int


def get_queue(name: str) -> StoredQueue | None:
    """A queue's settings; the general queue is always there."""
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=QUEUES_TABLE_NAME, Key=_key("queue", name), ConsistentRead=True
        )
    item = reply.get("Item")
    if item is None:
        return StoredQueue(queue=GENERAL, version=0) if name == GENERAL.name else None
    return _stored(item)


def queue_of_ticket(name: str) -> Queue:
    """The settings of the queue that a ticket is in; nothing deletes any."""
    stored = get_queue(name)
    if stored is None:
        raise LookupError("the queue of a ticket has no settings")
    return stored.queue


def every_queue() -> list[StoredQueue]:
    """All queues, by name."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=QUEUES_TABLE_NAME,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": "queue"}},
            ConsistentRead=True,
        )
    )
    with transient_failures():
        stored = [_stored(item) for page in pages for item in page["Items"]]
    if GENERAL.name not in {one.queue.name for one in stored}:
        stored.append(StoredQueue(queue=GENERAL, version=0))
    return sorted(stored, key=lambda one: one.queue.name)


def put_queue(queue: Queue, version: int) -> bool:
    """Store settings over the version that was read, 0 for none; False where that is gone."""
    condition = "version = :before" if version else "attribute_not_exists(kind)"
    values: Any = {":before": {"N": str(version)}} if version else None
    arguments = {"ExpressionAttributeValues": values} if values else {}
    stored = {"version": {"N": str(version + 1)}, "settings": {"S": queue.model_dump_json()}}
    reply = conditionally(
        lambda: dynamodb().put_item(
            TableName=QUEUES_TABLE_NAME,
            Item=_key("queue", queue.name) | stored,
            ConditionExpression=condition,
            **arguments,
        )
    )
    return reply is not None


def next_number(moment: datetime) -> str:
    """The next ticket's number: the day, and a count that begins anew with each. A number that is
    taken and then not used stays unused.
    """
    day = f"{moment:%Y%m%d}"
    with transient_failures():
        reply = dynamodb().update_item(
            TableName=QUEUES_TABLE_NAME,
            Key=_key("number", day),
            UpdateExpression="ADD tickets :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
    return f"{day}-{int(reply['Attributes']['tickets']['N']):05}"


def _key(kind: str, name: str) -> dict[str, Any]:
    return {"kind": {"S": kind}, "name": {"S": name}}


def _stored(item: dict[str, Any]) -> StoredQueue:
    queue = Queue.model_validate_json(item["settings"]["S"])
    return StoredQueue(queue=queue, version=int(item["version"]["N"]))
