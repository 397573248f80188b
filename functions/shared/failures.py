"""What Step Functions tells of a failure, in plain words."""

import json
from typing import NotRequired, TypedDict

CAUSE_LIMIT = 4000
"""Longest cause that is kept, in characters; Step Functions itself ends at 32,768."""


class Failure(TypedDict):
    """What a Catch puts at its ResultPath; an engine need not give a cause."""

    Error: str
    Cause: NotRequired[str]


def root_failure(failure: Failure) -> Failure:
    """Follow a nested execution's failure down to the error that began it.

    A `.sync:2` task fails with States.TaskFailed and the child's description, whose own Error and
    Cause are the real ones.
    """
    if failure["Error"] != "States.TaskFailed":
        return failure
    child = _as_object(failure.get("Cause", ""))
    error, cause = child.get("Error"), child.get("Cause")
    if not isinstance(error, str):
        return failure
    return root_failure({"Error": error, "Cause": cause if isinstance(cause, str) else ""})


def plain_cause(failure: Failure) -> str:
    """The message of an error: a Lambda function's own message without its stack trace."""
    cause = failure.get("Cause", "")
    message = _as_object(cause).get("errorMessage")
    return (message if isinstance(message, str) else cause)[:CAUSE_LIMIT]


class RootCause(TypedDict):
    """What a machine ends with, and what is recorded of it."""

    error: str
    cause: str


def root_cause(failure: Failure) -> RootCause:
    """The error that began a failure, and its message."""
    real = root_failure(failure)
    return {"error": real["Error"], "cause": plain_cause(real)}


def _as_object(cause: str) -> dict[str, object]:
    try:
        parsed = json.loads(cause)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
