"""The replications table: what is to be replicated, by batches, and what has come of it.

Keys are `replication_id` and `item`: `replication` is the whole, `service#<provider>` one
provider's part, `batch#<provider>#<number>` some entities of it. `open` puts what is not over into
an index: `replication`, or for a batch that was started `<replication id>#<provider>`.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from typing import Any

from replication.rules.replication import (
    ENDED,
    Batch,
    Counts,
    Current,
    Outcome,
    Replication,
    Service,
    State,
)
from shared.clients import dynamodb, transient_failures
from shared.errors import TransientError
from shared.items import to_attributes, to_values
from shared.writes import conditionally, refused

REPLICATIONS_TABLE_NAME = os.environ["REPLICATIONS_TABLE_NAME"]
_OPEN = "replication"
_AT_ONCE = 25
"""How many items DynamoDB writes in one request."""

_MOST_WRITES = 8
"""How often what DynamoDB has not taken of a request is offered again."""

_BATCHES = "batch#"
_A_PAGE = 200
"""Batches that a route reads at once."""

_STILL_OPEN = " AND attribute_exists(#open)"

type Attributes = dict[str, Any]


# --- the whole


def get_replication(replication_id: str) -> Replication | None:
    item = _get(replication_id, "replication")
    return Replication.model_validate(item) if item else None


def known_replication(replication_id: str) -> Replication:
    """A replication that must be there: a machine works on it."""
    found = get_replication(replication_id)
    if found is None:
        raise LookupError("there is no replication with this id")
    return found


def create_replication(replication: Replication) -> bool:
    """Store a replication; False when there is one with its id."""
    values = replication.model_dump(mode="json", exclude_none=True)
    reply = conditionally(
        lambda: dynamodb().put_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Item=_key(replication.replication_id, "replication")
            | to_attributes(values | {"kind": "replication", "open": _OPEN}),
            ConditionExpression="attribute_not_exists(replication_id)",
        )
    )
    return reply is not None


def change_state(
    replication_id: str,
    before: Iterable[State],
    after: State,
    *,
    of_plan: int | None = None,
    **values: str | int,
) -> bool:
    """Move a replication on; False where it is in none of the states `before`, or not at `of_plan`.

    What it had failed with before is not so any more, unless it is told again.
    """
    states = {f":before{number}": state for number, state in enumerate(before)}
    condition = f"#state IN ({', '.join(states)})"
    names = {"#state": "state", "#open": "open"} | {f"#{name}": name for name in values}
    sets = ["#state = :after", *(f"#{name} = :{name}" for name in values)]
    given: dict[str, Any] = {":after": after, **states}
    given |= {f":{name}": value for name, value in values.items()}
    removed = [name for name in ("error", "cause", "finished_at") if name not in values]
    if after in ENDED:
        removed.append("open")
    else:
        given[":open"] = _OPEN
        sets.append("#open = :open")
    names |= {f"#{name}": name for name in removed}
    gone = ", ".join(f"#{name}" for name in removed)
    if of_plan is not None:
        condition += " AND #plan = :of_plan"
        names["#plan"] = "plan"
        given[":of_plan"] = of_plan
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Key=_key(replication_id, "replication"),
            UpdateExpression=f"SET {', '.join(sets)}" + (f" REMOVE {gone}" if gone else ""),
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_attributes(given),
        )
    )
    return reply is not None


def note_planned(replication_id: str, **values: int) -> None:
    """Its batches are written; a pause or a cancellation that came meanwhile holds."""
    given = {"planned": True, **values}
    with transient_failures():
        dynamodb().update_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Key=_key(replication_id, "replication"),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in given),
            ExpressionAttributeNames={f"#{name}": name for name in given},
            ExpressionAttributeValues=to_attributes({f":{n}": v for n, v in given.items()}),
        )
    change_state(replication_id, ["PLANNING"], "RUNNING")


def page_of_replications(
    limit: int, start: Attributes | None
) -> tuple[list[Replication], Attributes | None]:
    """Replications, the latest first, and the key where the next page begins."""
    begin: Any = {"ExclusiveStartKey": start} if start else {}
    with transient_failures():
        reply = dynamodb().query(
            TableName=REPLICATIONS_TABLE_NAME,
            IndexName="by_requested",
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": "replication"}},
            ScanIndexForward=False,
            Limit=limit,
            **begin,
        )
    found = [Replication.model_validate(to_values(item)) for item in reply["Items"]]
    return found, reply.get("LastEvaluatedKey")


def open_replications() -> list[Replication]:
    """Those that are not over."""
    return [Replication.model_validate(values) for values in _open(_OPEN)]


# --- services


def get_service(replication_id: str, provider: str) -> Service | None:
    item = _get(replication_id, f"service#{provider}")
    return Service.model_validate(item) if item else None


def services_of(replication_id: str) -> list[Service]:
    return [Service.model_validate(item) for item in _items(replication_id, "service#")]


def put_service(service: Service, before: Service | None) -> bool:
    """Store a service that is planned, or planned again; False where another run has it by now."""
    values = service.model_dump(mode="json", exclude_none=True)
    arguments: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(replication_id)"}
    if before is not None:
        arguments = _of_run(before.run)
    reply = conditionally(
        lambda: dynamodb().put_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Item=_key(service.replication_id, f"service#{service.provider}")
            | to_attributes(values),
            **arguments,
        )
    )
    return reply is not None


def update_service(service: Service, **values: Any) -> bool:
    """Change what is named of a service; False where another run has it by now."""
    names = {f"#{name}": name for name in values} | {"#run": "run"}
    given = {f":{name}": value for name, value in values.items()} | {":own_run": service.run}
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Key=_key(service.replication_id, f"service#{service.provider}"),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ConditionExpression="#run = :own_run",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_attributes(given),
        )
    )
    return reply is not None


# --- batches


def get_batch(replication_id: str, provider: str, batch: int) -> Batch:
    """A batch that must be there: a worker has been told its number."""
    item = _get(replication_id, _batch_item(provider, batch))
    if item is None:
        raise LookupError("there is no batch with this number")
    return _batch(item)


def put_batches(batches: Iterable[Batch]) -> None:
    """Store batches that nobody has started; to store them again changes nothing."""
    for some in batched(batches, _AT_ONCE, strict=False):
        left: Any = {
            REPLICATIONS_TABLE_NAME: [{"PutRequest": {"Item": _batch_values(b)}} for b in some]
        }
        for _ in range(_MOST_WRITES):
            with transient_failures():
                left = dynamodb().batch_write_item(RequestItems=left)["UnprocessedItems"]
            if not left:
                break
        else:
            raise TransientError("UnprocessedItems", "DynamoDB takes no more batches for now")


def open_batches(replication_id: str, provider: str) -> list[Batch]:
    """Batches that were started and whose entities have not all ended."""
    found = [_batch(values) for values in _open(f"{replication_id}#{provider}")]
    return sorted(found, key=lambda one: one.batch)


def batches_of(replication_id: str, provider: str | None = None) -> Iterator[Batch]:
    """All batches of a replication, or of one provider, in the order of their numbers.

    What lies behind its service's last batch was left by a plan that broke off, and is nobody's.
    """
    prefix = _BATCHES if provider is None else f"{_BATCHES}{provider}#"
    last = _last_batches(replication_id)
    found = (_batch(item) for item in _items(replication_id, prefix))
    return (batch for batch in found if batch.batch <= last.get(batch.provider, 0))


def page_of_batches(replication_id: str, first: str) -> tuple[list[tuple[str, Batch]], str | None]:
    """Some batches from an item on, each with its item, and the item where the next page begins."""
    with transient_failures():
        reply = dynamodb().query(
            TableName=REPLICATIONS_TABLE_NAME,
            KeyConditionExpression="replication_id = :id AND #item BETWEEN :first AND :last",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={
                ":id": {"S": replication_id},
                ":first": {"S": first or _BATCHES},
                ":last": {"S": f"{_BATCHES}~"},
            },
            Limit=_A_PAGE + 1,
        )
    items = [(item["item"]["S"], _batch(to_values(item))) for item in reply["Items"]]
    following = None
    if reply.get("LastEvaluatedKey"):  # One more than a page was asked for; 1 MB at most is given.
        following, _ = items.pop()
    last = _last_batches(replication_id)
    found = [(name, one) for name, one in items if one.batch <= last.get(one.provider, 0)]
    return found, following


def _last_batches(replication_id: str) -> dict[str, int]:
    """By provider, the number of its service's last batch."""
    return {service.provider: service.batches for service in services_of(replication_id)}


def start_batch(batch: Batch, at: str) -> Batch | None:
    """Take a batch up, for the first time or again; None where somebody else has.

    Whoever worked on it before finds out that its attempt is over.
    """
    values: dict[str, Any] = {
        "attempt": batch.attempt + 1,
        "open": f"{batch.replication_id}#{batch.provider}",
        "put_off": False,
        "broken_off": batch.broken_off + (batch.attempt > 0 and not batch.put_off),
        "seen_at": at,
        "started_at": batch.started_at or at,
    }
    reply = _update_batch(batch, values, condition=_STILL_OPEN if batch.attempt else "")
    return batch.model_copy(update=values) if reply else None


def note_seen(batch: Batch, at: str) -> None:
    """Somebody has seen its worker alive."""
    _update_batch(batch, {"seen_at": at}, condition=_STILL_OPEN)


def record_outcome(
    batch: Batch,
    outcome: tuple[int, Outcome] | None,
    current: Current | None,
    at: str,
    put_off: bool,
) -> bool:
    """Note what has come of an entity, and which one is next; False where the attempt is over."""
    sets: dict[str, Any] = {"seen_at": at, "put_off": put_off, "current": _json(current)}
    if outcome is not None:
        sets["broken_off"] = 0
    return _update_batch(batch, sets, condition=_STILL_OPEN, outcome=outcome)


def close_batch(batch: Batch, outcomes: dict[str, Outcome], at: str, counts: Counts) -> bool:
    """End a batch all of whose entities have ended, and add them to its service, once.

    False where its attempt is over.
    """
    done = sum(one.state == "DONE" for one in outcomes.values())
    sums = {"done": done, "failed": len(outcomes) - done, "ended_batches": 1}
    names = {f"#{name}": name for name in [*sums, *counts]}
    values = {f":{name}": value for name, value in (sums | counts).items()}
    sets = [f"#{name} = #{name} + :{name}" for name in sums]
    sets += [f"#counts.#{one} = if_not_exists(#counts.#{one}, :none) + :{one}" for one in counts]
    service = {
        "TableName": REPLICATIONS_TABLE_NAME,
        "Key": _key(batch.replication_id, f"service#{batch.provider}"),
        "UpdateExpression": "SET " + ", ".join(sets),
        "ExpressionAttributeNames": names | ({"#counts": "counts"} if counts else {}),
        "ExpressionAttributeValues": to_attributes(values | ({":none": 0} if counts else {})),
    }
    stored = {number: one.model_dump(exclude_none=True) for number, one in outcomes.items()}
    ended = {
        "TableName": REPLICATIONS_TABLE_NAME,
        "Key": _key(batch.replication_id, _batch_item(batch.provider, batch.batch)),
        "UpdateExpression": "SET outcomes = :outcomes, ended_at = :at REMOVE #open, #current",
        "ConditionExpression": "#attempt = :attempt AND attribute_exists(#open)",
        "ExpressionAttributeNames": {
            "#open": "open",
            "#attempt": "attempt",
            "#current": "current",
        },
        "ExpressionAttributeValues": to_attributes(
            {":outcomes": stored, ":at": at, ":attempt": batch.attempt}
        ),
    }
    if not refused([{"Update": ended}, {"Update": service}]):
        return True
    stored_batch = get_batch(batch.replication_id, batch.provider, batch.batch)
    return stored_batch.open is None and stored_batch.attempt == batch.attempt


def take_up_again(batch: Batch, positions: Sequence[int], plan: int) -> None:
    """Note of failed entities that a plan has them; to note it again changes nothing."""
    sets = [f"outcomes.#p{n}.#state = :retried, outcomes.#p{n}.#plan = :plan" for n in positions]
    with transient_failures():
        dynamodb().update_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Key=_key(batch.replication_id, _batch_item(batch.provider, batch.batch)),
            UpdateExpression="SET " + ", ".join(sets),
            ExpressionAttributeNames={"#state": "state", "#plan": "plan"}
            | {f"#p{n}": str(n) for n in positions},
            ExpressionAttributeValues=to_attributes({":retried": "RETRIED", ":plan": plan}),
        )


def _update_batch(
    batch: Batch,
    values: dict[str, Any],
    *,
    condition: str,
    outcome: tuple[int, Outcome] | None = None,
) -> bool:
    names = {f"#{name}": name for name in values} | {"#attempt": "attempt", "#open": "open"}
    given = {f":{name}": value for name, value in values.items()} | {":own": batch.attempt}
    sets = [f"#{name} = :{name}" for name in values]
    if outcome is not None:
        position, what = outcome
        names |= {"#outcomes": "outcomes", "#position": str(position)}
        given[":outcome"] = what.model_dump(exclude_none=True)
        sets.append("#outcomes.#position = :outcome")
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Key=_key(batch.replication_id, _batch_item(batch.provider, batch.batch)),
            UpdateExpression="SET " + ", ".join(sets),
            ConditionExpression=f"#attempt = :own{condition}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_attributes(given),
        )
    )
    return reply is not None


# --- items


def _batch(values: dict[str, Any]) -> Batch:
    current = values.pop("current", None)
    return Batch.model_validate(values | {"current": json.loads(current) if current else None})


def _batch_values(batch: Batch) -> Attributes:
    values = batch.model_dump(mode="json", exclude={"current"}, exclude_none=True)
    key = _key(batch.replication_id, _batch_item(batch.provider, batch.batch))
    return key | to_attributes(values)


def _json(current: Current | None) -> str:
    """A cursor has fractions of seconds, which an item has no type for."""
    return "" if current is None else current.model_dump_json()


def _batch_item(provider: str, batch: int) -> str:
    return f"batch#{provider}#{batch:07}"


def _key(replication_id: str, item: str) -> Attributes:
    return {"replication_id": {"S": replication_id}, "item": {"S": item}}


def _of_run(run: int) -> dict[str, Any]:
    return {
        "ConditionExpression": "#run = :own_run",
        "ExpressionAttributeNames": {"#run": "run"},
        "ExpressionAttributeValues": {":own_run": {"N": str(run)}},
    }


def _get(replication_id: str, item: str) -> dict[str, Any] | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=REPLICATIONS_TABLE_NAME,
            Key=_key(replication_id, item),
            ConsistentRead=True,
        )
    found = reply.get("Item")
    return to_values(found) if found else None


def _items(replication_id: str, prefix: str) -> Iterator[dict[str, Any]]:
    yield from _query(
        KeyConditionExpression="replication_id = :id AND begins_with(#item, :prefix)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":id": {"S": replication_id}, ":prefix": {"S": prefix}},
        ConsistentRead=True,
    )


def _open(value: str) -> Iterator[dict[str, Any]]:
    yield from _query(
        IndexName="by_open",
        KeyConditionExpression="#open = :open",
        ExpressionAttributeNames={"#open": "open"},
        ExpressionAttributeValues={":open": {"S": value}},
    )


def _query(**arguments: Any) -> Iterator[dict[str, Any]]:
    pages = (
        dynamodb().get_paginator("query").paginate(TableName=REPLICATIONS_TABLE_NAME, **arguments)
    )
    with transient_failures():
        for page in pages:
            for item in page["Items"]:
                yield to_values(item)
