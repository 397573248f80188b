"""Functions in containers of Lambda's own image, beside an engine in containers.

That has to run, and the stack to be deployed in it: a deployment there takes minutes.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from local.cloud import deployment, engines, invocation
from local.cloud.settings import ROOT
from local.containers.results import write_answers
from tests.cloud import INSTANCE, TestCloud

AT_ONCE = 2
SECONDS = 300


@dataclass(frozen=True)
class Answer:
    """What came of one function; `log` is what SAM and the function said meanwhile."""

    status: int
    output: str
    log: str

    @property
    def said(self) -> str:
        """In a word, for the table."""
        try:
            return self.error or "returned"
        except AssertionError:
            return "no answer"

    @property
    def error(self) -> str | None:
        """The error's type, None where the function returned. AssertionError where there is no
        answer at all: SAM says nothing of a function that took too long.
        """
        error: str | None = self._document.get("errorType")
        return error

    @property
    def message(self) -> str:
        return str(self._document.get("errorMessage", ""))

    @property
    def _document(self) -> dict[str, Any]:
        assert self.status == 0, self.log
        assert self.output.strip(), self.log
        # Whatever the function prints comes first.
        document: Any = json.loads(self.output.splitlines()[-1])
        return document if isinstance(document, dict) else {}


def sam_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "local.cloud", "--engine", INSTANCE.name, *arguments]


@pytest.fixture(scope="session")
def cloud() -> TestCloud:
    if INSTANCE.service is None:
        pytest.fail("set AFTERCALL_ENGINE to an engine in containers")
    endpoint = engines.ready(INSTANCE, print)
    return TestCloud(endpoint, deployment.stack_outputs(endpoint))


@pytest.fixture(scope="session")
def answers(cloud: TestCloud) -> dict[str, Answer]:
    """Every function's answer to its sample event, by logical id."""
    functions = [name for name in invocation.physical_names(cloud) if name.endswith("Function")]

    def answer_of(logical_id: str) -> Answer:
        done = subprocess.run(
            sam_command("sam-invoke", logical_id),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = dict(zip(functions, threads.map(answer_of, functions), strict=True))
    write_answers({name: answer.said for name, answer in found.items()})
    return found
