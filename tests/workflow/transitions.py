"""Which transitions of the state machines were taken, as execution histories tell it.

A history does not say why a state followed another. Where two ways lead to the same state, such as
a Next and a Catch, the event before the exit tells which it was: a failure means the Catch.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.asl import Transition, machines, scopes

START, END = "(start)", "(end)"

type Event = dict[str, Any]


def all_transitions(machine: str) -> list[Transition]:
    """Every way through the machine, with the begin and the end of it and of what it contains."""
    ways: list[Transition] = []
    for scope in scopes(machine, machines()[machine]):
        ways.append(Transition(START, scope.start_at, "StartAt"))
        ways += scope.transitions()
        ways += [
            Transition(name, END, "End") for name, state in scope.states.items() if state.get("End")
        ]
    return ways


def taken(machine: str, history: list[Event]) -> Counter[Transition]:
    """The transitions that one execution took."""
    states = {
        name: state
        for scope in scopes(machine, machines()[machine])
        for name, state in scope.states.items()
    }
    by_id = {event["id"]: event for event in history}
    found: Counter[Transition] = Counter()
    for event in history:
        if event["type"].endswith("StateEntered"):
            name = event["stateEnteredEventDetails"]["name"]
            exit_ = next((e for e in _before(event, by_id) if _is_border(e)), None)
            if exit_ is None or not exit_["type"].endswith("StateExited"):
                found[Transition(START, name, "StartAt")] += 1
            else:
                source = exit_["stateExitedEventDetails"]["name"]
                by = _way(states[source], name, exit_, by_id)
                found[Transition(source, name, by)] += 1
        elif event["type"].endswith("StateExited"):
            name = event["stateExitedEventDetails"]["name"]
            if states[name].get("End"):
                found[Transition(name, END, "End")] += 1
    return found


def _way(state: dict[str, Any], target: str, exit_: Event, by_id: dict[int, Event]) -> str:
    failure = _failure_before(exit_, by_id)
    if failure is not None:
        for number, catcher in enumerate(state.get("Catch", [])):
            if catcher["Next"] == target and {failure, "States.ALL"} & set(catcher["ErrorEquals"]):
                return f"Catch[{number}]"
    for number, choice in enumerate(state.get("Choices", [])):
        if choice["Next"] == target:
            return f"Choices[{number}]"
    return "Default" if state.get("Default") == target else "Next"


def _failure_before(exit_: Event, by_id: dict[int, Event]) -> str | None:
    """The error with which a state was left, None when it succeeded."""
    event = next(_before(exit_, by_id), None)
    if event is None or not event["type"].endswith(("Failed", "TimedOut", "Aborted")):
        return None
    details: dict[str, Any] = next((v for k, v in event.items() if k.endswith("Details")), {})
    return str(details.get("error", "States.ALL"))


def _before(event: Event, by_id: dict[int, Event]) -> Iterator[Event]:
    while event := by_id.get(event.get("previousEventId", 0), {}):
        yield event


def _is_border(event: Event) -> bool:
    """The end of a state, or the begin of what lies inside one."""
    return event["type"].endswith("StateExited") or event["type"] in (
        "ExecutionStarted",
        "ParallelStateStarted",
        "MapIterationStarted",
    )


class Coverage:
    """Counts over many executions."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[Transition]] = {name: Counter() for name in machines()}

    def add(self, machine: str, history: list[Event]) -> None:
        self._counts[machine] += taken(machine, history)

    def untaken(self) -> list[str]:
        return [
            f"{machine}: {way.source} -> {way.target} ({way.by})"
            for machine in self._counts
            for way in all_transitions(machine)
            if not self._counts[machine][way]
        ]

    def unknown(self) -> list[str]:
        """What histories show and definitions do not: a mistake in here or in the engine."""
        return [
            f"{machine}: {way.source} -> {way.target} ({way.by})"
            for machine, counts in self._counts.items()
            for way in sorted(set(counts) - set(all_transitions(machine)), key=str)
        ]

    def table(self) -> list[str]:
        lines = [f"{'machine':24} {'transitions':>11} {'taken':>6} {'share':>7}"]
        for machine, counts in self._counts.items():
            ways = all_transitions(machine)
            hits = sum(1 for way in ways if counts[way])
            lines.append(f"{machine:24} {len(ways):11} {hits:6} {hits / len(ways):7.1%}")
        lines += [f"not taken  {way}" for way in self.untaken()]
        return lines + [f"unknown    {way}" for way in self.unknown()]
