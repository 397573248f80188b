"""What histories of tickets prove: that they are complete and in order, that a ticket was one
person's at a time, and that nobody had more tickets than they have room for.

An entry is an item of the history table as plain values.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.times import parse_time

type Entry = dict[str, Any]

GIVEN = {"assigned", "reassigned"}
TAKEN = {
    *("declined", "returned", "reassigned", "resolved", "escalated", "merged"),
    "escalation_exhausted",
}
_STATE_AFTER = {"assigned": "ASSIGNED", "returned": "QUEUED", "escalated": "QUEUED"}
_MOVES = {
    *("created", "opened", "waits", "accepted", "declined", "pending", "resumed", "no_answer"),
    *("resolved", "closed", "reopened", "merged", "escalation_exhausted"),
}
"""What tells of a state before and after."""

SECONDS_TO_STORE = 2
"""How long after its time a change may be stored: it is on its way, or was refused and repeated."""


@dataclass(frozen=True)
class Holding:
    """A ticket in somebody's hands, from one second to another; to none while they have it."""

    representative_id: str
    ticket_id: str
    begin: float
    end: float | None = None


def place_of(entry: Entry) -> tuple[int, int]:
    """The version that the entry belongs to, and its number within it."""
    version, number = entry["entry"].split("#")
    return int(version), int(number)


def faults_of(entries: Sequence[Entry], version: int) -> Iterator[str]:
    """What is missing in the history of a ticket of that version, or not in order."""
    places = [place_of(entry) for entry in entries]
    if places != sorted(places):
        yield "it is not in order"
    if sorted({place[0] for place in places}) != list(range(1, version + 1)):
        yield f"it has not each version up to {version}"
    for number in range(1, version + 1):
        numbers = [place[1] for place in places if place[0] == number]
        if numbers != list(range(len(numbers))):
            yield f"version {number} has entries {numbers}"
    times = [entry["at"] for entry in entries]
    if times != sorted(times):
        yield f"time goes backwards: {times}"
    yield from _faults_of_states(entries)


def _faults_of_states(entries: Iterable[Entry]) -> Iterator[str]:
    state = None
    for entry in entries:
        event = entry["event"]
        if not entry["by"] or not event:
            yield f"{event} says not who did what"
        if event in GIVEN and entry.get("after") is None and entry.get("before") is None:
            yield f"{event} says not from whom, nor to whom"
        if event in _MOVES:
            if entry.get("before") != state:
                yield f"{event} comes from {entry.get('before')}, but it was {state}"
            state = entry.get("after")
            if state is None:
                yield f"{event} says not what it leads to"
        state = _STATE_AFTER.get(event, state)


def holdings_of(ticket_id: str, entries: Iterable[Entry]) -> Iterator[Holding]:
    """Who had the ticket, and when. Raises AssertionError where two would have had it at once."""
    held: Holding | None = None
    for entry in entries:
        event, at = entry["event"], parse_time(entry["at"]).timestamp()
        if event in TAKEN and held is not None:
            yield Holding(held.representative_id, ticket_id, held.begin, at)
            held = None
        if event in GIVEN and entry.get("after"):
            assert held is None, f"given to {entry['after']} while {held} had it"
            held = Holding(entry["after"], ticket_id, at)
    if held is not None:
        yield held


def most_at_once(holdings: Iterable[Holding], seconds_to_store: int = 0) -> dict[str, int]:
    """How many tickets each representative had at once, at the most.

    Times are whole seconds, rounded up, and taken a moment before the change is stored. With
    `seconds_to_store`, somebody counts as having a ticket only when, within so many seconds, they
    must have had it: nothing but too many can make that too many.
    """
    steps: dict[str, list[tuple[float, int]]] = {}
    for one in holdings:
        begin = one.begin + seconds_to_store
        end = one.end - 1 if one.end is not None and seconds_to_store else one.end
        if end is None or begin < end:
            mine = steps.setdefault(one.representative_id, [])
            mine += [(begin, 1)] if end is None else [(begin, 1), (end, -1)]
    most: dict[str, int] = {}
    for who, mine in steps.items():
        load, most[who] = 0, 0
        for _, step in sorted(mine):
            load += step
            most[who] = max(most[who], load)
    return most
