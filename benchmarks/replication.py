"""A month's replication before and after, measured on the embedded cloud.

The former design (former_replication.py says what it is) and Aftercall replicate the same entities
and documents to the same simulated providers, whose limits are such that the quota is what takes
the time. Ends with 1 if after Aftercall anything is missing, extra or different.

designs: `before`, in which a refused request fails its task; `before-sdk`, the same with requests
that are sent again after a backoff, as many SDKs do; `after`.

scenarios: `steady`; `storm`, in which the providers refuse everything for 20 s; `halved`, in which
their limits are halved half-way; `killed`, in which every few seconds a function's process is;
`expired`, in which all access tokens are too old every 20 s.

The bound takes each folder and each document for one request. Drive and Box, where a folder is
known by an id that has to be found first, need some more.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cloud import deployed_cloud
from benchmarks.former_replication import Former, Outcome, Settings
from benchmarks.replication_month import (
    BUCKET_SECONDS,
    NAMES,
    RATES,
    Month,
    limits_at,
    limits_text,
    months,
)
from benchmarks.replication_use import Meter, Use
from benchmarks.replication_watch import Watch
from local.cloud import deployment
from local.cloud.client import Cloud
from local.cloud.issuer import issue_token
from local.cloud.settings import Instance
from local.demo.api import Api
from local.providers.client import Simulator
from replication.rules.periods import Period
from shared.times import parse_time
from tests.processes import function_processes, handler_of, kill

DESIGNS = ("before", "before-sdk", "after")
SCENARIOS = ("steady", "storm", "halved", "killed", "expired")
STORM_SECONDS = 20.0
SECONDS_BETWEEN_KILLS = 8.0
SECONDS_OF_TOKENS = 20.0
SECONDS_BETWEEN_LOOKS = 2.0
READS_OF_A_LOOK = 4
"""What the API reads of DynamoDB to show how far a replication is, for two providers."""

ENDED = ("FINISHED", "FAILED", "CANCELLED")
STORMS: dict[str, dict[str, Any]] = {
    "webdav": {"action": "status", "status": 429, "headers": {"Retry-After": "2"}},
    "s3": {"action": "status", "status": 503, "body": "<Error><Code>SlowDown</Code></Error>"},
    "dropbox": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "2", "Content-Type": "text/plain"},
        "body": "Too many requests",
    },
    "drive": {
        "action": "status",
        "status": 403,
        "headers": {"Content-Type": "application/json"},
        "body": '{"error": {"code": 403, "errors": [{"domain": "usageLimits",'
        ' "reason": "rateLimitExceeded"}]}}',
    },
    "graph": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "2", "Content-Type": "application/json"},
        "body": '{"error": {"code": "activityLimitReached"}}',
    },
    "box": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "2", "Content-Type": "application/json"},
        "body": '{"type": "error", "status": 429, "code": "rate_limit_exceeded"}',
    },
}


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


def main() -> None:
    arguments = parsed()
    instance = Instance("bench", max_processes=arguments.processes)
    rates = {
        one: {scope: rate * arguments.times for scope, rate in RATES[one].items()}
        for one in arguments.providers
    }
    deployment.PARAMETERS.update(parameters(arguments, rates))
    runs: list[Run] = []
    with deployed_cloud(instance) as cloud:
        print("storing customers and documents ...")
        month = Month(
            cloud, rates, arguments.customers, arguments.entities, arguments.documents,
            arguments.seed,
        )  # fmt: skip
        month.store_documents()
        bench = Bench(cloud, instance, month, arguments)
        for scenario, period in zip(arguments.scenario, months(), strict=False):
            pair = [bench.run(design, scenario, period) for design in arguments.only]
            print_runs(pair, month)
            runs += pair
    if arguments.plots:
        from benchmarks.replication_charts import draw  # It takes a second to import.

        for path in draw(runs, arguments.plots):
            print(path)
    raise SystemExit(0 if all(run.whole for run in runs if run.design == "after") else 1)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number = partial(parser.add_argument, type=int, metavar="N")
    number("--customers", default=40, help="how many (default: 40)")
    number("--entities", default=4, help="of each customer (default: 4)")
    number("--documents", default=9, help="of each entity, on average (default: 9)")
    number("--seed", default=1, help="of folders, documents and their sizes (default: 1)")
    parser.add_argument(
        "--providers", nargs="+", choices=RATES, default=["webdav", "s3"],
        help="where customers have their storage (default: webdav s3)",
    )  # fmt: skip
    parser.add_argument(
        "--times", type=float, default=1.0, metavar="F",
        help="how many times the usual requests a second the providers take (default: 1)",
    )  # fmt: skip
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=["steady"])
    parser.add_argument(
        "--only", choices=DESIGNS, nargs="+", default=DESIGNS,
        help="which of the designs (default: all)",
    )  # fmt: skip
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where to write PNG files")
    number("--processes", default=32, help="in which functions run (default: 32)")
    number("--at-once", default=16, help="functions of the former design's tasks (default: 16)")
    number("--pulse", default=2, help="PulseSeconds (default: 2)")
    number("--workers", default=8, help="ReplicationWorkers (default: 8)")
    number(
        "--lambda-seconds", default=60,
        help="what stands for Lambda's 15 minutes in the former design (default: 60)",
    )  # fmt: skip
    number(
        "--request-tries", default=5,
        help="how often before-sdk sends a request that is refused (default: 5)",
    )  # fmt: skip
    number("--runs", default=12, help="of the former design at most (default: 12)")
    number("--minutes", default=15, help="after which it does not run again (default: 15)")
    return parser.parse_args()


def parameters(arguments: argparse.Namespace, rates: dict[str, dict[str, float]]) -> dict[str, str]:
    """What this instance is deployed with: the limits are published ones."""
    return {
        "ReplicationWorkers": str(arguments.workers),
        "PulseSeconds": str(arguments.pulse),
        "ProviderLimits": limits_text(rates).replace('"', '\\"'),
    }


@dataclass
class Bench:
    cloud: Cloud
    instance: Instance
    month: Month
    arguments: argparse.Namespace

    def run(self, design: str, scenario: str, period: Period) -> Run:
        folder = Path(tempfile.mkdtemp(prefix="bench-replication-"))
        print(f"{design}, {scenario}, {period}:")
        with self.month.providers(folder) as simulators:
            watch = Watch(simulators)
            self.prepare(scenario, watch, "replication." if design == "after" else "former.")
            if design == "after":
                run = self.after(scenario, period, watch)
            else:
                tries = self.arguments.request_tries if design == "before-sdk" else 1
                run = self.before(design, tries, scenario, period, watch)
            run.faults = self.month.faults(simulators, period)
        return run

    def prepare(self, scenario: str, watch: Watch, functions: str) -> None:
        """What is to happen on the way."""
        bound = max(self.bound(provider, "steady") for provider in self.month.rates)
        if scenario == "storm":
            watch.events.append((bound / 3, partial(break_out, watch.simulators)))
            end = bound / 3 + STORM_SECONDS
            watch.events.append((end, partial(calm_down, watch.simulators)))
        elif scenario == "halved":
            watch.events.append((bound / 2, partial(halve, watch.simulators, self.month.rates)))
        elif scenario == "killed":
            chance = random.Random(self.arguments.seed)
            action = partial(kill_one, self.instance, functions, chance)
            watch.every.append((SECONDS_BETWEEN_KILLS, action))
        elif scenario == "expired":
            watch.every.append((SECONDS_OF_TOKENS, partial(expire, watch.simulators, self.month)))

    def bound(self, provider: str, scenario: str, period: Period | None = None) -> float:
        """The time that the quota itself forces: what is left after the burst, at its rate."""
        seconds = max(
            self.month.units(provider, scope, period or next(months())) / rate - BUCKET_SECONDS
            for scope, rate in self.month.rates[provider].items()
        )
        seconds = max(seconds, 0.0)
        if scenario == "storm":
            return seconds + STORM_SECONDS
        if scenario == "halved":
            whole = max(self.bound(one, "steady", period) for one in self.month.rates) / 2
            return whole + 2 * max(seconds - whole, 0.0)
        return seconds

    # --- designs

    def before(
        self, design: str, request_tries: int, scenario: str, period: Period, watch: Watch
    ) -> Run:
        settings = Settings(
            lambda_seconds=self.arguments.lambda_seconds,
            request_tries=request_tries,
            most_runs=self.arguments.runs,
            most_seconds=60 * self.arguments.minutes,
            at_once=self.arguments.at_once,
        )
        former = Former(self.cloud, settings)
        former.deploy()
        meter = Meter(self.cloud, self.instance, "former")
        entities = sum(map(len, self.month.entities.values()))
        with watch:
            outcome = former.run(period, entities, watch, said(watch))
            wall = watch.seconds
        run = self.measured(design, scenario, period, watch, wall, meter.use(outcome.looks))
        run.errors, run.failed = outcome.errors, entities - outcome.done
        run.notes = former_notes(outcome, settings)
        return run

    def after(self, scenario: str, period: Period, watch: Watch) -> Run:
        token = issue_token(self.instance, "operator", ["operator"])
        api = Api(self.cloud.outputs["ApiBaseUrl"], token)
        meter = Meter(self.cloud, self.instance, "Replication")
        looks, say, told = 0, said(watch), 0.0
        with watch:
            asked = api.post("/replications", {"period": str(period), "all": True}, str(period))
            path = f"/replications/{asked['replication_id']}"
            while True:
                found = api.get(path)
                looks += 1
                keep(watch, found)
                if watch.seconds - told > 10:
                    told = watch.seconds
                    say(found["situation"] + workers_of(found))
                if found["state"] in ENDED:
                    break
                time.sleep(SECONDS_BETWEEN_LOOKS)
            wall = since(watch, found["finished_at"]) if found["finished_at"] else watch.seconds
        use = meter.use(looks * READS_OF_A_LOOK)
        run = self.measured("after", scenario, period, watch, wall, use)
        run.errors, run.failed = use.errors, found["failed"]
        for one in found["providers"]:
            provider, end = one["provider"], since(watch, one["finished_at"])
            run.finished[provider] = end
            run.forecast_errors[provider] = forecast_errors(watch, one, end)
            run.notes.append(f"{NAMES[provider]}: {one['counts']}")
        return run

    def measured(
        self, design: str, scenario: str, period: Period, watch: Watch, wall: float, use: Use
    ) -> Run:
        last = [samples[-1] for samples in watch.samples.values()]
        return Run(
            design=design,
            scenario=scenario,
            wall=wall,
            watch=watch,
            bounds={one: self.bound(one, scenario, period) for one in self.month.rates},
            needed={one: self.month.requests(one, period) for one in self.month.rates},
            limits=self.month.rates,
            requests=sum(one.requests for one in last),
            refused=sum(one.refused for one in last),
            errors=Counter(),
            failed=0,
            use=use,
            faults={},
            notes=[],
            finished={},
            forecast_errors={},
        )


# --- what happens on the way


def break_out(simulators: dict[str, Simulator]) -> None:
    for provider, simulator in simulators.items():
        simulator.set_faults(STORMS[provider])


def calm_down(simulators: dict[str, Simulator]) -> None:
    for simulator in simulators.values():
        simulator.clear_faults()


def halve(simulators: dict[str, Simulator], rates: dict[str, dict[str, float]]) -> None:
    for provider, simulator in simulators.items():
        halves = {scope: rate / 2 for scope, rate in rates[provider].items()}
        simulator.set_limits({"limits": limits_at(provider, halves)})


def expire(simulators: dict[str, Simulator], month: Month) -> None:
    """Make all access tokens too old, of those providers that have any."""
    for customer_id, provider in month.customers.items():
        if provider not in ("webdav", "s3"):
            simulators[provider].expire_tokens(customer_id)


def kill_one(instance: Instance, functions: str, chance: random.Random) -> None:
    """Any function's but the API's: whoever looks how far it is would be told of the crash."""
    living = [
        pid
        for pid in function_processes(instance, functions)
        if not handler_of(pid).endswith(".api.handler")
    ]
    if living:
        kill([chance.choice(living)])


# --- what is seen


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
    """Keep how far it is, and the forecasts."""
    watch.done.append((watch.seconds, found["done"]))
    for one in found["providers"]:
        if one["forecast"]:
            own = watch.forecasts.setdefault(one["provider"], [])
            own.append((watch.seconds, since(watch, one["forecast"])))


def forecast_errors(watch: Watch, provider: dict[str, Any], end: float) -> dict[str, float]:
    """By how much forecasts were too late (or, below 0, too early), as a share of the whole."""
    errors = {}
    if provider["first_forecast"]:
        errors["first"] = (since(watch, provider["first_forecast"]) - end) / end
    later = [said for at, said in watch.forecasts.get(provider["provider"], []) if at >= end / 2]
    if later:
        errors["half-way"] = (later[0] - end) / end
    return errors


def former_notes(outcome: Outcome, settings: Settings) -> list[str]:
    return [
        f"{outcome.runs} runs of at most {settings.most_runs}, {outcome.broken} of them broke off;"
        f" {outcome.tries} tasks tried, {outcome.failed} failed three times in a run;"
        f" {settings.at_once} functions at once, {settings.lambda_seconds} s for Lambda's 900;"
        f" a request is sent {settings.request_tries} times"
    ]


# --- what is shown


def print_runs(runs: list[Run], month: Month) -> None:
    print()
    print(
        f"{month.number} customers, {sum(map(len, month.entities.values()))} entities, "
        + ", ".join(
            f"{NAMES[one]}: {runs[0].needed[one]} requests needed at "
            + " and ".join(f"{rate:g}/s ({scope})" for scope, rate in own.items())
            for one, own in month.rates.items()
        )
    )
    rows = [("", *(f"{run.design}, {run.scenario}" for run in runs))]
    rows += [(name, *(show(run) for run in runs)) for name, show in ROWS]
    for row in rows:
        print(f"{row[0]:34}" + "".join(f"{cell:>34}" for cell in row[1:]))
    for run in runs:
        for note in [*run.notes, *gap(run)]:
            print(f"  {run.design}: {note}")
        print(f"  {run.design}: errors {dict(run.errors.most_common())}")
        seconds = {name: round(used) for name, used in run.use.by_function.most_common()}
        print(f"  {run.design}: seconds of functions {seconds}")
    print(flush=True)


def gap(run: Run) -> list[str]:
    """What a provider's time consists of beyond what its limits force."""
    notes = []
    for provider, needed in run.needed.items():
        samples, bound = run.watch.samples[provider], run.bounds[provider]
        last = samples[-1]
        served = last.requests - last.refused
        first = run.watch.seconds_until(provider, 1)
        early, late, end = (
            run.watch.seconds_until(provider, part * served) for part in (0.05, 0.95, 1.0)
        )
        notes.append(
            f"{NAMES[provider]}: {needed} needed, {served} served, {last.refused} refused; first"
            f" after {first:.1f} s; 5 % after {early:.1f} s, 95 % after {late:.1f} s; last after"
            f" {end:.1f} s, {end / max(bound, 1):.3f} of the bound of {bound:.0f} s"
            + (f"; finished after {run.finished[provider]:.0f} s" if run.finished else "")
        )
    return notes


def share(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def forecasts_of(run: Run, which: str) -> str:
    cells = [
        f"{NAMES[one]} {errors[which]:+.1%}"
        for one, errors in run.forecast_errors.items()
        if which in errors
    ]
    return ", ".join(cells) or "-"


ROWS: list[tuple[str, Callable[[Run], str]]] = [
    ("wall time", lambda run: f"{run.wall:.0f} s" + (", given up" if run.failed else "")),
    ("bound forced by the quota", lambda run: f"{run.bound:.0f} s"),
    ("ratio to it", lambda run: "-" if run.failed else f"{run.wall / run.bound:.3f}"),
    ("requests", lambda run: str(run.requests)),
    ("of these not needed", lambda run: str(run.requests - sum(run.needed.values()))),
    ("refused (429, 503)", lambda run: str(run.refused)),
    ("refused share", lambda run: f"{run.refused / max(run.requests, 1):.3%}"),
    ("errors", lambda run: str(run.errors.total())),
    ("of these throttling", lambda run: share(run.errors["Throttled"], run.errors.total())),
    ("entities not done", lambda run: str(run.failed)),
    ("state transitions", lambda run: str(run.use.transitions)),
    ("executions", lambda run: str(run.use.executions)),
    ("Lambda invocations", lambda run: str(run.use.invocations)),
    ("Lambda seconds", lambda run: f"{run.use.lambda_seconds:.0f}"),
    ("Lambda GB-seconds", lambda run: f"{run.use.gb_seconds:.0f}"),
    ("DynamoDB reads", lambda run: str(run.use.reads)),
    ("DynamoDB writes", lambda run: str(run.use.writes)),
    ("cost on AWS", lambda run: f"${run.use.dollars:.4f}"),
    ("error of the first forecast", lambda run: forecasts_of(run, "first")),
    ("error of that at half-way", lambda run: forecasts_of(run, "half-way")),
    ("missing, extra, different", lambda run: ", ".join(map(str, run.faults.values()))),
]


if __name__ == "__main__":
    main()
