"""The executions of all cases at an engine, as many at once as it bears."""

import json
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local.cloud.client import wait_until
from local.cloud.deployment import client
from tests.mocked.case import Case
from tests.mocked.engines import Engine
from tests.mocked.generate import CASES, GIVEN
from tests.mocked.load import create_all
from tests.mocked.paths import Event
from tests.mocks import without_reply

AT_ONCE = 24
SECONDS_TO_WAIT = 120.0
"""A deadline, not an expectation: two shared processors may have much to do at once."""


@dataclass(frozen=True)
class Execution:
    """An execution that has ended."""

    status: str
    output: Any
    history: list[Event]


@dataclass
class Executions:
    """The executions of all cases that the engine can take, each started once."""

    engine: Engine
    _running: dict[str, Future[Execution]]

    def of(self, case: Case) -> Execution:
        return self._running[str(case)].result()

    def histories(self, machine: str) -> list[list[Event]]:
        cases = [case for case in self.engine.takes(CASES) if case.machine == machine]
        return [self.of(case).history for case in cases]


def start_all(pool: ThreadPoolExecutor, engine: Engine, endpoint: str) -> Executions:
    """Begin with the executions of all cases that the engine can take."""
    arns = create_all(engine, endpoint)
    stepfunctions = client("stepfunctions", endpoint)
    running = {
        str(case): pool.submit(_run, stepfunctions, arns[case.created_as], case)
        for case in engine.takes(CASES)
    }
    return Executions(engine, running)


def _run(stepfunctions: Any, machine: str, case: Case) -> Execution:
    """Start an execution of the case, and wait for its end."""
    given = {**GIVEN[case.machine](), **case.given}
    arn = stepfunctions.start_execution(
        stateMachineArn=f"{machine}#{case.name}", name=str(uuid.uuid4()), input=json.dumps(given)
    )["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = stepfunctions.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None

    found = wait_until(ended, SECONDS_TO_WAIT, f"the end of {case}")
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
    history = [event for page in pages for event in page["events"]]
    output = json.loads(found["output"]) if "output" in found else None
    return Execution(found["status"], without_reply(output), history)
