"""Pictures of measured replications: requests against the limit, entities, forecasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.replication_month import NAMES, OF_ALL

if TYPE_CHECKING:
    from benchmarks.replication_run import Run
    from benchmarks.replication_watch import Sample

SERVED, REFUSED, LIMIT = "#4878a8", "#d1495b", "#222222"
DESIGNS = {"before": "#d1495b", "before-sdk": "#edae49", "after": "#4878a8"}
MOST_BARS = 300


def draw(runs: Sequence[Run], folder: Path) -> Iterator[Path]:
    """One picture for each scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in dict.fromkeys(run.scenario for run in runs):
        path = folder / f"replication-{scenario}.png"
        _draw_scenario([run for run in runs if run.scenario == scenario], path)
        yield path


def _draw_scenario(runs: Sequence[Run], path: Path) -> None:
    providers = list(runs[0].limits)
    columns = max(2, len(providers))
    figure, axes = pyplot.subplots(
        *(len(runs) + 1, columns), figsize=(6.5 * columns, 3 * (len(runs) + 1)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for row, run in zip(axes, runs, strict=False):
        for axis, provider in zip(row, providers, strict=False):
            _draw_requests(axis, run, provider)
    for axis in axes[-1][2:]:
        axis.set_axis_off()
    _draw_done(axes[-1][0], runs)
    _draw_forecasts(axes[-1][1], [run for run in runs if run.watch.forecasts])
    figure.suptitle(f"A month's replication: {runs[0].scenario}")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _draw_requests(axis: Axes, run: Run, provider: str) -> None:
    samples = run.watch.samples[provider]
    width = max(1.0, samples[-1].at / MOST_BARS)
    served, refused = _rates(samples, width)
    times = [(number + 0.5) * width for number in range(len(served))]
    axis.bar(times, served, width, color=SERVED, label="served")
    axis.bar(times, refused, width, bottom=served, color=REFUSED, label="refused")
    of_all = [rate for scope, rate in run.limits[provider].items() if scope in OF_ALL]
    if of_all:
        axis.axhline(min(of_all), color=LIMIT, linewidth=1, linestyle="--", label="the limit")
    axis.axvline(run.bounds[provider], color=LIMIT, linewidth=1, linestyle=":", label="bound")
    axis.set(title=f"{run.design}: {NAMES[provider]}", xlabel="seconds", ylabel="requests/s")
    axis.set_xlim(left=0)


def _rates(samples: Sequence[Sample], width: float) -> tuple[list[float], list[float]]:
    """Requests a second that were served and refused, in equal parts of the time."""
    number = int(samples[-1].at / width) + 1
    edges = [part * width for part in range(number + 1)]
    refused = [_at(samples, edge, refused=True) for edge in edges]
    everything = [_at(samples, edge, refused=False) for edge in edges]
    of_refused = [(b - a) / width for a, b in pairwise(refused)]
    of_all = [(b - a) / width for a, b in pairwise(everything)]
    return [a - b for a, b in zip(of_all, of_refused, strict=True)], of_refused


def _at(samples: Sequence[Sample], moment: float, *, refused: bool) -> float:
    """How many requests there had been at a moment, by proportion between two samples."""
    time, number = 0.0, 0.0
    for sample in samples:
        following = float(sample.refused if refused else sample.requests)
        if sample.at >= moment:
            part = (moment - time) / (sample.at - time) if sample.at > time else 1.0
            return number + part * (following - number)
        time, number = sample.at, following
    return number


def _draw_done(axis: Axes, runs: Sequence[Run]) -> None:
    for run in runs:
        times = [at for at, _ in run.watch.done]
        axis.plot(times, [done for _, done in run.watch.done], color=DESIGNS[run.design],
                  label=run.design)  # fmt: skip
    axis.axvline(runs[0].bound, color=LIMIT, linewidth=1, linestyle=":", label="bound")
    axis.set(title="entities done", xlabel="seconds")
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8, loc="lower right")


def _draw_forecasts(axis: Axes, runs: Sequence[Run]) -> None:
    for run in runs:
        for provider, forecasts in run.watch.forecasts.items():
            times, ends = zip(*forecasts, strict=True)
            [line] = axis.plot(times, ends, marker=".", label=f"{run.design}: {NAMES[provider]}")
            end = run.finished[provider]
            axis.axhline(end, color=line.get_color(), linewidth=1, linestyle="--")
    axis.set(
        title="forecast of the end (dashed: the end)", xlabel="when it was made, in seconds",
        ylabel="seconds",
    )  # fmt: skip
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    if runs:
        axis.legend(fontsize=8, loc="lower right")
