"""Aftercall's replication in virtual time: its own rules, on tables and machines that are modelled.

The decisions are those of the code: `rules/batches.py` and `rules/pulse.py` plan, `rules/quota.py`
grants, and calls are made as the meter lets a step make them. The states are those of the machines
replication_service, replication_worker and replication_task, with what each reads and writes.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import batched

from benchmarks.replication_governor import Governor, Known, Meter
from benchmarks.replication_model import Doing, Process, Stage
from replication.rules import pulse
from replication.rules.batches import EntityWork, plan_batches

FOLDERS_SHARE = 0.4
"""Of an entity's calls: those of Create Folders. All others are those of Upload Folders."""

STARTED_AT_ONCE = 8
"""See start_workers.py."""

WORTH_TELLING = 60.0
"""See collect_metrics.py."""


@dataclass(frozen=True)
class Settings:
    """What may be set of a replication."""

    most_workers: int
    pulse_seconds: float = 5.0
    largest_batch: int = 25


@dataclass
class Service:
    """What the service's metronome has seen and done."""

    forecasts: list[tuple[float, float, float | None]] = field(default_factory=list)
    """When, which part of the calls belonged to entities that had ended, and which finish was
    expected.
    """

    workers_by_time: list[tuple[float, int]] = field(default_factory=list)


class Replication:
    """One provider's part of a replication, from the first beat to the last entity."""

    def __init__(self, stage: Stage, governor: Governor, settings: Settings) -> None:
        self._world, self._provider, self._governor = stage.world, stage.provider, governor
        self._call_seconds, self._tally = stage.call_seconds, stage.tally
        self._truth, self._overheads, self._settings = stage.truth, stage.overheads, settings
        self.service = Service()
        self._processes: defaultdict[str, list[Known]] = defaultdict(list)
        """Idle ones by their function, and which quotas each has seen."""

        self._calls_left: Counter[str] = Counter()
        """By customer, of the entities that have not ended."""

        self._running = 0
        self._calls_ended = 0
        self._busy_ended = 0.0

    def begin(self, entities: Sequence[EntityWork]) -> None:
        for entity in entities:
            self._calls_left[entity.customer_id] += entity.calls
        first = self._workers_wanted(self._seconds_of_worker(pulse.FIRST_GUESS))
        in_proportion = pulse.accounts_decide([self._level()])
        largest = self._settings.largest_batch
        batches = list(plan_batches(entities, first, largest, in_proportion=in_proportion))
        self._calls_planned = sum(entity.calls for entity in entities)
        self._world.start(self._metronome(batches))

    # --- the service

    def _metronome(self, batches: list[list[EntityWork]]) -> Process:
        world, overheads, settings = self._world, self._overheads, self._settings
        started = 0
        while started < len(batches) or self._running:
            beat = world.now
            self._tally.transitions += 3  # Collect Metrics, Work Left?, Await Pulse
            self._invoked(0.05 + self._running * 0.0002)
            self._tally.reads += 4 + self._running // 4
            yield world.now + 2 * overheads.transition + overheads.warm_invocation + 0.05
            left = len(batches) - started
            calls_left = self._calls_planned - self._calls_ended
            mean = pulse.mean_call_seconds(
                self._calls_ended,
                self._busy_ended,
                calls_left / max(left + self._running, 1),
                settings.pulse_seconds,
            )
            seconds = self._seconds_of_worker(mean)
            wanted = self._workers_wanted(seconds)
            self.service.workers_by_time.append((world.now, self._running))
            self._foresee(calls_left, wanted, seconds)
            new = min(max(wanted - self._running, 0), left)
            if new:
                self._tally.transitions += 1
                began = world.now
                yield world.now + overheads.transition + overheads.warm_invocation
                for some in batched(
                    batches[started : started + new], STARTED_AT_ONCE, strict=False
                ):
                    self._tally.reads += len(some)
                    self._tally.writes += len(some) + 1
                    yield world.now + overheads.start_worker
                    self._running += len(some)
                    for batch in some:
                        world.start(self._worker(list(batch)))
                self._invoked(world.now - began)
                started += new
            next_at = pulse.next_beat(beat, settings.pulse_seconds, self._quiet_until())
            yield max(next_at, world.now) + overheads.transition

    def _workers_wanted(self, seconds: float) -> int:
        return pulse.workers_wanted(self._rate(), seconds, self._settings.most_workers)

    def _seconds_of_worker(self, mean: float) -> float:
        return pulse.seconds_of_worker([self._level()], mean)

    def _rate(self) -> float:
        return pulse.effective_rate([self._level()])

    def _level(self) -> pulse.Level:
        keys = {self._governor.key(customer_id) for customer_id in self._calls_left}
        rates = [self._governor.quota_of(key).rate for key in keys]
        return pulse.Level(rates, self._truth.units)

    def _quiet_until(self) -> float:
        keys = {self._governor.key(customer_id) for customer_id in self._calls_left}
        until = min((self._governor.quota_of(key).cooldown_until for key in keys), default=0.0)
        return until if until > self._world.now + WORTH_TELLING else 0.0

    def _slowest_scope_seconds(self) -> float:
        """What the customer with the most calls left needs at the rate of its own account."""
        if self._governor.limit.scope != "account":
            return 0.0
        return max(
            (
                calls * self._truth.units / self._governor.quota_of(customer_id).rate
                for customer_id, calls in self._calls_left.items()
            ),
            default=0.0,
        )

    def _foresee(self, calls_left: int, wanted: int, seconds: float) -> None:
        keys = {self._governor.key(customer_id) for customer_id in self._calls_left}
        cooldown = max((self._governor.quota_of(key).cooldown_until for key in keys), default=0.0)
        finish = pulse.forecast(
            self._world.now,
            calls_left,
            self._rate(),
            cooldown,
            wanted,
            seconds,
            self._slowest_scope_seconds(),
        )
        part = self._calls_ended / self._calls_planned
        self.service.forecasts.append((self._world.now, part, finish))

    # --- a worker

    def _worker(self, batch: list[EntityWork]) -> Process:
        world, overheads, tally = self._world, self._overheads, self._tally
        yield world.now + overheads.nested_start
        tally.transitions += 1  # Open Batch
        for entity in batch:
            began = world.now
            yield from self._next_entity()
            tally.transitions += 2  # Replicate Entity, Begin Entity
            yield world.now + 2 * overheads.transition + overheads.nested_start
            waited = yield from self._entity(entity)
            tally.transitions += 1  # Entity Replicated
            yield world.now + overheads.transition + overheads.nested_start
            self._calls_ended += entity.calls
            self._busy_ended += world.now - began - waited
            tally.done += 1
            tally.finished_at = world.now
            self._calls_left[entity.customer_id] -= entity.calls
            if not self._calls_left[entity.customer_id]:
                del self._calls_left[entity.customer_id]
        yield from self._next_entity()
        tally.transitions += 1  # Batch Finished
        tally.writes += 3  # The end of a batch and its service's sums are one transaction.
        self._running -= 1

    def _next_entity(self) -> Process:
        self._tally.transitions += 2  # Next Entity, Entity Left?
        self._tally.reads += 2
        self._tally.writes += 1
        seconds = self._overheads.step_itself + 3 * self._overheads.table
        yield from self._invocation("next_entity", seconds)
        yield self._world.now + self._overheads.transition

    def _entity(self, entity: EntityWork) -> Doing[float]:
        """Replicate an entity; seconds for which its steps waited for quota."""
        folders = round(entity.calls * FOLDERS_SHARE)
        waited = yield from self._step("create_folders", entity, folders)
        self._tally.transitions += 2
        self._tally.reads += 2
        seconds = self._overheads.step_itself + 2 * self._overheads.table
        yield from self._invocation("apply_templates", seconds)
        yield self._world.now + self._overheads.transition
        waited += yield from self._step("upload_folders", entity, entity.calls - folders)
        return waited

    def _step(self, name: str, entity: EntityWork, calls: int) -> Doing[float]:
        """A step that calls the provider, as often as it takes; seconds that it waited."""
        world, overheads, tally = self._world, self._overheads, self._tally
        meter = Meter(
            world, self._governor, self._governor.key(entity.customer_id), self._truth.units
        )
        left = calls
        while True:
            tally.transitions += 2  # The step, and its Choice
            tally.reads += 2
            known = yield from self._begin(name)
            began = world.now
            yield world.now + overheads.step_itself + 2 * overheads.table
            meter.goes_on(known)
            left, not_before = yield from self._calls(meter, entity.customer_id, left)
            if not_before is None:
                yield from meter.close()
            self._end(name, known, world.now - began)
            yield world.now + overheads.transition
            if not_before is None:
                return meter.waited
            tally.transitions += 1  # Await Quota
            began = world.now
            yield max(math.ceil(not_before), world.now) + overheads.transition
            meter.waited += world.now - began

    def _calls(self, meter: Meter, customer_id: str, left: int) -> Doing[tuple[int, float | None]]:
        """Make calls until the step has to wait; how many are left, and until when it waits."""
        world, provider = self._world, self._provider
        while left:
            not_before = yield from meter.spend(left)
            if not_before is not None:
                return left, not_before
            began = world.now
            refused = provider.request(customer_id, began)
            if refused is None:
                yield began + self._call_seconds()
                left -= 1
                meter.learn(world.now - began)
            else:
                yield began + self._truth.refusal_seconds
                retry_after = float(math.ceil(refused)) if self._truth.says_when else None
                yield from meter.throttled(began, retry_after)
        return 0, None

    # --- functions

    def _invocation(self, name: str, seconds: float) -> Process:
        known = yield from self._begin(name)
        yield self._world.now + seconds
        self._end(name, known, seconds)

    def _begin(self, name: str) -> Doing[Known]:
        """A state is entered and its function called; the first ones start their processes."""
        wait = self._overheads.transition + self._overheads.warm_invocation
        idle = self._processes[name]
        known: Known = {}
        if idle:
            known = idle.pop()
        else:
            wait += self._overheads.cold_start
        yield self._world.now + wait
        return known

    def _end(self, name: str, known: Known, seconds: float) -> None:
        self._processes[name].append(known)
        self._invoked(seconds)

    def _invoked(self, seconds: float) -> None:
        self._tally.invocations += 1
        self._tally.lambda_seconds += seconds
