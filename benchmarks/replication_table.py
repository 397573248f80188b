"""What is printed of measured replications: the totals side by side, and a row per provider."""

from collections.abc import Callable, Sequence

from benchmarks.replication_month import NAMES, Month
from benchmarks.replication_run import Run

PROVIDER_COLUMNS = (
    *("provider", "needed", "served", "refused", "share", "bound", "first", "5 %", "95 %", "last"),
    *("finished", "ratio", "1st forecast", "half-way"),
)
"""Requests; then seconds; then the time in times of the bound; then errors of forecasts."""

WIDTHS = (10, 7, 7, 8, 8, 8, 8, 8, 9, 9, 9, 7, 13, 9)


def print_runs(runs: Sequence[Run], month: Month) -> None:
    """Runs of one scenario side by side."""
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
        print(f"{row[0]:34}" + "".join(f"{cell:>22}" for cell in row[1:]))
    print(flush=True)


def print_run(run: Run) -> None:
    print()
    print_row(PROVIDER_COLUMNS)
    for provider in run.needed:
        print_row(provider_row(run, provider))
    for note in run.notes:
        print(f"  {note}")
    print(f"  errors: {dict(run.errors.most_common())}")
    seconds = {name: round(used) for name, used in run.use.by_function.most_common()}
    print(f"  seconds of functions: {seconds}", flush=True)


def provider_row(run: Run, provider: str) -> tuple[str, ...]:
    """A provider's requests and times; those when so much of all that it served was served show
    what its time consists of beyond what its limits force.
    """
    last, bound = run.watch.samples[provider][-1], run.bounds[provider]
    served = last.requests - last.refused
    marks = [1.0, 0.05 * served, 0.95 * served, float(served)] if served else []
    times = [f"{run.watch.seconds_until(provider, mark):.1f} s" for mark in marks] or ["-"] * 4
    end = run.finished.get(provider)
    errors = run.forecast_errors.get(provider, {})
    return (
        NAMES[provider],
        f"{run.needed[provider]}",
        f"{served}",
        f"{last.refused}",
        f"{last.refused / max(last.requests, 1):.2%}",
        f"{bound:.0f} s",
        *times,
        "-" if end is None else f"{end:.0f} s",
        "-" if end is None or not bound else f"{end / bound:.3f}",
        *(f"{errors[one]:+.1%}" if one in errors else "-" for one in ("first", "half-way")),
    )


def print_row(cells: Sequence[str]) -> None:
    first, *others = zip(cells, WIDTHS, strict=True)
    print(first[0].ljust(first[1]) + "".join(cell.rjust(width) for cell, width in others))


def share(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def ratio(run: Run) -> str:
    return "-" if run.failed or not run.bound else f"{run.wall / run.bound:.3f}"


ROWS: list[tuple[str, Callable[[Run], str]]] = [
    ("wall time", lambda run: f"{run.wall:.0f} s" + (", given up" if run.failed else "")),
    ("bound forced by the quota", lambda run: f"{run.bound:.0f} s"),
    ("ratio to it", ratio),
    ("requests", lambda run: str(run.requests)),
    ("of these not needed", lambda run: str(run.requests - sum(run.needed.values()))),
    ("refused", lambda run: str(run.refused)),
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
    ("missing, extra, different", lambda run: ", ".join(map(str, run.faults.values()))),
]
