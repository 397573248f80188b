"""The tickets table and its history: every change is one transaction over all that it touches.

A ticket's item has a column for each index besides its record: `phase` (open or ended) by
`number`, `customer_id` by `number`, `assignee` by `number`, and, while nobody has the
ticket, `waiting` by `serve_by`. The history has an item for each thing that happened; it is only
ever added to.
"""

import os
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.clients import dynamodb, transient_failures
from shared.errors import TransientError
from shared.items import to_attributes, to_values
from shared.observability import count, logger
from shared.times import now
from shared.writes import CANCELLED, refused
from tickets.representatives_table import load_update
from tickets.rules.ticket import ENDED, WAITS_FOR_SOMEBODY, Change, Entry, Ticket
from tickets.workflows_table import change_noted, creation

TICKETS_TABLE_NAME = os.environ["TICKETS_TABLE_NAME"]
HISTORY_TABLE_NAME = os.environ["TICKET_HISTORY_TABLE_NAME"]

FAR = "9999"
"""Until when a ticket is to be served of which nothing is promised: behind every time."""

_MOST_COLLISIONS = 5

MOST_CONFLICTS = 20
"""How often a change is tried on what others leave."""

_READ_AT_ONCE = 200
_WAITING_AT_ONCE = 50
"""Most who ask need the first few alone."""

_MOST_READS_OF_A_PAGE = 10

type Attributes = dict[str, Any]


class RepresentativeFull(Exception):
    """Whoever was to get a ticket has as many as they can have, or is not there any more."""


class RunOver(Exception):
    """Another execution works for the ticket by now."""


class WaitingTicket(BaseModel):
    """A ticket that waits for somebody, as the index has it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ticket_id: str
    tier: int
    required_skills: tuple[str, ...] = ()
    declined_by: tuple[str, ...] = ()
    returned_by: tuple[str, ...] = ()
    preferred: str | None = None
    serve_by: str


def as_waiting(ticket: Ticket) -> WaitingTicket:
    """A ticket as the index will have it."""
    return WaitingTicket.model_validate(
        ticket.model_dump(exclude_none=True) | {"serve_by": serve_by(ticket)}
    )


def serve_by(ticket: Ticket) -> str:
    return ticket.due_at or FAR


# --- reading


def get(ticket_id: str) -> Ticket | None:
    item = _item_of(ticket_id)
    return Ticket.model_validate(to_values(item)) if item else None


def get_entry(ticket_id: str, version: int) -> Entry | None:
    """The first entry of the change that made that version."""
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=HISTORY_TABLE_NAME,
            Key=_entry_key(ticket_id, version, 0),
            ConsistentRead=True,
        )
    item = reply.get("Item")
    return Entry.model_validate(to_values(item)) if item else None


def page_of_history(
    ticket_id: str, limit: int, after: str | None = None
) -> tuple[list[Entry], str | None]:
    """What happened to a ticket, the first first, and after which entry the next page begins."""
    begin: Any = {"ExclusiveStartKey": _key(ticket_id) | {"entry": {"S": after}}} if after else {}
    with transient_failures():
        reply = dynamodb().query(
            TableName=HISTORY_TABLE_NAME,
            KeyConditionExpression="ticket_id = :ticket_id",
            ExpressionAttributeValues={":ticket_id": {"S": ticket_id}},
            ConsistentRead=True,
            Limit=limit,
            **begin,
        )
    following = reply.get("LastEvaluatedKey")
    entries = [
        Entry.model_validate(to_values(item) | {"version": int(item["entry"]["S"][:-3])})
        for item in reply["Items"]
    ]
    return entries, following["entry"]["S"] if following else None


def waiting() -> Iterator[WaitingTicket]:
    """Tickets that wait for somebody, the one whose promise is due first before all others."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=TICKETS_TABLE_NAME,
            IndexName="by_due",
            KeyConditionExpression="waiting = :yes",
            ExpressionAttributeValues={":yes": {"S": "yes"}},
            PaginationConfig={"PageSize": _WAITING_AT_ONCE},
        )
    )
    with transient_failures():
        for page in pages:
            for item in page["Items"]:
                yield WaitingTicket.model_validate(to_values(item))


def page_of(
    index: str,
    column: str,
    value: str,
    *,
    equal: Mapping[str, str],
    limit: int,
    start: Attributes | None,
) -> tuple[list[dict[str, Any]], Attributes | None]:
    """One page of an index, the latest first, and the key where the next one begins.

    `equal` names columns and the values they must have. What they leave out costs reading all the
    same, so a page may be shorter than its limit, or empty, with more to come.
    """
    found: list[Attributes] = []
    for number, (items, following) in enumerate(
        _reads(index, column, value, equal, limit, start), 1
    ):
        found += items
        if len(found) > limit:
            last, keys = found[limit - 1], _KEYS[index]
            return _values(found[:limit]), {name: last[name] for name in keys}
        if len(found) == limit or number == _MOST_READS_OF_A_PAGE:
            return _values(found), following
    return _values(found), None


_KEYS = {
    "by_phase": ("ticket_id", "phase", "number"),
    "by_customer": ("ticket_id", "customer_id", "number"),
    "by_assignee": ("ticket_id", "assignee", "number"),
}
"""The keys of a place in each index that is read page by page."""


def _reads(
    index: str,
    column: str,
    value: str,
    equal: Mapping[str, str],
    limit: int,
    start: Attributes | None,
) -> Iterator[tuple[list[Attributes], Attributes | None]]:
    arguments: dict[str, Any] = {
        "TableName": TICKETS_TABLE_NAME,
        "IndexName": index,
        "KeyConditionExpression": "#column = :value",
        "ExpressionAttributeNames": {"#column": column} | {f"#{name}": name for name in equal},
        "ExpressionAttributeValues": to_attributes(
            {":value": value} | {f":{name}": wanted for name, wanted in equal.items()}
        ),
        "ScanIndexForward": False,
        "Limit": _READ_AT_ONCE if equal else limit + 1,
    }
    if equal:
        arguments["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in equal)
    while True:
        begin: Any = {"ExclusiveStartKey": start} if start else {}
        with transient_failures():
            reply = dynamodb().query(**arguments, **begin)
        start = reply.get("LastEvaluatedKey")
        yield list(reply["Items"]), start
        if start is None:
            return


# --- writing


def create(ticket: Ticket, entry: Entry) -> bool:
    """Store a new ticket; False when there is one with its id."""
    write_id = uuid.uuid4().hex
    parts = [
        _put(ticket, write_id, "attribute_not_exists(ticket_id)"),
        _added(ticket, 0, entry),
        creation(ticket.ticket_id, now()),
    ]
    return not _written(parts) or _is_stored(ticket.ticket_id, write_id)


def change(
    ticket_id: str,
    rule: Callable[[Ticket], Change | None],
    *,
    run: int | None = None,
    seen: Ticket | None = None,
) -> Ticket:
    """Apply a rule to a ticket as it is, and store what it gives; the ticket as it is then.

    Where somebody else was faster, the rule is applied again to what they left. With `run` only
    that execution may do this: RunOver where another one works for the ticket. `seen` is what
    the caller has just read.
    """
    for attempt in range(MOST_CONFLICTS):
        before = seen if seen is not None and not attempt else get(ticket_id)
        if before is None:
            raise LookupError("there is no ticket with this id")
        made = rule(before)
        if made is None:
            return before
        if save(made, run=run):
            return made.after
    raise TransientError("Conflict", "others keep changing the ticket")


def save(*changes: Change, run: int | None = None, new_run: bool = False) -> bool:
    """Store changes, all or none; False where a ticket is not any more what was changed.

    Whoever gets or loses a ticket gets or loses it in the same transaction. Raises
    RepresentativeFull where somebody has no room, RunOver where `run` is not the ticket's.
    """
    write_id, moment = uuid.uuid4().hex, now()
    tickets = [
        _put(made.after, write_id, "#version = :version", made.before.version) for made in changes
    ]
    history = [
        _added(made.after, number, entry)
        for made in changes
        for number, entry in enumerate(made.entries)
    ]
    workflows = [
        change_noted(made.after.ticket_id, made.notices, moment, run=run, new_run=new_run)
        for made in changes
    ]
    turn = int(moment.timestamp() * 1_000_000)
    moved = sorted(_moved(changes).items())
    first_workflow, first_load = len(tickets + history), len(tickets + history + workflows)
    while True:
        loads = [load_update(who, difference, turn) for who, difference in moved]
        unmet = _written([*tickets, *history, *workflows, *loads])
        if not unmet or _is_stored(changes[0].after.ticket_id, write_id):
            return True
        if any(number < first_workflow for number in unmet):
            return False
        if any(number < first_load for number in unmet):
            raise RunOver("another execution works for the ticket")
        if any(moved[number - first_load][1] > 0 for number in unmet):
            raise RepresentativeFull("whoever was to get the ticket has no room")
        # A load that says nothing of this ticket must not keep it where it is.
        moved = [one for number, one in enumerate(moved, first_load) if number not in unmet]
        count("LoadWrong")
        logger.error("a representative's load was too low")


def _moved(changes: Sequence[Change]) -> dict[str, int]:
    """Who has how many tickets more, or less."""
    moved: dict[str, int] = {}
    for made in changes:
        for who, difference in ((made.before.assignee, -1), (made.after.assignee, 1)):
            if who is not None:
                moved[who] = moved.get(who, 0) + difference
    return {who: difference for who, difference in moved.items() if difference}


def _written(parts: list[Any]) -> list[int]:
    """Write a transaction; the numbers of those parts whose conditions did not hold.

    Two at once on the same item, such as a representative whom two tickets could go to, is nothing
    unusual: DynamoDB refuses one, which waits a moment and tries again.
    """
    for attempt in range(_MOST_COLLISIONS - 1):
        try:
            return refused(parts)
        except TransientError as error:
            if error.code != CANCELLED:
                raise
        time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - only to part them
    return refused(parts)


def _is_stored(ticket_id: str, write_id: str) -> bool:
    """Whether this very write is there: its first reply was lost, and it met itself."""
    item = _item_of(ticket_id) or {}
    return bool(item.get("write_id", {}).get("S") == write_id)


def _put(
    ticket: Ticket, write_id: str, condition: str, version: int | None = None
) -> dict[str, Any]:
    put: dict[str, Any] = {
        "TableName": TICKETS_TABLE_NAME,
        "Item": _item(ticket) | {"write_id": {"S": write_id}},
        "ConditionExpression": condition,
    }
    if version is not None:
        put["ExpressionAttributeNames"] = {"#version": "version"}
        put["ExpressionAttributeValues"] = {":version": {"N": str(version)}}
    return {"Put": put}


def _added(ticket: Ticket, number: int, entry: Entry) -> dict[str, Any]:
    item = _entry_key(ticket.ticket_id, ticket.version, number)
    return {
        "Put": {
            "TableName": HISTORY_TABLE_NAME,
            "Item": item | to_attributes(entry.model_dump(exclude_none=True)),
            "ConditionExpression": "attribute_not_exists(ticket_id)",
        }
    }


def _item(ticket: Ticket) -> Attributes:
    values = ticket.model_dump(mode="json", exclude_none=True)
    values["phase"] = "ended" if ticket.state in ENDED else "open"
    if ticket.state in WAITS_FOR_SOMEBODY:
        values |= {"waiting": "yes", "serve_by": serve_by(ticket)}
    return to_attributes(values)


def _values(items: Iterable[Attributes]) -> list[dict[str, Any]]:
    return [to_values(item) for item in items]


def _item_of(ticket_id: str) -> Attributes | None:
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=TICKETS_TABLE_NAME, Key=_key(ticket_id), ConsistentRead=True
        )
    return reply.get("Item")


def _key(ticket_id: str) -> Attributes:
    return {"ticket_id": {"S": ticket_id}}


def _entry_key(ticket_id: str, version: int, number: int) -> Attributes:
    return _key(ticket_id) | {"entry": {"S": f"{version:06}#{number:02}"}}
