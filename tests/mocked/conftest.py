"""The engine that MOCKED_ENDPOINT names, or an emulator of our own, and all executions on it."""

import json
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from local.cloud import emulator
from local.cloud.client import wait_until
from local.cloud.deployment import client
from local.cloud.settings import Instance
from tests.mocked.case import Case
from tests.mocked.definitions import create_all
from tests.mocked.engines import Engine, engine_at
from tests.mocked.generate import CASES, FILE, GIVEN
from tests.mocked.paths import Event

INSTANCE = Instance("mocked", max_processes=1)
AT_ONCE = 24
SECONDS_TO_WAIT = 120.0
"""A deadline, not an expectation: two shared processors may have much to do at once."""


@dataclass(frozen=True)
class Execution:
    """An execution that has ended."""

    given: dict[str, Any]
    status: str
    output: dict[str, Any] | None
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


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    if given := os.environ.get("MOCKED_ENDPOINT"):
        yield given
        return
    INSTANCE.folder.mkdir(parents=True, exist_ok=True)
    INSTANCE.mock_file.write_text(FILE.read_text())
    # Any port: that of the other suites' cloud may be free only for the moment.
    yield emulator.start(INSTANCE, emulator.any_free_port(), print)
    emulator.stop(INSTANCE, print)


@pytest.fixture(scope="session")
def executions(endpoint: str) -> Iterator[Executions]:
    engine = engine_at(endpoint)
    cases = engine.takes(CASES)
    arns = create_all(engine, endpoint, cases)
    stepfunctions = client("stepfunctions", endpoint)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            str(case): pool.submit(_run, stepfunctions, arns[case.created_as], case)
            for case in cases
        }
        yield Executions(engine, running)


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
    return Execution(given, found["status"], output, history)
