"""What may happen in a month's replication, the time that the quota forces, and one run of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.replication_after import Replication, Settings
from benchmarks.replication_before import Orchestrator
from benchmarks.replication_governor import Governor
from benchmarks.replication_model import Stage, Tally, Truth, entities
from replication.rules.batches import EntityWork
from replication.rules.quota import Limit

CUSTOMERS = 40
STORM_SECONDS = 60.0
NIGHT_SECONDS = 12 * 3600.0
SECONDS_TO_LEARN = 10.0
"""After a change, until a forecast is expected to know of it."""

BURST_SECONDS = 0.5
"""The burst that the governor allows itself, and with `TRUE_BURST_SECONDS` the provider's."""

TRUE_BURST_SECONDS = 2.0
BEFORE_BOUNDS, BEFORE_SECONDS, BEFORE_THROTTLED = 5, 3600, 2_000_000
"""The former design is watched for so many times the bound and an hour, or so many throttled
requests."""


@dataclass(frozen=True)
class Scenario:
    """What differs from a provider that keeps to what it publishes."""

    name: str
    says: str
    published: bool = True
    halved: bool = False
    storm: bool = False
    day: bool = False
    says_when: bool = True
    charges_refused: bool = True
    per: str = "provider"
    skew: float = 1.0
    huge: int = 0
    """Calls of one entity, if not 0."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("steady", "the provider keeps to the limit that it publishes"),
        Scenario("guessed", "nothing is published; the guess happens to be right", published=False),
        Scenario(
            "forgiving", "a request that is refused is not charged for", charges_refused=False
        ),
        Scenario("halved", "the provider halves its quota half-way, and says no word", halved=True),
        Scenario("storm", "the provider refuses everything for 60 s", storm=True),
        Scenario(
            "day",
            "the quota of a day is used up half-way; the provider refuses everything for 12 h, and"
            " says so",
            day=True,
        ),
        Scenario("mute", "so it does, and does not say for how long", storm=True, says_when=False),
        Scenario(
            "skew", "half of all entities are one customer's; one is huge", skew=1.6, huge=500
        ),
        Scenario("accounts", "each customer's account has a quota of its own", per="account"),
    )
}


@dataclass
class Result:
    """One run of one design, and what it is measured against; seconds but for the counts."""

    design: str
    scenario: Scenario
    entities: int
    workers: int
    rate: float
    bound: float
    at_ceiling: float
    """What the bound would be if the provider's rate were what the governor takes of it."""

    tally: Tally
    finished: bool = False
    changed_at: float | None = None
    forecasts: Sequence[tuple[float, float, float | None]] = ()
    """See Service in replication_after.py."""

    workers_by_time: Sequence[tuple[float, int]] = ()

    @property
    def wall(self) -> float:
        return self.tally.finished_at if self.finished else math.inf

    def forecast_error(self, part: float) -> float | None:
        """How much later than expected the finish is, as a share of all; negative: earlier."""
        expected = next((finish for _, made, finish in self.forecasts if made >= part), None)
        return None if expected is None else (self.wall - expected) / self.wall

    def seconds_of_errors(self) -> tuple[float | None, float | None]:
        """How much later than expected the finish is: what the last forecast before the provider's
        change expected, and the first after everybody could know of it.
        """
        changed = self.changed_at or 0.0
        before = [finish for at, _, finish in self.forecasts if at < changed]
        after = [finish for at, _, finish in self.forecasts if at >= changed + SECONDS_TO_LEARN]
        return _later(before[-1:], self.wall), _later(after[:1], self.wall)

    @property
    def throttled_at_night(self) -> int:
        if self.changed_at is None or not self.scenario.day:
            return 0
        begins = int(self.changed_at)
        seconds = range(begins, begins + int(NIGHT_SECONDS) + 1)
        counts = self.tally.throttled_by_second
        return sum(number for second, number in counts.items() if second in seconds)


def _later(finishes: Sequence[float | None], wall: float) -> float | None:
    return wall - finishes[0] if finishes and finishes[0] is not None else None


def run(
    design: str, scenario: Scenario, number: int, rate: float, settings: Settings, seed: int
) -> Result:
    """Simulate a design, `before` or `after`, until all is done or nobody waits any longer."""
    work = work_of(scenario, number, seed)
    truth = truth_of(scenario, work, rate)
    limit = Limit(
        scope=truth.per, rate=rate, burst=max(1, BURST_SECONDS * rate), published=scenario.published
    )
    stage = Stage(truth, seed)
    result = Result(
        *(design, scenario, number, settings.most_workers, rate),
        bound(work, truth),
        bound(work, truth, limit.ceiling / limit.rate),
        stage.tally,
    )
    if design == "before":
        _run_before(result, work, stage)
    else:
        _run_after(result, work, stage, limit, settings)
    result.finished = stage.tally.done == len(work)
    result.changed_at = stage.provider.changed_at
    return result


def _run_before(result: Result, work: Sequence[EntityWork], stage: Stage) -> None:
    tally = stage.tally
    Orchestrator(stage).begin(work, result.workers)
    last = BEFORE_BOUNDS * result.bound + BEFORE_SECONDS
    until = 0.0
    while until < last and tally.done < len(work) and tally.throttled < BEFORE_THROTTLED:
        until = min(until + BEFORE_SECONDS / 10, last)
        stage.world.run(until)
    if tally.done < len(work):
        tally.finished_at = until


def _run_after(
    result: Result, work: Sequence[EntityWork], stage: Stage, limit: Limit, settings: Settings
) -> None:
    replication = Replication(stage, Governor(stage, limit), settings)
    replication.begin(work)
    stage.world.run()
    result.forecasts = replication.service.forecasts
    result.workers_by_time = replication.service.workers_by_time


def work_of(scenario: Scenario, number: int, seed: int) -> list[EntityWork]:
    work = entities(number, CUSTOMERS, scenario.skew, seed)
    if scenario.huge:
        work[0] = work[0]._replace(calls=scenario.huge)
    return work


def truth_of(scenario: Scenario, work: Sequence[EntityWork], rate: float) -> Truth:
    """How the provider behaves; what is published of it is `rate`."""
    truth = Truth(
        rate,
        TRUE_BURST_SECONDS,
        per=scenario.per,
        says_when=scenario.says_when,
        charges_refused=scenario.charges_refused,
    )
    units = sum(entity.calls for entity in work) * truth.units
    if scenario.halved:
        truth = replace(truth, halved_after=units / 2)
    if scenario.storm:
        begins = 0.4 * units / rate
        truth = replace(truth, storm=(begins, begins + STORM_SECONDS))
    if scenario.day:
        truth = replace(truth, day_after=units / 2, night_seconds=NIGHT_SECONDS)
    return truth


def bound(work: Sequence[EntityWork], truth: Truth, share: float = 1.0) -> float:
    """Seconds that the quota itself forces, if so much of it is used.

    The burst at the beginning is for nothing, and so is what the bucket holds after a storm or a
    night. Where
    accounts have quotas of their own, the largest customer's decides.
    """
    rate = truth.rate * share
    units: Counter[str] = Counter()
    for entity in work:
        units[entity.customer_id if truth.per == "account" else ""] += entity.calls
    most = max(units.values()) * truth.units
    before = min(most, truth.halved_after)
    seconds = before / rate + (most - before) / (rate / 2) - truth.seconds
    if math.isfinite(truth.storm[0]):
        seconds += truth.storm[1] - truth.storm[0] - truth.seconds
    if math.isfinite(truth.day_after):
        seconds += truth.night_seconds - truth.seconds
    return seconds
