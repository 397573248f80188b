"""One design's month, as it was measured."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.replication_month import NAMES
from benchmarks.replication_use import Use
from benchmarks.replication_watch import Watch
from shared.times import parse_time


@dataclass
class Run:
    """One design's month. Times are in seconds after its beginning, by provider where in a dict."""

    design: str
    scenario: str
    wall: float
    watch: Watch
    bounds: dict[str, float]
    needed: dict[str, int]
    """Requests, if each folder and each document takes one."""

    limits: dict[str, dict[str, float]]
    requests: int
    refused: int
    errors: Counter[str]
    failed: int
    use: Use
    faults: dict[str, int]
    notes: list[str]
    finished: dict[str, float]
    forecast_errors: dict[str, dict[str, float]]
    """By provider, of the first forecast and of that at half-way, as a share of the whole time."""

    @property
    def bound(self) -> float:
        return max(self.bounds.values())

    @property
    def whole(self) -> bool:
        return not any(self.faults.values())


# --- what is seen on the way


def said(watch: Watch) -> Callable[[str], None]:
    return lambda line: print(f"{watch.seconds:6.0f} s  {line}", flush=True)


def workers_of(found: dict[str, Any]) -> str:
    return " " + ", ".join(
        f"{one['workers']} of {one['workers_wanted']} workers at {NAMES[one['provider']]}"
        for one in found["providers"]
    )


def since(watch: Watch, at: str) -> float:
    return parse_time(at).timestamp() - watch.began


def keep(watch: Watch, found: dict[str, Any]) -> None:
    """Keep how far it is, the forecasts, and what is said while a provider refuses."""
    watch.done.append((watch.seconds, found["done"]))
    for one in found["providers"]:
        if one["forecast"]:
            own = watch.forecasts.setdefault(one["provider"], [])
            own.append((watch.seconds, since(watch, one["forecast"])))
        if one["refuses_until"] and one["provider"] not in watch.refusals:
            watch.refusals[one["provider"]] = (watch.seconds, found["situation"])


def forecast_errors(watch: Watch, provider: dict[str, Any], end: float) -> dict[str, float]:
    """By how much forecasts were too late (or, below 0, too early), as a share of the whole."""
    errors = {}
    if provider["first_forecast"]:
        errors["first"] = (since(watch, provider["first_forecast"]) - end) / end
    later = [said for at, said in watch.forecasts.get(provider["provider"], []) if at >= end / 2]
    if later:
        errors["half-way"] = (later[0] - end) / end
    return errors
