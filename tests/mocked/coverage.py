"""The ways through a machine that mocked paths have to take: its transitions, and each retrier of
each state, which was taken when it met an error and the state was tried again.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.asl import Transition, machines, scopes
from tests.mocked.paths import Event, before, details_of, error_of, is_failed_task
from tests.workflow.transitions import all_transitions, taken


def all_ways(machine: str) -> list[Transition]:
    retriers = [
        Transition(name, name, f"Retry[{number}]")
        for name, state in _states(machine).items()
        for number, _ in enumerate(state.get("Retry", []))
    ]
    return all_transitions(machine) + retriers


def untaken(machine: str, histories: Iterable[list[Event]]) -> set[str]:
    """The ways that no execution has taken, and any that one has and the machine does not."""
    found: Counter[Transition] = Counter()
    for history in histories:
        found += taken(machine, history) + _retries(machine, history)
    return {
        f"{machine}: {way.source} -> {way.target} ({way.by})"
        for way in set(all_ways(machine)) ^ set(found)
    }


def _retries(machine: str, history: list[Event]) -> Counter[Transition]:
    """The retriers that had a state tried again, where it succeeded in the end."""
    states, by_id = _states(machine), {event["id"]: event for event in history}
    found: Counter[Transition] = Counter()
    for event in history:
        if event["type"] != "TaskStateExited":
            continue
        name = details_of(event)["name"]
        for failure in _overcome(event, by_id):
            retriers = enumerate(states[name].get("Retry", []))
            number = next(n for n, one in retriers if error_of(failure) in one["ErrorEquals"])
            found[Transition(name, name, f"Retry[{number}]")] += 1
    return found


def _overcome(exit_: Event, by_id: dict[int, Event]) -> list[Event]:
    """The failures of a task that succeeded after them."""
    failures: list[Event] = []
    for number, event in enumerate(before(exit_, by_id)):
        if event["type"].endswith("StateEntered"):
            break
        if is_failed_task(event):
            if number == 0:
                return []
            failures.append(event)
    return failures


def _states(machine: str) -> dict[str, dict[str, Any]]:
    return {
        name: state
        for scope in scopes(machine, machines()[machine])
        for name, state in scope.states.items()
    }
