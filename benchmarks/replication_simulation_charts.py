"""Pictures of simulated replications: the time against the bound, throttled requests, one run."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.replication_scenarios import Result

DESIGNS = {"before": "#d1495b", "after": "#4878a8"}
MARKERS = "osD^v"
"""By the number of entities."""

LIMIT = "#222222"
TICKS = (1, 1.5, 2, 3, 5, 10, 20, 50, 100)
MOST_PARTS = 200
HALF_PERMILLE = 0.0005
"""Shares below twice that are shown on a linear scale, because 0 is among them."""


def draw(results: Sequence[Result], folder: Path) -> Iterator[Path]:
    """One picture for each scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in dict.fromkeys(result.scenario.name for result in results):
        path = folder / f"replication-simulated-{scenario}.png"
        _draw_scenario([one for one in results if one.scenario.name == scenario], path)
        yield path


def _draw_scenario(results: Sequence[Result], path: Path) -> None:
    figure, axes = pyplot.subplots(2, 2, figsize=(13, 9), layout="constrained")
    _draw_wall(axes[0][0], results)
    _draw_throttled(axes[0][1], results)
    shown = _last_of_each_design(results)
    _draw_rates(axes[1][0], shown)
    _draw_forecasts(axes[1][1], shown)
    first = results[0]
    figure.suptitle(f"Simulated: {first.scenario.says} ({first.rate:g} units/s are published)")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _last_of_each_design(results: Sequence[Result]) -> list[Result]:
    """Of the run with most entities and workers, whatever has become of it."""
    return list({result.design: result for result in results}.values())


# --- over the number of workers


def _series(results: Sequence[Result]) -> Iterator[tuple[list[Result], str, str, str]]:
    """Runs that differ in their workers, and how they are drawn: colour, marker, label."""
    numbers = list(dict.fromkeys(result.entities for result in results))
    for design, colour in DESIGNS.items():
        for number, marker in zip(numbers, MARKERS, strict=False):
            runs = [one for one in results if (one.design, one.entities) == (design, number)]
            if runs:
                yield runs, colour, marker, f"{design}, {number:,} entities"


def _draw_wall(axis: Axes, results: Sequence[Result]) -> None:
    """Runs that were broken off have no wall time: they stand at the upper edge."""
    for number, (runs, colour, marker, label) in enumerate(_series(results)):
        done = [one for one in runs if one.finished]
        endless = [one.workers for one in runs if not one.finished]
        axis.plot(
            [one.workers for one in done],
            [one.wall / one.bound for one in done],
            color=colour, marker=marker, label=label, alpha=0.8,
        )  # fmt: skip
        axis.plot(
            endless, [0.97 - 0.035 * number] * len(endless), transform=axis.get_xaxis_transform(),
            color=colour, marker=marker, linestyle="none", fillstyle="none",
        )  # fmt: skip
    axis.axhline(1, color=LIMIT, linewidth=1, linestyle="--", label="what the quota forces")
    if not all(one.finished for one in results):
        axis.plot([], [], color=DESIGNS["before"], marker="o", linestyle="none", fillstyle="none",
                  label="was given up, not finished")  # fmt: skip
    most = max((one.wall / one.bound for one in results if one.finished), default=1.0)
    _scale_workers(axis, results)
    axis.set(title="wall time, in times of the bound", yscale="log", ylim=(0.9, 3 * most))
    axis.set_yticks([tick for tick in TICKS if tick < 3 * most], minor=False)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.legend(fontsize=8, loc="center right")


def _draw_throttled(axis: Axes, results: Sequence[Result]) -> None:
    for runs, colour, marker, label in _series(results):
        axis.plot(
            [one.workers for one in runs],
            [one.tally.throttled_share for one in runs],
            color=colour, marker=marker, label=label, alpha=0.8,
        )  # fmt: skip
    axis.axhline(0.001, color=LIMIT, linewidth=1, linestyle="--", label="0.1 %")
    _scale_workers(axis, results)
    axis.set_yscale("symlog", linthresh=2 * HALF_PERMILLE)
    axis.set_ylim(-HALF_PERMILLE / 4, 1.5)
    axis.set_yticks([0, 0.001, 0.01, 0.1, 1], ["0", "0.1 %", "1 %", "10 %", "100 %"])
    axis.set(title="requests that were throttled")
    axis.legend(fontsize=8)


def _scale_workers(axis: Axes, results: Sequence[Result]) -> None:
    workers = sorted({one.workers for one in results})
    axis.set_xscale("log", base=2)
    axis.set_xticks(workers, [f"{one}" for one in workers])
    axis.set_xlabel("workers allowed")


# --- over the time of one run


def _draw_rates(axis: Axes, shown: Sequence[Result]) -> None:
    """What was served; the former design's throttled requests would need a scale of their own."""
    until = _shown_until(shown)
    width = max(1, round(until / MOST_PARTS))
    for one in shown:
        served = _by_part(one.tally.served_by_second, width, min(one.tally.finished_at, until))
        times = [width * part for part in range(len(served))]
        axis.step(times, served, color=DESIGNS[one.design], where="post",
                  label=f"{one.design}: {one.tally.throttled_share:.2%} throttled")  # fmt: skip
    _draw_limit(axis, shown, until)
    most = max(_by_part(shown[-1].tally.served_by_second, width, until))
    axis.set(
        title=f"requests served: {shown[-1].entities:,} entities, "
        f"{shown[-1].workers} workers allowed",
        xlabel="seconds", ylabel="requests/s", xlim=(0, until), ylim=(0, 1.3 * most),
    )  # fmt: skip
    axis.legend(fontsize=8, loc="upper right")


def _draw_limit(axis: Axes, shown: Sequence[Result], until: float) -> None:
    """The provider's true rate; none where each account has its own."""
    one = shown[-1]
    if one.scenario.per == "account":
        return
    changes = [0.0, one.changed_at if one.changed_at is not None else until, until]
    rates = [one.rate, one.rate / 2 if one.changed_at is not None else one.rate]
    axis.step(changes, [*rates, rates[-1]], color=LIMIT, where="post", linewidth=1, linestyle="--",
              label="what the provider allows")  # fmt: skip


def _shown_until(shown: Sequence[Result]) -> float:
    """The former design may go on for many hours: not much more than the other one is shown."""
    return 1.1 * shown[-1].tally.finished_at


def _by_part(by_second: Counter[int], width: int, until: float) -> list[float]:
    """The mean of each `width` seconds."""
    parts = [0] * (int(until / width) + 1)
    for second, number in by_second.items():
        if second // width < len(parts):
            parts[second // width] += number
    return [number / width for number in parts]


def _draw_forecasts(axis: Axes, shown: Sequence[Result]) -> None:
    for one in shown:
        known = [(at, finish) for at, _, finish in one.forecasts if finish is not None]
        if not known:
            continue
        times, finishes = zip(*known, strict=True)
        colour = DESIGNS[one.design]
        axis.plot(times, finishes, color=colour, label=f"{one.design}: expected finish")
        axis.axhline(one.wall, color=LIMIT, linewidth=1, linestyle="--", label="actual finish")
        axis.fill_between(
            [0, one.wall], 0.95 * one.wall, 1.05 * one.wall, color=colour, alpha=0.15,
            label="5 % more or less",
        )  # fmt: skip
        axis.set_xlim(0, one.wall)
        axis.set_ylim(0, 1.5 * one.wall)
        axis.legend(fontsize=8, loc="lower right")
    axis.set(title="the forecast", xlabel="when it was made, in seconds", ylabel="seconds")
