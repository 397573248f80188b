"""What every test of a step of this domain finds around it."""

import sys
from datetime import datetime

import pytest
from moto.stepfunctions.models import StepFunctionBackend

from tests.unit.template import template

from .factories import NOW
from .surroundings import Surroundings, Tasks

USED_BY_ALL = template().used_by("tickets.review_case")
"""What the tests of whatever lies beside the steps find: tables, above all."""


@pytest.fixture
def wanted(request):
    """What the function of a test's MODULE uses, and no more: to make it takes longer than most
    tests.
    """
    module = getattr(request.module, "MODULE", None)
    return {*template().used_by(module), "QueuesTable"} if module else USED_BY_ALL


@pytest.fixture
def tasks(monkeypatch):
    """The waits of executions, which moto knows nothing of."""
    waiting = Tasks()
    monkeypatch.setattr(
        StepFunctionBackend, "send_task_success", lambda _, token, __: waiting.complete(token)
    )
    return waiting


@pytest.fixture
def clock(monkeypatch):
    """Set the time that everything of this domain that is imported by then is told."""

    def show(moment: datetime) -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("tickets.") and hasattr(module, "now"):
                monkeypatch.setattr(module, "now", lambda: moment)

    return show


@pytest.fixture
def at_once(monkeypatch):
    """Let nobody sleep; gives how often somebody would have."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.fixture
def load(step, tasks, clock):
    """Import a step's module, as of NOW."""

    def imported(module, **changed):
        loaded = step(module, **changed)
        clock(NOW)
        return loaded

    return imported


@pytest.fixture
def around(cloud, tasks):
    return Surroundings(cloud, tasks)
