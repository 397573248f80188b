"""How many workers a provider's quota can feed, and when a replication will be finished.

A worker is busy with a call for so many seconds: the call itself, and the call's part of all that
is around it (steps that start, entities that are handed out, quota that is asked for). By Little's
law, rate x seconds workers are busy all the time when calls are made at the quota's rate. With
fewer the quota is left unused, and more would only wait for it. A worker has one entity in hand: if
each account has a quota of its own that allows a call less often than a worker could make one, then
its worker waits, which costs nothing, and all others need workers of their own.

What comes on top of the time that the quota itself forces, and what is done about it:

- the start: no worker is there before the first beat, and Lambda has no process yet. Until entities
  have ended, the seconds of a call are a guess, and rather too high: workers too many wait, and are
  not replaced, but workers too few waste quota for good;
- the gaps: a worker that has ended its batch is not replaced before the next beat. A gap is half a
  pulse on average, but workers that began together end together, and then it may be a whole one.
  A batch counts as if it took a whole pulse longer, so there are more workers just after a beat
  than the quota can feed. In simulations this makes up for the gaps, and half a pulse does not. It
  costs little where batches are long;
- the end: when no batch is left to be started, workers become fewer while the quota stays the same,
  for as long as a last entity takes. So batches become smaller towards the end, and the largest
  entities of a customer come first;
- chance: entities are no clockwork. With as many workers as are needed on average, there are
  moments with too few; a quota that keeps unused units for a while (its burst) makes up for these.

The start takes three seconds however long the rest is, and the governor leaves 3 % of a published
limit alone: a replication for which the quota forces less than about four minutes is not within 5 %
of it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST_GUESS = 0.3
"""Seconds of a call before an entity has ended: of a WebDAV server, with all that is around it."""

QUIET_SECONDS = 300.0
"""From one beat to the next at most, while a provider refuses everything for longer."""

GUESSED_CALLS = 100
"""The first guess counts as so many calls of which the time is known."""


_ROUNDED = 1e-6
"""A part of a worker that is due to the arithmetic."""


@dataclass(frozen=True)
class Level:
    """One level on which a provider limits requests, such as its servers.

    `rates` are those of the scopes that still have work, in units per second; a call costs
    `units_per_call` on average, 0 where no call counts on this level.
    """

    rates: Sequence[float]
    units_per_call: float = 1

    @property
    def calls_per_second(self) -> float:
        return sum(self.rates) / self.units_per_call if self.units_per_call else math.inf

    @property
    def seconds_of_one(self) -> float:
        """From one call to the next in one of the scopes, on average."""
        return len(self.rates) / self.calls_per_second if self.calls_per_second else 0.0


def effective_rate(levels: Iterable[Level]) -> float:
    """Calls per second that all levels allow together; infinite where nothing is limited."""
    return min((level.calls_per_second for level in levels), default=math.inf)


def mean_call_seconds(
    calls: int, busy_seconds: float, calls_per_batch: float, pulse_seconds: float
) -> float:
    """Seconds for which a call keeps a worker from other calls.

    `calls` and `busy_seconds` are those of all entities that have ended: all the time of their
    workers, from entity to entity, but the waits for quota. `calls_per_batch` is the mean of what
    is left of the batches in hand and of those to come.
    """
    known = GUESSED_CALLS * FIRST_GUESS + busy_seconds
    gap = pulse_seconds / max(calls_per_batch, 1)
    return known / (GUESSED_CALLS + calls) + gap


def seconds_of_worker(levels: Iterable[Level], mean_call_seconds: float) -> float:
    """Seconds from one call of a worker to its next: those that a call takes, or for which the
    quota of the account that it works for lets it wait.
    """
    return max([mean_call_seconds, *(level.seconds_of_one for level in levels)])


def accounts_decide(levels: Sequence[Level]) -> bool:
    """Whether it is quotas of single accounts that take the time, and none that all share."""
    rate = effective_rate(levels)
    return any(len(level.rates) > 1 and level.calls_per_second <= rate for level in levels)


def workers_wanted(rate: float, seconds: float, most: int) -> int:
    """How many workers make calls at a rate per second, by Little's law; `seconds` are those of a
    worker.

    None where the rate is 0, else at least one and at most `most`.
    """
    if rate <= 0:
        return 0
    return max(1, math.ceil(min(rate * seconds, most) - _ROUNDED))


def next_beat(began: float, pulse_seconds: float, quiet_until: float) -> float:
    """When the beat after the one that began then is due. While everything is refused, until
    `quiet_until`, there is less to be seen.

    Beats are a pulse apart however long each takes, and one that is late follows at once. A Wait of
    a machine knows whole seconds only, so they are multiples of the pulse.
    """
    after = max(began, min(quiet_until, began + QUIET_SECONDS) - pulse_seconds)
    return (after // pulse_seconds + 1) * pulse_seconds


def forecast(
    now: float,
    calls_left: int,
    rate: float,
    cooldown_until: float,
    workers: int,
    seconds: float,
    slowest_scope_seconds: float = 0,
) -> float | None:
    """When the last call will have been made, in seconds since 1970; None where nobody can know.
    `seconds` are those of a worker.

    The slowest counts: the quota, or as many workers as there may be, or one scope alone, such as
    the account of a customer with far more entities than others: so many seconds are what is left
    of its calls at its own rate.
    """
    if calls_left <= 0:
        return now
    pace = min(rate, workers / seconds)
    if pace <= 0:
        return None
    return max(now, cooldown_until) + max(calls_left / pace, slowest_scope_seconds)
