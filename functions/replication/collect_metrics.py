"""A beat of a provider's metronome: see what runs and what the quota allows, and say what is next.

Workers are as many as the quota keeps busy, and no more (`rules/pulse.py`). A worker that has gone
is found here, because its batch is still open and nobody has seen it for a while. Only the run
that the table names is the metronome; whoever comes later, or twice, changes nothing.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NotRequired, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.finishing import finish_if_all_have
from replication.governor import read_quotas
from replication.replications_table import (
    close_batch,
    get_service,
    known_replication,
    note_seen,
    open_batches,
    update_service,
)
from replication.rules.limits import limits_of
from replication.rules.pulse import (
    Level,
    effective_rate,
    forecast,
    mean_call_seconds,
    next_beat,
    seconds_of_worker,
    workers_wanted,
)
from replication.rules.quota import Quota
from replication.rules.replication import (
    GOES_ON,
    Again,
    Batch,
    Counts,
    Largest,
    Outcome,
    Service,
    summed,
    worker_name,
)
from replication.storage.interface import OPERATIONS
from shared.executions import status_of
from shared.observability import count, logger, measure, step
from shared.times import format_time, now, parse_time

STATE_MACHINE_ARN = os.environ["REPLICATION_WORKER_STATE_MACHINE_ARN"]
MOST_WORKERS = int(os.environ["MOST_WORKERS"])
PULSE_SECONDS = int(os.environ["PULSE_SECONDS"])
PROVIDER_LIMITS = os.environ["PROVIDER_LIMITS"]
PATIENCE_SECONDS = int(os.environ["WORKER_PATIENCE_SECONDS"])
"""How long a batch may show no progress until somebody looks whether its worker is still there."""

MOST_BEATS = 1000
"""Of one execution, whose history would be full after some 1,700."""

MOST_ATTEMPTS = 5
"""How many workers may go, and no entity end, until what is left of a batch has failed."""

WORTH_TELLING = 60.0
"""Seconds for which a provider takes no requests before a person is told."""

PLURALS = {
    "server": "servers",
    "tenant": "tenants",
    "account": "accounts",
    "uploads": "accounts that upload",
}

LOOKED_AFTER_AT_ONCE = 20
"""How many batches without progress are looked after in one beat."""


class Input(TypedDict):
    replication_id: str
    provider: str
    run: int
    beat: int


class Output(TypedDict):
    verdict: Literal["start", "wait", "hand_over", "finished", "stopped", "taken_over"]
    number: int
    next_at: NotRequired[str]
    """When the next beat is."""
    new: NotRequired[int]
    again: NotRequired[list[Again]]
    next_run: NotRequired[int]


@step
def handler(event: Input, context: LambdaContext) -> Output:
    began, number = now().timestamp(), event["beat"] + 1
    replication = known_replication(event["replication_id"])
    service = get_service(event["replication_id"], event["provider"])
    if service is None or service.run != event["run"]:
        return {"verdict": "taken_over", "number": number}
    opened = open_batches(service.replication_id, service.provider)
    running, again = told_apart(opened)
    if service.ended_batches == service.batches and not running:
        return finished(service, number)
    beat = Beat(service, opened, running)
    due = next_beat(began, PULSE_SECONDS, beat.quiet_until)
    next_at = format_time(datetime.fromtimestamp(due, UTC))
    if replication.state not in GOES_ON:
        return stopping(service, beat, number, next_at)
    free = max(beat.wanted - len(running), 0)
    resumed = [Again(batch=batch.batch, attempt=batch.attempt) for batch in again[:free]]
    new = min(free - len(resumed), service.batches - service.started)
    if not keep(service, beat):
        return {"verdict": "taken_over", "number": number}
    if number >= MOST_BEATS:
        return handing_over(service, number)
    if not new and not resumed:
        return {"verdict": "wait", "number": number, "next_at": next_at}
    return {
        "verdict": "start",
        "number": number,
        "next_at": next_at,
        "new": new,
        "again": resumed,
    }


# --- workers


def told_apart(opened: list[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Batches with a worker, and those that need one: it has gone, or was told to stop."""
    running, again = [], []
    looks = LOOKED_AFTER_AT_ONCE
    for batch in opened:
        if batch.put_off:
            again.append(batch)
            continue
        if seconds_since(batch.seen_at) < PATIENCE_SECONDS or looks == 0:
            running.append(batch)
            continue
        looks -= 1
        if is_alive(batch):
            running.append(batch)
        elif batch.broken_off + 1 >= MOST_ATTEMPTS:
            give_up(batch)
        else:
            count("WorkerGone")
            logger.warning("a worker has gone", batch=batch.batch, attempt=batch.attempt)
            again.append(batch)
    return running, again


def is_alive(batch: Batch) -> bool:
    """Whether a batch's worker runs; then it is left alone for a while."""
    name = worker_name(batch.replication_id, batch.provider, batch.batch, batch.attempt)
    alive = status_of(STATE_MACHINE_ARN, name) == "RUNNING"
    if alive:
        note_seen(batch, format_time(now()))
    return alive


def give_up(batch: Batch) -> None:
    """End a batch whose workers break off again and again."""
    failed = Outcome(
        state="FAILED",
        error="WorkerBroken",
        cause="One worker after another broke off here. The last one's execution says why;"
        " docs/runbook.md says what to do.",
    )
    outcomes = {str(n): failed for n in range(len(batch.entities))} | batch.outcomes
    counts = summed(outcome.counts for outcome in outcomes.values())
    if close_batch(batch, outcomes, format_time(now()), counts):
        count("BatchGivenUp")
        logger.error("a batch is given up", batch=batch.batch)


def seconds_since(at: str) -> float:
    return (now() - parse_time(at)).total_seconds()


# --- what a beat sees


class Beat:
    """The figures of the moment; `values` is what the table keeps of them."""

    def __init__(self, service: Service, opened: list[Batch], running: list[Batch]) -> None:
        ended = [outcome for batch in opened for outcome in batch.outcomes.values()]
        self.counts: Counts = summed([service.counts, *(one.counts for one in ended)])
        entities_ended = service.done + service.failed + len(ended)
        entities = service.entities + service.retried
        calls = self.counts.get("calls", 0)
        per_entity = calls / entities_ended if entities_ended and calls else None
        if per_entity is None:
            per_entity = service.calls_planned / max(entities, 1)
        self.calls_left = round(per_entity * max(entities - entities_ended, 0))
        quotas = read_quotas(service.provider)
        units = units_of_call(service.provider, self.counts)
        levels = levels_of(service, quotas, units)
        self.rate = effective_rate(levels)
        batches_left = service.batches - service.ended_batches
        self.mean = mean_call_seconds(
            calls,
            self.counts.get("busy_ms", 0) / 1000,
            self.calls_left / max(batches_left, 1),
            PULSE_SECONDS,
        )
        seconds = seconds_of_worker(levels, self.mean)
        self.wanted = workers_wanted(self.rate, seconds, MOST_WORKERS)
        self.running = len(running)
        self.queue = service.batches - service.started
        self.cooldown_until = max((quota.cooldown_until for quota in quotas.values()), default=0.0)
        self.refused = share_of_refused(service, quotas)
        self.largest = [granted_before(one, quotas) for one in service.largest]
        more = per_entity * entities / max(service.calls_planned, 1)
        self.ends = forecast(
            now().timestamp(),
            self.calls_left,
            self.rate,
            self.cooldown_until,
            self.wanted,
            seconds,
            slowest_scope_seconds(
                service,
                self.largest,
                quotas,
                {scope: one * more for scope, one in units.items()},
            ),
        )

    @property
    def quiet_until(self) -> float:
        """Until when everything is refused, if that is worth telling."""
        return self.cooldown_until if self.is_refused_for_long and not self.refused else 0.0

    @property
    def is_refused_for_long(self) -> bool:
        return self.cooldown_until > now().timestamp() + WORTH_TELLING

    @property
    def forecast(self) -> str | None:
        if self.ends is None:
            return None
        return format_time(datetime.fromtimestamp(self.ends, UTC))

    def values(self) -> dict[str, int | str]:
        shown: dict[str, int | str] = {
            "workers": self.running,
            "wanted": self.wanted,
            "queue": self.queue,
            "calls_left": self.calls_left,
            "calls_per_minute": round(min(self.rate, 1e9) * 60),
            "mean_call_ms": round(self.mean * 1000),
        }
        if self.forecast:
            shown["forecast"] = self.forecast
        if self.is_refused_for_long:
            until = datetime.fromtimestamp(self.cooldown_until, UTC)
            shown["refuses_until"] = format_time(until)
            shown["refused"] = self.refused
        return shown


def units_of_call(provider: str, counts: Counts) -> dict[str, float]:
    """What a call costs on average on each level that is limited, as those that were counted."""
    calls = {operation: counts.get(f"{operation}_calls", 0) for operation in OPERATIONS}
    return {limit.scope: limit.mean_cost(calls) for limit in limits_of(provider, PROVIDER_LIMITS)}


def levels_of(
    service: Service, quotas: Mapping[str, Quota], units: Mapping[str, float]
) -> list[Level]:
    """What each level allows; of scopes that nobody has used, the ceiling."""
    levels = []
    for limit in limits_of(service.provider, PROVIDER_LIMITS):
        known = [quota.rate for key, quota in quotas.items() if key.startswith(f"{limit.scope}#")]
        number = max(service.scopes.get(limit.scope, 1), 1)
        rates = sorted(known, reverse=True)[:number]
        unused = [limit.ceiling] * (number - len(rates))
        levels.append(Level([*rates, *unused], units[limit.scope]))
    return levels


def share_of_refused(service: Service, quotas: Mapping[str, Quota]) -> str:
    """Whose requests the provider refuses for some time, in words: empty where it is everybody's,
    or nobody's.
    """
    until = now().timestamp() + WORTH_TELLING
    refused = Counter(
        key.partition("#")[0] for key, quota in quotas.items() if quota.cooldown_until > until
    )
    of_some = [
        f"{number} of {service.scopes[level]} {PLURALS[level]}"
        for level, number in sorted(refused.items())
        if number < service.scopes.get(level, 1)
    ]
    return "" if len(of_some) < len(refused) else " and ".join(of_some)


def granted_before(largest: Largest, quotas: Mapping[str, Quota]) -> Largest:
    """The first beat notes how much a quota had been used by then."""
    if largest.granted_before is not None:
        return largest
    quota = quotas.get(largest.key)
    return largest.model_copy(update={"granted_before": round(quota.granted) if quota else 0})


def slowest_scope_seconds(
    service: Service,
    largest: Iterable[Largest],
    quotas: Mapping[str, Quota],
    units: Mapping[str, float],
) -> float:
    """How long the calls take that are left in the slowest of the largest scopes.

    `units` is what a planned call comes to on each level that is limited.
    """
    seconds = [0.0]
    ceilings = {
        limit.scope: limit.ceiling for limit in limits_of(service.provider, PROVIDER_LIMITS)
    }
    for one in largest:
        scope = one.key.partition("#")[0]
        if scope not in ceilings:
            continue  # Nothing is limited on this level.
        quota = quotas.get(one.key)
        granted = quota.granted if quota else 0.0
        left = one.calls * units[scope] - (granted - (one.granted_before or 0))
        seconds.append(left / (quota.rate if quota else ceilings[scope]))
    return max(seconds)


def keep(service: Service, beat: Beat) -> bool:
    """Store and publish what the beat has seen; False where another run has the service by now."""
    values: dict[str, Any] = {
        "beat": beat.values(),
        "beat_at": format_time(now()),
        "restarts": 0,
    }
    if beat.largest != list(service.largest):
        values["largest"] = [one.model_dump() for one in beat.largest]
    if service.first_forecast is None and beat.counts.get("calls") and beat.forecast:
        values["first_forecast"] = beat.forecast
    if not update_service(service, **values):
        return False
    measure(
        {"Provider": service.provider},
        ReplicationWorkers=beat.running,
        ReplicationWorkersWanted=beat.wanted,
        ReplicationBatchesLeft=beat.queue,
        ReplicationCallsLeft=beat.calls_left,
        ReplicationCalls=beat.counts.get("calls", 0),
        ReplicationCallsThrottled=beat.counts.get("throttled", 0),
    )
    logger.info("beat", provider=service.provider, workers=beat.running, wanted=beat.wanted)
    return True


# --- how a run ends


def finished(service: Service, number: int) -> Output:
    at = format_time(now())
    if not update_service(service, state="FINISHED", finished_at=at, beat_at=at):
        return {"verdict": "taken_over", "number": number}
    finish_if_all_have(service.replication_id)
    return {"verdict": "finished", "number": number}


def stopping(service: Service, beat: Beat, number: int, next_at: str) -> Output:
    """Paused or cancelled: wait until the last worker has put its batch off."""
    if beat.running:
        kept = keep(service, beat)
        return {"verdict": "wait" if kept else "taken_over", "number": number, "next_at": next_at}
    stopped = update_service(service, state="STOPPED", beat_at=format_time(now()))
    return {"verdict": "stopped" if stopped else "taken_over", "number": number}


def handing_over(service: Service, number: int) -> Output:
    """Let the next run be the metronome; the schedule starts it if this execution does not."""
    run = service.run + 1
    if not update_service(service, run=run, beat_at=format_time(now())):
        return {"verdict": "taken_over", "number": number}
    return {"verdict": "hand_over", "number": number, "next_run": run}
