"""A month's replication before and after, measured on the embedded cloud.

The former design (former_replication.py says what it is) and Aftercall replicate the same entities
and documents to the same simulated providers, whose limits are such that the quota is what takes
the time. Ends with 1 if after Aftercall anything is missing, extra or different.

designs: `before`, in which a refused request fails its task; `before-sdk`, the same with requests
that are sent again after a backoff, as many SDKs do; `after`.

scenarios: `steady`; `storm`, in which the providers refuse everything for 20 s; `halved`, in which
their limits are halved half-way; `killed`, in which every few seconds a function's process is;
`expired`, in which all access tokens are too old every 65 s; `locked`, in which other programs of
the customers hold locks in their storage, and at Dropbox use some of the account's quota
(replication_others.py); `day`, in which Drive's quota of a day is used up half-way, and the next
day is played to begin minutes later (replication_night.py).

The bound takes each folder and each document for one request (replication_bounds.py). Drive and
Box, where a folder is known by an id that has to be found first, need some more. That of `locked`
leaves out what others take of a quota; that of `day` has the wait for the next day in it. The ratio
of the whole is to the largest of the providers' bounds.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cloud import deployed_cloud
from benchmarks.former_replication import Former, Outcome, Settings
from benchmarks.replication_bounds import Need, of_scenario, steady
from benchmarks.replication_events import (
    SECONDS_BETWEEN_KILLS,
    SECONDS_OF_TOKENS,
    STORM_SECONDS,
    break_out,
    calm_down,
    expire,
    halve,
    kill_one,
)
from benchmarks.replication_month import NAMES, RATES, Month, limits_text, months
from benchmarks.replication_night import (
    LIFTED_BEFORE,
    PROVIDER,
    SECONDS_OF_NIGHT,
    TIMES_BOUND,
    Night,
    california_moved,
)
from benchmarks.replication_others import ONE_WRITER, Others, seconds_between
from benchmarks.replication_run import Run, forecast_errors, keep, said, since, workers_of
from benchmarks.replication_table import print_run, print_runs
from benchmarks.replication_use import Meter, Use
from benchmarks.replication_watch import Watch
from local.cloud import deployment
from local.cloud.client import Cloud
from local.cloud.issuer import issue_token
from local.cloud.settings import Instance
from local.demo.api import Api
from local.providers.client import Simulator
from replication.rules.periods import Period

DESIGNS = ("before", "before-sdk", "after")
SCENARIOS = ("steady", "storm", "halved", "killed", "expired", "locked", "day")
SECONDS_BETWEEN_LOOKS = 2.0
READS_OF_A_LOOK = 4
"""What the API reads of DynamoDB to show how far a replication is, for two providers."""

ENDED = ("FINISHED", "FAILED", "CANCELLED")


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
    arguments = parser.parse_args()
    if "day" in arguments.scenario and PROVIDER not in arguments.providers:
        parser.error(f"the scenario `day` is about {PROVIDER}: add it to --providers")
    return arguments


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
            play = Play(design, scenario, period, Watch(simulators), self.needs(scenario, period))
            with self.played(play, folder):
                run = self.after(play) if design == "after" else self.before(play)
            run.notes += play.notes
            run.faults = self.month.faults(simulators, period)
        print_run(run)
        return run

    def needs(self, scenario: str, period: Period) -> dict[str, list[Need]]:
        """What the month costs, and in `locked` what others take of Dropbox's quotas."""
        others = {}
        if scenario == "locked" and ONE_WRITER in self.month.rates:
            rate = self.month.rates[ONE_WRITER]["account"]
            others[ONE_WRITER] = 1 / seconds_between(rate)
        return {
            one: self.month.needs(one, period, others.get(one, 0.0)) for one in self.month.rates
        }

    # --- what is to happen on the way

    @contextmanager
    def played(self, play: "Play", folder: Path) -> Iterator[None]:
        watch, simulators = play.watch, play.watch.simulators
        bound = max(steady(own) for own in play.needs.values())
        match play.scenario:
            case "storm":
                watch.events.append((bound / 3, partial(break_out, simulators)))
                watch.events.append((bound / 3 + STORM_SECONDS, partial(calm_down, simulators)))
            case "halved":
                watch.events.append((bound / 2, partial(halve, simulators, self.month.rates)))
            case "killed":
                functions = "replication." if play.design == "after" else "former."
                chance = random.Random(self.arguments.seed)
                action = partial(kill_one, self.instance, functions, chance)
                watch.every.append((SECONDS_BETWEEN_KILLS, action))
            case "expired":
                watch.every.append((SECONDS_OF_TOKENS, partial(expire, simulators, self.month)))
            case "locked":
                with self.among_others(play):
                    yield
                return
            case "day":
                with self.through_a_night(play, bound, folder):
                    yield
                return
        yield

    @contextmanager
    def among_others(self, play: "Play") -> Iterator[None]:
        others = Others(self.month, play.watch.simulators, play.period)
        play.watch.foreign = others.counts
        with others.running():
            yield
        play.notes += others.notes()

    @contextmanager
    def through_a_night(self, play: "Play", bound: float, folder: Path) -> Iterator[None]:
        wanted = self.month.requests(PROVIDER, play.period)
        midnight = TIMES_BOUND * bound + SECONDS_OF_NIGHT
        night = Night(play.watch, wanted, midnight, has_morning=play.design == "after")
        play.night = night
        play.watch.every.append((2.0, night.look))
        if night.has_morning:
            play.watch.events.append((night.seconds - LIFTED_BEFORE, night.begin_next_day))
            with california_moved(self.cloud, folder, night.seconds):
                yield
        else:
            yield
        play.notes += night.notes()

    # --- designs

    def before(self, play: "Play") -> Run:
        most_seconds = 60.0 * self.arguments.minutes
        settings = Settings(
            lambda_seconds=self.arguments.lambda_seconds,
            request_tries=self.arguments.request_tries if play.design == "before-sdk" else 1,
            most_runs=self.arguments.runs,
            most_seconds=min(most_seconds, play.night.seconds if play.night else most_seconds),
            at_once=self.arguments.at_once,
        )
        former = Former(self.cloud, settings)
        former.deploy()
        meter = Meter(self.cloud, self.instance, "former")
        entities, watch = sum(map(len, self.month.entities.values())), play.watch
        with watch:
            outcome = former.run(play.period, entities, watch, said(watch))
            wall = watch.seconds
        run = self.measured(play, wall, meter.use(outcome.looks))
        run.errors, run.failed = outcome.errors, entities - outcome.done
        run.notes = former_notes(outcome, settings)
        return run

    def after(self, play: "Play") -> Run:
        token = issue_token(self.instance, "operator", ["operator"])
        api = Api(self.cloud.outputs["ApiBaseUrl"], token)
        meter = Meter(self.cloud, self.instance, "Replication")
        period, watch = str(play.period), play.watch
        with watch:
            asked = api.post("/replications", {"period": period, "all": True}, period)
            path = f"/replications/{asked['replication_id']}"
            found, looks = looked_at(api, path, watch)
            wall = since(watch, found["finished_at"]) if found["finished_at"] else watch.seconds
            if play.night:
                play.notes.append(asked_again(api, path, found, watch))
        use = meter.use(looks * READS_OF_A_LOOK)
        run = self.measured(play, wall, use)
        run.errors, run.failed = use.errors, found["failed"]
        for one in found["providers"]:
            provider, end = one["provider"], since(watch, one["finished_at"])
            run.finished[provider] = end
            run.forecast_errors[provider] = forecast_errors(watch, one, end)
            run.notes.append(f"{NAMES[provider]}: {one['counts']}")
        return run

    def measured(self, play: "Play", wall: float, use: Use) -> Run:
        last = [samples[-1] for samples in play.watch.samples.values()]
        needed = {one: self.month.requests(one, play.period) for one in self.month.rates}
        days = None
        if play.night and play.night.fell_at is not None:
            days = {PROVIDER: (play.night.left, play.night.seconds)}
        return Run(
            design=play.design,
            scenario=play.scenario,
            wall=wall,
            watch=play.watch,
            bounds=of_scenario(play.scenario, play.needs, storm_seconds=STORM_SECONDS, days=days),
            needed=needed,
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


@dataclass
class Play:
    """One run, and what is to be said of it."""

    design: str
    scenario: str
    period: Period
    watch: Watch
    needs: dict[str, list[Need]]
    night: Night | None = None
    notes: list[str] = field(default_factory=list)


def looked_at(api: Api, path: str, watch: Watch) -> tuple[dict[str, Any], int]:
    """Look how far a replication is until it has ended; what it is then, and how many looks."""
    looks, say, told = 0, said(watch), 0.0
    while True:
        found: dict[str, Any] = api.get(path)
        looks += 1
        keep(watch, found)
        if watch.seconds - told > 10:
            told = watch.seconds
            say(found["situation"] + workers_of(found))
        if found["state"] in ENDED:
            return found, looks
        time.sleep(SECONDS_BETWEEN_LOOKS)


def asked_again(api: Api, path: str, found: dict[str, Any], watch: Watch) -> str:
    """Retry what has ended: nothing failed, so nothing is to be sent."""
    before = requests_at(watch.simulators)
    api.post(f"{path}/retry", {}, f"retry {found['replication_id']}")
    again, _ = looked_at(api, path, watch)
    sent = requests_at(watch.simulators) - before
    return f"retried when it had finished: {sent} requests were sent; {again['situation']}"


def requests_at(simulators: dict[str, Simulator]) -> int:
    return sum(simulator.stats()["requests"] for simulator in simulators.values())


def former_notes(outcome: Outcome, settings: Settings) -> list[str]:
    return [
        f"{outcome.runs} runs of at most {settings.most_runs}, {outcome.broken} of them broke off;"
        f" {outcome.tries} tasks tried, {outcome.failed} failed three times in a run;"
        f" {settings.at_once} functions at once, {settings.lambda_seconds} s for Lambda's 900;"
        f" a request is sent {settings.request_tries} times"
    ]


if __name__ == "__main__":
    main()
