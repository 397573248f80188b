"""The modelled governor grants what the real one grants, and asks its table for as much."""

import random
from importlib import import_module

import pytest

from benchmarks.replication_governor import Governor as Modelled
from benchmarks.replication_model import Overheads, Stage, Truth
from replication.rules.quota import Limit
from tests.unit.aws_requests import counted

LIMIT = Limit(scope="provider", rate=10, burst=5, published=True)
PROCESSES = 4


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def requests(monkeypatch):
    return counted(monkeypatch)


class Both:
    """The real governor and the model, asked for the same by the same processes."""

    def __init__(self, module):
        self.module = module
        self.stage = Stage(Truth(10, 2), 1, overheads=Overheads(table=0.0))
        self.modelled = Modelled(self.stage, LIMIT)
        scopes = module.scopes_of((LIMIT,), {"provider": "all"})
        self.real = module.Governor("webdav", scopes, lambda: self.stage.world.now)
        self.known = [{} for _ in range(PROCESSES)]
        self.remembered = [{} for _ in range(PROCESSES)]

    def as_process(self, number, action):
        self.module._known.clear()
        self.module._known.update(self.remembered[number])
        result = action()
        self.remembered[number] = dict(self.module._known)
        return result

    def take(self, number, calls):
        leave = self.as_process(number, lambda: self.real.take("upload", calls))
        given = ended(self.modelled.take(self.known[number], "", calls, 1.0))
        assert (given.not_before, given.units, given.cuts) == pytest.approx(
            (leave.not_before, leave.calls, leave.grants["provider#all"].cuts), abs=1e-4
        )
        assert given.interval == pytest.approx(leave.interval)
        return leave, given

    def give_back(self, number, leave, given, calls):
        self.as_process(number, lambda: self.real.give_back(leave, "upload", calls))
        ended(self.modelled.give_back(self.known[number], "", given, calls))

    def report(self, number, leave, retry_after):
        now = self.stage.world.now
        self.as_process(number, lambda: self.real.report_throttle(leave, now, retry_after))
        ended(self.modelled.report_throttle(self.known[number], "", now, retry_after))


def ended(process):
    """What a part of a process comes to, where nothing takes any time."""
    try:
        while True:
            next(process)
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("seed", range(4))
def test_the_model_grants_and_asks_as_the_governor_does(cloud, step, requests, seed):
    step("replication.create_folders")
    both = Both(import_module("replication.governor"))
    chance, world, tally = random.Random(seed), both.stage.world, both.stage.tally
    world.now = 1_767_225_600.0
    for _ in range(60):
        world.now += chance.choice([0.0, 0.1, 0.7, 3.0, 12.0])
        number, calls = chance.randrange(PROCESSES), chance.choice([1, 4, 10])
        leave, given = both.take(number, calls)
        if chance.random() < 0.2 and leave.calls > 1:
            both.give_back(number, leave, given, leave.calls - 1)
        if chance.random() < 0.1:
            both.report(number, leave, chance.choice([None, 5.0]))

    assert tally.reads == requests["GetItem"]
    assert tally.writes == requests["PutItem"] + requests["UpdateItem"]
    assert tally.conflicts == requests["refused"]
