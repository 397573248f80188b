"""What an execution's history tells about how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

type HistoryEvent = dict[str, Any]
"""An event as GetExecutionHistory returns it."""

_ENDS = {
    "ExecutionFailed": ("executionFailedEventDetails", "States.Runtime"),
    "ExecutionTimedOut": ("executionTimedOutEventDetails", "States.Timeout"),
    "ExecutionAborted": ("executionAbortedEventDetails", "ExecutionAborted"),
}


@dataclass(frozen=True)
class End:
    """How an execution ended: error, cause and the state it was in, as `snake_case`."""

    error: str
    cause: str
    state: str


def end_of(newest_first: Sequence[HistoryEvent], status: str = "") -> End:
    """Read the end from a history in reverse order.

    An engine need not give an error to what it timed out or what a person stopped; then the kind
    of the end is the error. A history may lag behind the status; what timed out has nothing more
    to say in it, every other end is worth waiting for.
    """
    ending = next((event for event in newest_first if event["type"] in _ENDS), None)
    if ending is None and status == "TIMED_OUT":
        ending = {"type": "ExecutionTimedOut"}
    if ending is None:
        raise ValueError("the execution's history has no end: it still runs, or succeeded")
    details_name, default_error = _ENDS[ending["type"]]
    details = ending.get(details_name) or {}
    return End(
        error=details.get("error") or default_error,
        cause=details.get("cause") or "The engine gave no cause.",
        state=_last_state(newest_first),
    )


def _last_state(newest_first: Sequence[HistoryEvent]) -> str:
    entered = (
        event
        for event in newest_first
        if event["type"].endswith("StateEntered") and event["type"] != "FailStateEntered"
    )
    name = next((event["stateEnteredEventDetails"]["name"] for event in entered), "unknown")
    return "_".join(name.lower().replace("?", "").replace("-", "_").split())
