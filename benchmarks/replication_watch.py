"""What goes on at the providers and how far the entities are, second by second."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from local.providers.client import Simulator

REFUSALS = ("429", "503")
_FURTHER_REFUSALS = {"drive": ("403",)}
_LOCKS_APART = frozenset({"webdav", "graph", "box"})
"""Where a lock is met with another status, 409 or 423: that is a refusal, too."""

SECONDS_BETWEEN_SAMPLES = 0.5


@dataclass(frozen=True)
class Sample:
    """Our requests so far at a provider, `at` so many seconds after the beginning."""

    at: float
    requests: int
    refused: int


@dataclass
class Watch:
    """Samples simulators while it is open, and lets something happen in time.

    `began` is in seconds since 1970; `events` are called with the seconds since then, once each.
    """

    simulators: dict[str, Simulator]
    events: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    every: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    done: list[tuple[float, int]] = field(default_factory=list)
    """Entities by time."""

    forecasts: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By provider, what was forecast when; both in seconds after the beginning."""

    refusals: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By provider, when the API first said until when it refuses everything, and in which words."""

    foreign: dict[str, Counter[str]] = field(default_factory=dict)
    """By provider, the `requests` that are somebody else's, and those of them that were `refused`;
    samples leave them out.
    """

    def __enter__(self) -> "Watch":
        self.began = time.time()
        self.events.sort(key=lambda one: one[0])
        self._due = [(seconds, seconds, action) for seconds, action in self.every]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for _, happen in self.events:
            happen()  # What was to be undone is undone all the same.
        self.look()

    @property
    def seconds(self) -> float:
        return time.time() - self.began

    def _run(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_SAMPLES):
            self.look()
            now = self.seconds
            while self.events and self.events[0][0] <= now:
                self.events.pop(0)[1]()
            for number, (due, seconds, action) in enumerate(self._due):
                if due <= now:
                    self._due[number] = (now + seconds, seconds, action)
                    action()

    def look(self) -> None:
        for provider, simulator in self.simulators.items():
            theirs = Counter(self.foreign.get(provider, {}))
            stats = simulator.stats()
            statuses = REFUSALS + _FURTHER_REFUSALS.get(provider, ())
            refused = sum(stats["by_status"].get(status, 0) for status in statuses)
            if provider in _LOCKS_APART:
                refused += stats["locked"]
            sample = Sample(
                self.seconds,
                stats["requests"] - theirs["requests"],
                refused - theirs["refused"],
            )
            self.samples.setdefault(provider, []).append(sample)

    def seconds_until(self, provider: str, requests: float) -> float:
        """When so many requests had been served, between two samples by proportion."""
        before = Sample(0.0, 0, 0)
        for sample in self.samples[provider]:
            served, earlier = sample.requests - sample.refused, before.requests - before.refused
            if served >= requests > earlier:
                part = (requests - earlier) / (served - earlier)
                return before.at + part * (sample.at - before.at)
            before = sample
        return before.at
