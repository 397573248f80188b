"""A month's replication in virtual time, as the former design does it and as Aftercall does.

Aftercall's rules are those that it runs with: quotas, batches, workers, forecasts. The provider,
AWS and their delays are modelled. See `--help` for what can be simulated, and the figures' meaning
in benchmarks/README.md.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.replication_after import Settings
from benchmarks.replication_scenarios import CUSTOMERS, NIGHT_SECONDS, SCENARIOS, Result, run

COLUMNS = (
    *("entities", "workers", "design", "wall", "bound", "ratio", "ceiling", "requests"),
    *("throttled", "errors", "reads", "writes", "/entity", "conflicts", "transitions", "/entity"),
    *("GB-s", "dollars", "25 %", "50 %", "75 %"),
)
WIDTHS = (8, 7, 7, 10, 7, 6, 7, 9, 9, 8, 8, 8, 7, 9, 11, 7, 8, 8, 6, 6, 6)


def main() -> None:
    arguments = parsed()
    results = []
    began = time.perf_counter()
    for name in arguments.scenario:
        scenario = SCENARIOS[name]
        print(f"\n{name}: {scenario.says}; {arguments.rate:g} units/s, {CUSTOMERS} customers")
        print_row(COLUMNS)
        for result in simulated(arguments, name):
            results.append(result)
            print_row(row(result))
            if result.changed_at is not None:
                print(f"{'':24}{remark(result)}", flush=True)
    print(f"\nsimulated in {time.perf_counter() - began:.0f} s")
    if arguments.plots:
        from benchmarks.replication_simulation_charts import draw  # It takes a second to import.

        for path in draw(results, arguments.plots):
            print(path)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    numbers, workers = [1_000, 10_000, 100_000], [8, 32, 128, 512]
    parser.add_argument("--entities", type=int, nargs="+", default=numbers)
    parser.add_argument("--workers", type=int, nargs="+", default=workers)
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=["steady"])
    designs = ["before", "after"]
    parser.add_argument("--designs", nargs="+", choices=designs, default=designs)
    parser.add_argument("--rate", type=float, default=100.0, help="units per second (default: 100)")
    parser.add_argument("--pulse", type=float, default=5.0, help="seconds (default: 5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where to write PNG files")
    return parser.parse_args()


def simulated(arguments: argparse.Namespace, scenario: str) -> Iterator[Result]:
    for number in arguments.entities:
        for workers in arguments.workers:
            for design in arguments.designs:
                settings = Settings(workers, pulse_seconds=arguments.pulse)
                yield run(
                    *(design, SCENARIOS[scenario], number, arguments.rate),
                    *(settings, arguments.seed),
                )


def row(result: Result) -> tuple[str, ...]:
    """What `wall` says of a run that was broken off is how long nobody had finished it."""
    tally, number = result.tally, result.entities
    done = f"{tally.done / number:.0%} done"
    errors = [result.forecast_error(part) for part in (0.25, 0.5, 0.75)]
    return (
        f"{number}",
        f"{result.workers}",
        result.design,
        f"{tally.finished_at:.0f} s" if result.finished else done,
        f"{result.bound:.0f} s",
        f"{result.wall / result.bound:.3f}" if result.finished else "-",
        f"{result.wall / result.at_ceiling:.3f}" if result.finished else "-",
        f"{tally.requests}",
        f"{tally.throttled_share:.3%}",
        f"{tally.errors}",
        f"{tally.reads}",
        f"{tally.writes}",
        f"{(tally.reads + tally.writes) / number:.1f}",
        f"{tally.conflicts}",
        f"{tally.transitions}",
        f"{tally.transitions / number:.1f}",
        f"{tally.gb_seconds:.0f}",
        f"{tally.dollars:.2f}",
        *("-" if error is None else f"{error:+.1%}" for error in errors),
    )


def remark(result: Result) -> str:
    """What came of a change at the provider."""
    parts = [f"changed after {result.changed_at:.0f} s"]
    if result.scenario.day:
        parts.append(f"{result.throttled_at_night} requests were refused until the next day")
    if not result.finished:
        return "; ".join([*parts, f"given up after {result.tally.finished_at:.0f} s"])
    if result.scenario.day:
        ratio = (result.wall - NIGHT_SECONDS) / (result.bound - NIGHT_SECONDS)
        parts.append(f"ratio without the night {ratio:.3f}")
    for name, error in zip(("before", "after"), result.seconds_of_errors(), strict=True):
        if error is not None:
            late = "early" if error > 0 else "late"
            share = abs(error) / result.wall
            parts.append(f"the forecast {name} it: {abs(error):.0f} s too {late} ({share:.1%})")
    return "; ".join(parts)


def print_row(cells: tuple[str, ...]) -> None:
    padded = [cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True)]
    print(*padded, flush=True)


if __name__ == "__main__":
    main()
