"""What an execution history tells: the path that was taken, and the errors on the way."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

type Event = dict[str, Any]

FAILURES = ("Failed", "TimedOut")


def path_of(history: list[Event]) -> str:
    """The names of the states in the order in which they were entered, with ` > ` between them.

    What ran inside a Parallel or a Map follows its name in brackets, sorted, since its order is
    nobody's promise: `Take Calls (Claim Call > Store Call | Claim Call)`. Where a branch or an
    iteration has failed, only that one is told: how far the others came before they were stopped is
    a matter of chance.
    """
    by_id = {event["id"]: event for event in history}
    sequences: dict[int, list[Event]] = {}
    inside: dict[int | None, list[list[Event]]] = defaultdict(list)
    for event in history:
        if not event["type"].endswith("StateEntered"):
            continue
        border = next((one for one in before(event, by_id) if _is_border(one)), None)
        if border is not None and border["type"].endswith("StateExited"):
            sequence = sequences[_entrance_of(border, by_id)["id"]]
        else:
            sequence = []
            inside[border and _container_of(border, history)].append(sequence)
        sequence.append(event)
        sequences[event["id"]] = sequence
    failed = {
        _entrance_of(event, by_id)["id"]
        for event in history
        if _is_failure(event) and not event["type"].startswith(("Execution", "Map", "Parallel"))
    }
    [outermost] = inside[None]
    return _told(outermost, inside, failed, _left(history, by_id))


def errors_in(history: list[Event]) -> list[str]:
    """The errors with which tasks failed, in order."""
    return [error_of(event) for event in history if is_failed_task(event)]


def is_failed_task(event: Event) -> bool:
    return _is_failure(event) and event["type"].startswith(("Task", "LambdaFunction"))


def error_of(event: Event) -> str:
    return str(details_of(event)["error"])


def details_of(event: Event) -> dict[str, Any]:
    """What an event says besides its type; each type has it under a key of its own."""
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


def input_of(history: list[Event], state: str) -> Any:
    """What a state was given when it was entered first."""
    entered = (event for event in history if event["type"].endswith("StateEntered"))
    found = next(event for event in entered if details_of(event)["name"] == state)
    return json.loads(details_of(found)["input"])


def before(event: Event, by_id: dict[int, Event]) -> Iterator[Event]:
    """The events that led to this one, the last one first."""
    while event := by_id.get(event.get("previousEventId", 0), {}):
        yield event


def _told(
    sequence: list[Event],
    inside: dict[int | None, list[list[Event]]],
    failed: set[int],
    left: set[int],
) -> str:
    """A sequence of states as text."""
    names = []
    for event in sequence:
        inner = inside.get(event["id"], [])
        broken = [one for one in inner if one[-1]["id"] in failed - left]
        texts = sorted(_told(one, inside, failed, left) for one in broken or inner)
        name = details_of(event)["name"]
        names.append(f"{name} ({' | '.join(texts)})" if texts else name)
    return " > ".join(names)


def _left(history: list[Event], by_id: dict[int, Event]) -> set[int]:
    """The entrances of the states that were left again."""
    return {
        _entrance_of(event, by_id)["id"]
        for event in history
        if event["type"].endswith("StateExited")
    }


def _is_failure(event: Event) -> bool:
    return bool(event["type"].endswith(FAILURES))


def _is_border(event: Event) -> bool:
    """The exit of a state, or the begin of what lies inside one."""
    ends = ("StateEntered", "StateExited", "MapIterationStarted")
    return bool(event["type"].endswith(ends))


def _container_of(begin: Event, history: list[Event]) -> int:
    """The entrance of the Parallel or Map inside which something begins. The events before an
    iteration do not tell: at LocalStack they are those of the iteration before it.
    """
    if begin["type"] != "MapIterationStarted":
        return int(begin["id"])
    name = details_of(begin)["name"]
    return max(
        event["id"]
        for event in history
        if event["id"] < begin["id"]
        and event["type"] == "MapStateEntered"
        and details_of(event)["name"] == name
    )


def _entrance_of(event: Event, by_id: dict[int, Event]) -> Event:
    """The entrance of the state to which an event belongs."""
    name = details_of(event).get("name") if event["type"].endswith("StateExited") else None
    return next(
        one
        for one in before(event, by_id)
        if one["type"].endswith("StateEntered") and name in (None, details_of(one)["name"])
    )
