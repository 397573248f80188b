"""What an execution history tells: the path that was taken, and the errors on the way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

type Event = dict[str, Any]
type Sequence = list[Visit]


@dataclass
class Visit:
    """A state that was entered: the errors of its tries with the numbers of their events, what ran
    inside it, and whether it was left again.
    """

    name: str
    errors: list[tuple[int, str]] = field(default_factory=list)
    inside: list[Sequence] = field(default_factory=list)
    left: bool = False

    def told(self) -> list[Sequence]:
        """What ran inside; of a Parallel or a Map that has failed only what failed first: how far
        the others came, and with what they were stopped, is a matter of chance.
        """
        broken = [one for one in self.inside if one[-1].errors and not one[-1].left]
        return sorted(broken, key=lambda one: one[-1].errors[-1])[:1] or self.inside


def visits_of(history: list[Event]) -> Sequence:
    """The states of the execution itself, in the order in which they were entered."""
    by_id = {event["id"]: event for event in history}
    visits: dict[int, Visit] = {}
    sequences: dict[int, Sequence] = {}
    outermost: Sequence = []
    for event in history:
        if event["type"].endswith("StateEntered"):
            border = next((one for one in before(event, by_id) if _is_border(one)), None)
            if border is None:
                sequence = outermost
            elif border["type"].endswith("StateExited"):
                sequence = sequences[_entrance_of(border, by_id)]
            else:
                sequence = []
                visits[_container_of(border, history)].inside.append(sequence)
            sequences[event["id"]] = sequence
            visits[event["id"]] = Visit(details_of(event)["name"])
            sequence.append(visits[event["id"]])
        elif event["type"].endswith("StateExited"):
            visits[_entrance_of(event, by_id)].left = True
        elif is_failed_task(event):
            visits[_entrance_of(event, by_id)].errors.append((event["id"], error_of(event)))
    return outermost


def path_of(history: list[Event]) -> str:
    """The names of the states in the order in which they were entered, with ` > ` between them.

    What ran inside a Parallel or a Map follows its name in brackets, sorted, since its order is
    nobody's promise: `Take Calls (Claim Call > Store Call | Claim Call)`.
    """
    return _text(visits_of(history))


def errors_in(history: list[Event]) -> list[str]:
    """The errors of the tasks on the path."""
    return list(_errors(visits_of(history)))


def is_failed_task(event: Event) -> bool:
    kind = str(event["type"])
    return kind.startswith(("Task", "LambdaFunction")) and kind.endswith(("Failed", "TimedOut"))


def error_of(event: Event) -> str:
    return str(details_of(event)["error"])


def details_of(event: Event) -> dict[str, Any]:
    """What an event says besides its type; each type has it under a key of its own."""
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


def end_of(history: list[Event]) -> dict[str, Any]:
    """What the event says with which the execution failed. Others may come after it: what was
    stopped inside a Map.
    """
    [found] = [event for event in history if event["type"] == "ExecutionFailed"]
    return details_of(found)


def input_of(history: list[Event], state: str) -> Any:
    """What a state was given when it was entered first."""
    entered = (event for event in history if event["type"].endswith("StateEntered"))
    found = next(event for event in entered if details_of(event)["name"] == state)
    return json.loads(details_of(found)["input"])


def before(event: Event, by_id: dict[int, Event]) -> Iterator[Event]:
    """The events that led to this one, the last one first."""
    while event := by_id.get(event.get("previousEventId", 0), {}):
        yield event


def _text(sequence: Sequence) -> str:
    names = []
    for visit in sequence:
        inner = " | ".join(sorted(_text(one) for one in visit.told()))
        names.append(f"{visit.name} ({inner})" if inner else visit.name)
    return " > ".join(names)


def _errors(sequence: Sequence) -> Iterator[str]:
    for visit in sequence:
        yield from (error for _, error in visit.errors)
        for inner in visit.told():
            yield from _errors(inner)


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
        int(event["id"])
        for event in history
        if event["id"] < begin["id"]
        and event["type"] == "MapStateEntered"
        and details_of(event)["name"] == name
    )


def _entrance_of(event: Event, by_id: dict[int, Event]) -> int:
    """The entrance of the state to which an exit or a failure belongs."""
    name = details_of(event).get("name") if event["type"].endswith("StateExited") else None
    return next(
        int(one["id"])
        for one in before(event, by_id)
        if one["type"].endswith("StateEntered") and name in (None, details_of(one)["name"])
    )
