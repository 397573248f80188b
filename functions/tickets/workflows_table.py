"""The ticket workflows table: what the machine needs to know of a ticket, and nobody else.

One item for each ticket, beside its record so that none of this counts as a change of the ticket:

- `run`: the number of the execution that works for it; older ones step back;
- `task_token`: what completes its wait; it never leaves this table but to Step Functions;
- `outbox`: notices that somebody is still to get;
- `watched` and `attention_at`: when the machine should have looked at the ticket; after that the
  schedule does. What has ended is not watched.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.clients import dynamodb, transient_failures
from shared.items import to_attributes, to_values
from shared.times import format_time
from shared.writes import conditionally
from tickets.rules.ticket import Notice

WORKFLOWS_TABLE_NAME = os.environ["TICKET_WORKFLOWS_TABLE_NAME"]
INDEX = "by_attention"
PATIENCE = timedelta(seconds=60)
"""How long the machine may take to look at a change."""


class Workflow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ticket_id: str
    run: int
    restarts: int = 0
    task_token: str | None = None
    outbox: dict[str, Notice] = {}
    attention_at: str | None = None


def get_workflow(ticket_id: str) -> Workflow | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=WORKFLOWS_TABLE_NAME, Key=_key(ticket_id), ConsistentRead=True
        )
    item = reply.get("Item")
    return Workflow.model_validate(to_values(item)) if item else None


def creation(ticket_id: str, moment: datetime) -> dict[str, Any]:
    """The part of a transaction that makes the item of a new ticket."""
    return {
        "Put": {
            "TableName": WORKFLOWS_TABLE_NAME,
            "Item": _key(ticket_id)
            | to_attributes(
                {"run": 1, "restarts": 0, "outbox": {}, "watched": "yes"}
                | {"attention_at": format_time(moment + PATIENCE)}
            ),
            "ConditionExpression": "attribute_not_exists(ticket_id)",
        }
    }


def change_noted(
    ticket_id: str,
    notices: Sequence[Notice],
    moment: datetime,
    *,
    run: int | None = None,
    new_run: bool = False,
) -> dict[str, Any]:
    """The part of a transaction that has the machine look at a change, and its notices sent.

    With `run` it holds only for that execution; `new_run` is for one that is to be started.
    """
    sets = ["watched = :yes", "attention_at = :attention"]
    names: dict[str, str] = {"#run": "run"} if new_run or run is not None else {}
    values: dict[str, Any] = {":yes": "yes", ":attention": format_time(moment + PATIENCE)}
    for number, notice in enumerate(notices):
        names[f"#n{number}"] = notice.notice_id
        values[f":n{number}"] = notice.model_dump()
        sets.append(f"outbox.#n{number} = :n{number}")
    if new_run:
        values[":one"] = 1
        sets.append("#run = #run + :one")
    if run is not None:
        values[":run"] = run
    condition = "attribute_exists(ticket_id)" + ("" if run is None else " AND #run = :run")
    return {
        "Update": {
            "TableName": WORKFLOWS_TABLE_NAME,
            "Key": _key(ticket_id),
            "UpdateExpression": "SET " + ", ".join(sets),
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_attributes(values),
        }
        | ({"ExpressionAttributeNames": names} if names else {})
    }


def next_run(ticket_id: str, run: int, moment: datetime, *, restart: bool = False) -> bool:
    """Take the number of the next execution; False where somebody has done so."""
    return _update(
        ticket_id,
        run,
        "SET #run = :next, restarts = restarts + :restart, attention_at = :attention "
        "REMOVE task_token",
        {
            ":next": run + 1,
            ":restart": int(restart),
            ":attention": format_time(moment + PATIENCE),
        },
    )


def look_again(ticket_id: str, run: int, at: str) -> bool:
    """Have the schedule look at the ticket, but not before that time."""
    return _update(
        ticket_id, run, "SET watched = :yes, attention_at = :at", {":yes": "yes", ":at": at}
    )


def end_watch(ticket_id: str, run: int) -> bool:
    """The ticket has ended, and everybody is told."""
    return _update(
        ticket_id,
        run,
        "REMOVE watched, attention_at, task_token SET restarts = :none",
        {":none": 0},
    )


def take_out(ticket_id: str, notice_id: str) -> None:
    """A notice is sent."""
    with transient_failures():
        dynamodb().update_item(
            TableName=WORKFLOWS_TABLE_NAME,
            Key=_key(ticket_id),
            UpdateExpression="REMOVE outbox.#notice",
            ExpressionAttributeNames={"#notice": notice_id},
        )


def overdue(until: str, limit: int) -> list[str]:
    """Ids of tickets that the machine should have looked at, the longest overdue first."""
    with transient_failures():
        reply = dynamodb().query(
            TableName=WORKFLOWS_TABLE_NAME,
            IndexName=INDEX,
            KeyConditionExpression="watched = :yes AND attention_at <= :until",
            ExpressionAttributeValues={":yes": {"S": "yes"}, ":until": {"S": until}},
            Limit=limit,
        )
    return [item["ticket_id"]["S"] for item in reply["Items"]]


def _update(ticket_id: str, run: int, expression: str, values: Mapping[str, Any]) -> bool:
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=WORKFLOWS_TABLE_NAME,
            Key=_key(ticket_id),
            UpdateExpression=expression,
            ConditionExpression="#run = :run",
            ExpressionAttributeNames={"#run": "run"},
            ExpressionAttributeValues=to_attributes({":run": run, **values}),
        )
    )
    return reply is not None


def _key(ticket_id: str) -> dict[str, Any]:
    return {"ticket_id": {"S": ticket_id}}
