"""The former design in virtual time: an orchestrator starts a function for every entity at once.

Nobody paces anything. A function whose call is refused fails, and is tried again from its beginning
after a backoff; what fails too often is an error, and when the run is through, the orchestrator is
run again. It is told here which entities are done, which the former one was not: it began anew
with all of them.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.replication_model import Doing, Process, Stage
from replication.rules.batches import EntityWork

RETRIES = 3
BACKOFF_SECONDS = 2.0
"""Before the first retry; twice as long before each further one."""

LAMBDA_SECONDS = 900.0
"""A function is killed after that."""

SECONDS_TO_NEXT_RUN = 60.0
"""Until somebody, or a schedule, has run the orchestrator again."""


@dataclass
class _Task:
    entity: EntityWork
    attempt: int = 0


class Orchestrator:
    """Runs until all entities are done."""

    def __init__(self, stage: Stage) -> None:
        self._world, self._provider, self._tally = stage.world, stage.provider, stage.tally
        self._call_seconds, self._overheads = stage.call_seconds, stage.overheads
        self._refusal_seconds = stage.truth.refusal_seconds
        self._chance = stage.chance
        self._ready: list[tuple[float, int, _Task]] = []
        self._failed: list[EntityWork] = []
        self._open = 0
        self._number = 0
        self.runs = 0

    def begin(self, entities: Sequence[EntityWork], functions: int) -> None:
        """Run for entities, with so many functions at once."""
        self.runs += 1
        self._open, self._failed = len(entities), []
        for entity in entities:
            self._put(_Task(entity), self._world.now)
        for _ in range(min(functions, len(entities))):
            self._world.start(self._function(functions))

    def _put(self, task: _Task, at: float) -> None:
        self._number += 1
        heapq.heappush(self._ready, (at, self._number, task))

    def _function(self, functions: int) -> Process:
        """A place for a function that Lambda runs: one task after another."""
        world = self._world
        cold = self._overheads.cold_start
        while self._open:
            if not self._ready:
                yield world.now + 1
                continue
            at, _, task = heapq.heappop(self._ready)
            if at > world.now:
                yield at
            began = world.now
            yield world.now + cold + self._overheads.warm_invocation
            cold = 0.0
            done = yield from self._attempt(task.entity, began + LAMBDA_SECONDS)
            self._tally.invocations += 1
            self._tally.lambda_seconds += world.now - began
            self._settle(task, done)
            if not self._open and self._failed:
                yield world.now + SECONDS_TO_NEXT_RUN
                self.begin(self._failed, functions)
                return

    def _attempt(self, entity: EntityWork, deadline: float) -> Doing[bool]:
        """Make all calls of an entity; False where one is refused or the time is up."""
        world, request, customer_id = self._world, self._provider.request, entity.customer_id
        for _ in range(entity.calls):
            if request(customer_id, world.now) is not None:
                yield world.now + self._refusal_seconds
                return False
            yield world.now + self._call_seconds()
            if world.now > deadline:
                return False
        return True

    def _settle(self, task: _Task, done: bool) -> None:
        if done:
            self._tally.done += 1
            self._open -= 1
            self._tally.finished_at = self._world.now
        elif task.attempt < RETRIES:
            pause = BACKOFF_SECONDS * 2**task.attempt * self._chance.uniform(0.5, 1.5)
            self._put(_Task(task.entity, task.attempt + 1), self._world.now + pause)
        else:
            self._tally.errors += 1
            self._open -= 1
            self._failed.append(task.entity)
