"""What the simulation of replication consists of: virtual time, a provider, AWS with its prices.

Nothing here knows of Aftercall. A process is a generator that yields until when it sleeps; times
are virtual seconds since the beginning.
"""

import heapq
import math
import random
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from replication.rules.batches import EntityWork

type Process = Generator[float]
type Doing[T] = Generator[float, None, T]
"""Part of a process; it comes to something."""

# --- time


class World:
    """Virtual time: the process whose time has come goes on, and nobody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, Process]] = []
        self._number = 0

    def start(self, process: Process, at: float | None = None) -> None:
        self._number += 1
        when = self.now if at is None else at
        heapq.heappush(self._waiting, (when, self._number, process))

    def run(self, until: float = math.inf) -> None:
        """Go on until nobody has anything left to do, or until a time."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= until:
            self.now, _, process = waiting[0]
            try:
                wakes = next(process)
            except StopIteration:
                heapq.heappop(waiting)
                continue
            self._number += 1
            heapq.heapreplace(waiting, (wakes, self._number, process))


# --- AWS


@dataclass(frozen=True)
class Overheads:
    """Seconds that AWS takes; ordinary figures of a region, not promises."""

    transition: float = 0.025
    """From one state of a standard workflow to the next."""
    warm_invocation: float = 0.015
    """Around a Lambda function that has a process."""
    cold_start: float = 0.9
    """Until a Lambda function of Python with boto3 has a process; not more than once for each."""
    step_itself: float = 0.010
    """What a step computes, besides what it asks of others."""
    nested_start: float = 0.1
    """Until an execution that another one has started is at its first state, and the way back."""
    table: float = 0.006
    """A read or a write of DynamoDB."""
    start_worker: float = 0.05
    """A worker, or some at a time: a read, two writes and StartExecution."""


DOLLARS_PER_TRANSITION = 0.025 / 1000
DOLLARS_PER_GB_SECOND = 0.0000166667
DOLLARS_PER_INVOCATION = 0.20 / 1_000_000
DOLLARS_PER_WRITE = 0.625 / 1_000_000
DOLLARS_PER_READ = 0.125 / 1_000_000
"""On demand in us-east-1. An item is small: a write is one unit, in a transaction two; so is a
consistent read.
"""

MEMORY_GB = 0.5


@dataclass
class Tally:
    """What a run has used."""

    served: int = 0
    throttled: int = 0
    errors: int = 0
    """Entities that failed for good, or whose whole run had to be repeated."""
    reads: int = 0
    writes: int = 0
    conflicts: int = 0
    transitions: int = 0
    invocations: int = 0
    lambda_seconds: float = 0
    done: int = 0
    """Entities."""
    finished_at: float = 0
    served_by_second: Counter[int] = field(default_factory=Counter)
    throttled_by_second: Counter[int] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return self.served + self.throttled

    @property
    def throttled_share(self) -> float:
        return self.throttled / self.requests if self.requests else 0.0

    @property
    def gb_seconds(self) -> float:
        return self.lambda_seconds * MEMORY_GB

    @property
    def dollars(self) -> float:
        return (
            self.transitions * DOLLARS_PER_TRANSITION
            + self.gb_seconds * DOLLARS_PER_GB_SECOND
            + self.invocations * DOLLARS_PER_INVOCATION
            + self.writes * DOLLARS_PER_WRITE
            + self.reads * DOLLARS_PER_READ
        )


# --- the provider


@dataclass(frozen=True)
class Truth:
    """What a provider really does, whatever it publishes.

    A bucket of `rate` x `seconds` units that is filled again in that time. If it `charges_refused`,
    a request that is refused takes units, too: whoever keeps asking stays shut out, for `seconds`
    at most. `per` says for whom there is a bucket. From `halved_after` units on the rate is half of
    it. Within `storm`, from when to when, everything is refused. After `day_after` units the day's
    quota is used up: for `night_seconds` everything is refused, and a refusal says for how long.
    """

    rate: float
    seconds: float
    per: str = "provider"
    units: float = 1
    """Of a call."""
    call_seconds: float = 0.15
    spread: float = 0.5
    """Standard deviation of the logarithm of a call's seconds."""
    refusal_seconds: float = 0.03
    charges_refused: bool = True
    says_when: bool = True
    """Whether a refusal says when to come again."""
    halved_after: float = math.inf
    storm: tuple[float, float] = (math.inf, math.inf)
    day_after: float = math.inf
    night_seconds: float = 0.0


class Provider:
    """Serves calls as one's truth is, and counts them."""

    def __init__(self, truth: Truth, tally: Tally) -> None:
        self._truth, self._tally = truth, tally
        self._levels: dict[str, tuple[float, float]] = {}
        self.rate, self._used = truth.rate, 0.0
        self.changed_at: float | None = None
        self._night: tuple[float, float] = (math.inf, math.inf)

    def request(self, customer_id: str, now: float) -> float | None:
        """None where a call is served, else seconds until another one would be."""
        truth = self._truth
        key = customer_id if truth.per == "account" else ""
        most = self.rate * truth.seconds
        level, at = self._levels.get(key, (most, now))
        level = min(most, level + (now - at) * self.rate) - truth.units
        at_night = self._night[0] <= now < self._night[1]
        served = level >= -1e-9 and not truth.storm[0] <= now < truth.storm[1] and not at_night
        if not served and not truth.charges_refused:
            level += truth.units
        self._levels[key] = (max(level, -most), now)
        if served:
            self._serve(now)
            return None
        self._tally.throttled += 1
        self._tally.throttled_by_second[int(now)] += 1
        if at_night:
            return self._night[1] - now
        wait = max(-level / self.rate, 0.0)
        return wait if wait else truth.storm[1] - now

    def _serve(self, now: float) -> None:
        self._tally.served += 1
        self._tally.served_by_second[int(now)] += 1
        self._used += self._truth.units
        if self._used >= self._truth.halved_after and self.changed_at is None:
            self.changed_at, self.rate = now, self._truth.rate / 2
        if self._used >= self._truth.day_after and self.changed_at is None:
            self.changed_at = now
            self._night = (now, now + self._truth.night_seconds)


class Latencies:
    """How long each call takes: lognormal, drawn many at a time."""

    def __init__(self, truth: Truth, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        self._spread = truth.spread
        self._location = math.log(truth.call_seconds) - truth.spread**2 / 2
        self._drawn: list[float] = []

    def __call__(self) -> float:
        if not self._drawn:
            self._drawn = self._chance.lognormal(self._location, self._spread, 10_000).tolist()
        return self._drawn.pop()


@dataclass
class Stage:
    """Where a design is played: the same for all of them."""

    truth: Truth
    seed: int
    overheads: Overheads = field(default_factory=Overheads)
    world: World = field(default_factory=World)
    tally: Tally = field(default_factory=Tally)
    provider: Provider = field(init=False)
    call_seconds: Latencies = field(init=False)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.provider = Provider(self.truth, self.tally)
        self.call_seconds = Latencies(self.truth, self.seed)
        self.chance = random.Random(self.seed)


# --- the work


def entities(number: int, customers: int, skew: float, seed: int) -> list[EntityWork]:
    """Entities of customers whose sizes follow Zipf's law with an exponent; 20 calls on average.

    An exponent of 0 makes all customers alike. Calls are lognormal, 4 at least.
    """
    chance = random.Random(seed)
    names = [f"customer-{one:03}" for one in range(customers)]
    weights = [1 / (rank + 1) ** skew for rank in range(customers)]
    owners = chance.choices(names, weights, k=number)
    return [
        EntityWork(owner, f"{one:07}", f"Entity {one}", _calls(chance))
        for one, owner in enumerate(owners)
    ]


def _calls(chance: random.Random) -> int:
    return max(4, round(chance.lognormvariate(2.9, 0.45)))
