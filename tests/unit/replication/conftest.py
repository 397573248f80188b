"""What every test of a step of this domain finds around it."""

import sys
from datetime import datetime

import pytest

from tests.storages import Purse
from tests.unit import http_stub
from tests.unit.template import template

from .entity_support import Entity
from .factories import NOW
from .surroundings import Surroundings


@pytest.fixture
def wanted(request):
    """What the function of a test's MODULE uses, and no more: to make it takes longer than most
    tests.
    """
    module = getattr(request.module, "MODULE", None)
    return template().used_by(module) if module else {"ReplicationsTable"}


@pytest.fixture
def clock(monkeypatch):
    """Set the time that everything of this domain that is imported by then is told."""

    def show(moment: datetime) -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("replication.") and hasattr(module, "now"):
                monkeypatch.setattr(module, "now", lambda: moment)

    return show


@pytest.fixture
def load(step, clock):
    """Import a step's module, as of NOW."""

    def imported(module, **changed):
        loaded = step(module, **changed)
        clock(NOW)
        return loaded

    return imported


@pytest.fixture
def around(cloud):
    return Surroundings(cloud)


@pytest.fixture
def entity(load, around, context, monkeypatch):
    """An entity in a batch, and the steps that work on it."""
    return Entity(load, around, context, monkeypatch)


@pytest.fixture
def stub(monkeypatch):
    """What storage clients send by HTTP, and are answered."""
    return http_stub.install(monkeypatch)


@pytest.fixture
def purse():
    """A meter that pays for everything."""
    return Purse()
