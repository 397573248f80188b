"""What states answer instead of doing it: the answers and cases of tests/workflow/mocks.json, and
the form in which LocalStack and Step Functions Local read them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.asl import machines, scopes

MOCKS: dict[str, Any] = json.loads((Path(__file__).parent / "workflow" / "mocks.json").read_text())


def response(answer: Any, throws: Sequence[str], *, of_function: bool) -> dict[str, Any]:
    """A state's mocked response: the errors in turn, then the answer, or several in turn."""
    steps: dict[str, Any] = {
        str(number): {"Throw": {"Error": error, "Cause": cause_of(error)}}
        for number, error in enumerate(throws)
    }
    in_turn = answer if isinstance(answer, list) else [answer]
    last = len(throws) + len(in_turn) - 1
    for number, value in enumerate(in_turn, len(throws)):
        reply = _of_function(value) if of_function else value
        steps[f"{number}-{number + 9}" if number == last else str(number)] = {"Return": reply}
    return steps


def cause_of(error: str) -> str:
    return f"{error}, as the test wants it."


def function_states(machine: str) -> set[str]:
    """The states that invoke a function."""
    return {
        name
        for scope in scopes(machine, machines()[machine])
        for name, state in scope.states.items()
        if state["Type"] == "Task" and state["Resource"].endswith("FunctionArn}")
    }


def _of_function(payload: dict[str, Any]) -> dict[str, Any]:
    """What stands both for a function's payload and for the reply of the API that carries it.

    For a Task that names a function's ARN, LocalStack takes the reply of the API out of a mock
    file; whether Step Functions Local does, or the payload, is documented nowhere.
    """
    return {**payload, "StatusCode": 200, "Payload": payload}


def without_reply(value: Any) -> Any:
    """An output without what `_of_function` may have left in it."""
    if isinstance(value, list):
        return [without_reply(one) for one in value]
    if not isinstance(value, dict):
        return value
    extra = {"StatusCode", "Payload"} if {"StatusCode", "Payload"} <= value.keys() else set()
    return {name: without_reply(one) for name, one in value.items() if name not in extra}
