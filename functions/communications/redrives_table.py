"""The redrives table: who had what redriven, when, how many, and what came of it.

A run has the item `run`, and `batch#<number>` for each of its batches. The index `by_started` lists
the runs.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from communications.rules.redrive_outcomes import Report, added, text_of
from shared.clients import dynamodb, transient_failures
from shared.items import to_attributes, to_values
from shared.writes import conditionally, refused

REDRIVES_TABLE_NAME = os.environ["REDRIVES_TABLE_NAME"]

type RunState = Literal["REQUESTED", "RUNNING", "FINISHED", "STOPPED", "FAILED"]


class Target(TypedDict):
    """A communication to be redriven, if it still is what it was when it was listed."""

    communication_id: str
    version: int


class Batch(TypedDict):
    """What one execution of `communications_redrive` works on."""

    run_id: str
    batch: int
    communications: list[Target]


def create_run(run_id: str, values: Mapping[str, Any]) -> bool:
    """Store a run; False when there is one with its id."""
    reply = conditionally(
        lambda: dynamodb().put_item(
            TableName=REDRIVES_TABLE_NAME,
            Item=_key(run_id, "run") | to_attributes({"kind": "run", **values}),
            ConditionExpression="attribute_not_exists(run_id)",
        )
    )
    return reply is not None


def get_run(run_id: str) -> dict[str, Any] | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=REDRIVES_TABLE_NAME, Key=_key(run_id, "run"), ConsistentRead=True
        )
    item = reply.get("Item")
    return to_values(item) if item else None


def update_run(run_id: str, **values: Any) -> bool:
    """Change a run that has not ended; False where it has."""
    return _update(run_id, "run", values)


def create_batches(batches: Sequence[Batch], stage: int) -> bool:
    """Store all batches of a stage, or none: False where somebody has stored some of them before.

    There are a hundred at most, as many as a transaction takes.
    """
    puts: list[Any] = [
        {
            "Put": {
                "TableName": REDRIVES_TABLE_NAME,
                "Item": to_attributes(
                    {
                        **batch,
                        "item": _batch_item(batch["batch"]),
                        "stage": stage,
                        "state": "RUNNING",
                    }
                ),
                "ConditionExpression": "attribute_not_exists(run_id)",
            }
        }
        for batch in batches
    ]
    return not refused(puts)


def update_batch(run_id: str, batch: int, **values: Any) -> bool:
    """Change a batch that has not ended; False where it has."""
    return _update(run_id, _batch_item(batch), values)


def end_run_of_ended_batches(run_id: str) -> None:
    """End a run whose last batch has ended; a canary is ended by its own machine."""
    run, batches = get_run(run_id), get_batches(run_id)
    states = {str(batch["state"]) for batch in batches}
    if run is None or run["canary"] or "RUNNING" in states:
        return
    report = report_of_batches(batches)
    update_run(
        run_id,
        state="FAILED" if "FAILED" in states else "FINISHED",
        outcome=text_of(report, f"Redrive {run_id}"),
    )


def get_batches(run_id: str) -> list[dict[str, Any]]:
    """A run's batches, in order."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=REDRIVES_TABLE_NAME,
            ConsistentRead=True,
            KeyConditionExpression="run_id = :run_id AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={":run_id": {"S": run_id}, ":prefix": {"S": "batch#"}},
        )
    )
    with transient_failures():
        return [to_values(item) for page in pages for item in page["Items"]]


def page_of_runs(
    limit: int, start: dict[str, Any] | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """One page of the runs, the latest first, and the key where the next one begins."""
    begin: Any = {"ExclusiveStartKey": start} if start else {}
    with transient_failures():
        reply = dynamodb().query(
            TableName=REDRIVES_TABLE_NAME,
            IndexName="by_started",
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": "run"}},
            ScanIndexForward=False,
            Limit=limit,
            **begin,
        )
    return [to_values(item) for item in reply["Items"]], reply.get("LastEvaluatedKey")


def as_batch(stored: Mapping[str, Any]) -> Batch:
    """A stored batch as an execution takes it."""
    return {
        "run_id": str(stored["run_id"]),
        "batch": int(stored["batch"]),
        "communications": [
            {"communication_id": str(t["communication_id"]), "version": int(t["version"])}
            for t in stored["communications"]
        ],
    }


def report_of_batches(batches: Sequence[Mapping[str, Any]]) -> Report:
    """What came of these batches so far, as one report."""
    return added([_plain_report(batch["report"]) for batch in batches if "report" in batch])


def _plain_report(report: Mapping[str, Any]) -> Report:
    return {
        "total": int(report["total"]),
        "counts": {name: int(number) for name, number in report["counts"].items()},
        "causes": {name: int(number) for name, number in report["causes"].items()},
        "unconfirmed": int(report["unconfirmed"]),
    }


def _key(run_id: str, item: str) -> dict[str, Any]:
    return {"run_id": {"S": run_id}, "item": {"S": item}}


def _batch_item(number: int) -> str:
    return f"batch#{number:05}"


def _update(run_id: str, item: str, values: Mapping[str, Any]) -> bool:
    names = {f"#{name}": name for name in values} | {"#state": "state"}
    attributes = {f":{name}": value for name, value in values.items()}
    attributes |= {":requested": "REQUESTED", ":running": "RUNNING"}
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=REDRIVES_TABLE_NAME,
            Key=_key(run_id, item),
            ConditionExpression="#state IN (:requested, :running)",
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_attributes(attributes),
        )
    )
    return reply is not None
