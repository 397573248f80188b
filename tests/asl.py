"""Walks state machines: every state with its machine, and every transition there is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "statemachine"


@dataclass(frozen=True)
class Transition:
    """A way from one state to another; `by` is Next, Default, a choice's or a catcher's number."""

    source: str
    target: str
    by: str


@dataclass(frozen=True)
class Scope:
    """The states of a machine, of a branch of a Parallel, or of what a Map runs."""

    machine: str
    start_at: str
    states: dict[str, dict[str, Any]]

    def transitions(self) -> Iterator[Transition]:
        for name, state in self.states.items():
            yield from _transitions_of(name, state)


def machines() -> dict[str, dict[str, Any]]:
    """Every machine's definition by its name, the file's."""
    files = sorted(FOLDER.glob("*.asl.json"))
    return {file.name.removesuffix(".asl.json"): json.loads(file.read_text()) for file in files}


def scopes(machine: str, definition: dict[str, Any]) -> Iterator[Scope]:
    """The machine's own scope and all that lie inside it."""
    yield Scope(machine, definition["StartAt"], definition["States"])
    for state in definition["States"].values():
        for inner in [*state.get("Branches", []), state.get("ItemProcessor")]:
            if inner:
                yield from scopes(machine, inner)


def all_scopes() -> list[Scope]:
    return [scope for name, machine in machines().items() for scope in scopes(name, machine)]


def states(type_name: str | None = None) -> list[tuple[Scope, str, dict[str, Any]]]:
    """Every state, or those of a type, with the scope it lies in."""
    return [
        (scope, name, state)
        for scope in all_scopes()
        for name, state in scope.states.items()
        if type_name in (None, state["Type"])
    ]


def _transitions_of(name: str, state: dict[str, Any]) -> Iterator[Transition]:
    if "Next" in state:
        yield Transition(name, state["Next"], "Next")
    if "Default" in state:
        yield Transition(name, state["Default"], "Default")
    for number, choice in enumerate(state.get("Choices", [])):
        yield Transition(name, choice["Next"], f"Choices[{number}]")
    for number, catcher in enumerate(state.get("Catch", [])):
        yield Transition(name, catcher["Next"], f"Catch[{number}]")
