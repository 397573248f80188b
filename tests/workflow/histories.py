"""What execution histories tell."""

from typing import Any

from tests.cloud import TestCloud


def entered(cloud: TestCloud, arn: str) -> list[str]:
    """The names of the states that an execution entered, in order."""
    return [
        event["stateEnteredEventDetails"]["name"]
        for event in cloud.history(arn)
        if event["type"].endswith("StateEntered")
    ]


def failures_in(history: list[dict[str, Any]]) -> list[str]:
    """The errors of tasks, in order."""
    return [
        event["taskFailedEventDetails"]["error"]
        for event in history
        if event["type"] == "TaskFailed"
    ]
