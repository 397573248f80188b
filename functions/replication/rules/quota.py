"""How many requests a provider may be sent, and when: arithmetic on values, without a clock.

Grants follow GCRA, the generic cell rate algorithm. A scope has a theoretical arrival time, `tat`:
when all that was granted so far will have been used up at the scope's rate. A grant of some units
moves it on, and says from when and how far apart the units may go; `burst` of them may go at once
where nothing was asked for before. Whoever asks first is served first.

The provider is the authority. When it refuses a request there is a cooldown for everybody, and the
rate is cut; windows without a refusal raise it again (additive increase, multiplicative decrease).
The rate that was too much is remembered: the new one comes close to it soon, and goes beyond it
only now and then. So a provider that has halved its limit is not overrun every few seconds.

Times are seconds since 1970, rates are units per second.
"""

import math
from dataclasses import dataclass, replace

from replication.rules.limits import Limit

CUT = 0.7
"""What is left of the rate after a refusal."""

WINDOW_SECONDS = 10.0
INCREASE = 0.08
"""By which part of what it may become the rate rises with each good window."""

PLATEAU = 0.96
"""How close the rate comes to what was too much."""

PROBE_SECONDS = 600.0
"""For how long it stays there before it tries a little more."""

PROBE = 1.05
LEAST = 0.01
"""The part of its ceiling under which no rate falls: it could never be found to be too low."""

FIRST_COOLDOWN = 2.0
LONGEST_COOLDOWN = 60.0
"""Where a provider does not say for how long: doubled with each refusal after the last cooldown."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The state of one scope. `version` grows with every change."""

    tat: float
    rate: float
    cooldown_until: float = 0.0
    cut_at: float = 0.0
    suspected: float | None = None
    """The rate that was too much; None where none was found to be."""
    cuts: int = 0
    """How many there were in a row with no good window in between."""
    window_began: float = 0.0
    granted: float = 0.0
    throttled: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Some units: the first may go at `not_before`, each other one `interval` seconds later."""

    not_before: float
    interval: float
    units: float


def fresh(limit: Limit, now: float) -> Quota:
    """A scope that nobody has asked for anything yet."""
    return Quota(tat=now, rate=limit.ceiling, window_began=now)


def grant(quota: Quota, limit: Limit, now: float, units: float) -> tuple[Quota, Grant]:
    """Grant units; never refused, only put off."""
    risen = _risen(quota, limit, now)
    interval = 1 / risen.rate
    base = max(now, risen.tat)
    first = max(now, risen.cooldown_until, base + (min(units, 1) - limit.burst) * interval)
    after = replace(
        risen,
        tat=base + units * interval,
        granted=risen.granted + units,
        version=quota.version + 1,
    )
    return after, Grant(first, interval, units)


def given_back(quota: Quota, units: float) -> Quota:
    """Units that nobody has used: somebody else gets them."""
    return replace(
        quota,
        tat=quota.tat - units / quota.rate,
        granted=quota.granted - units,
        version=quota.version + 1,
    )


def throttled(
    quota: Quota, limit: Limit, now: float, called_at: float, retry_after: float | None
) -> Quota:
    """The provider has refused a request that was sent at `called_at`.

    One overload is one cut, however many requests it meets: those that were sent before the last
    cut, or before its cooldown was over, say nothing new.
    """
    counted = replace(quota, throttled=quota.throttled + 1, version=quota.version + 1)
    known = called_at <= max(quota.cut_at, quota.cooldown_until)
    if known and quota.cut_at:
        cooldown = max(quota.cooldown_until, now + (retry_after or 0))
        return replace(counted, cooldown_until=cooldown)
    pause = retry_after if retry_after is not None else _default_cooldown(quota.cuts)
    cooldown = max(quota.cooldown_until, now + pause)
    rate = max(quota.rate * CUT, LEAST * limit.ceiling)
    return replace(
        counted,
        rate=rate,
        suspected=quota.rate,
        cut_at=now,
        cuts=quota.cuts + 1,
        cooldown_until=cooldown,
        tat=max(quota.tat, cooldown + limit.burst / rate),  # Its own stock is used up, too.
        window_began=cooldown,
    )


def advised(
    quota: Quota, limit: Limit, now: float, remaining: float, reset_seconds: float
) -> Quota:
    """The provider has said how many units are left until its quota is filled up again.

    That can only slow down: what is left may be others' as well.
    """
    if remaining <= 0:
        cooldown = max(quota.cooldown_until, now + reset_seconds)
        return replace(quota, cooldown_until=cooldown, version=quota.version + 1)
    allowed = remaining / max(reset_seconds, 1)
    if allowed >= quota.rate:
        return quota
    rate = max(allowed, LEAST * limit.ceiling)
    return replace(quota, rate=rate, window_began=now, version=quota.version + 1)


def _default_cooldown(cuts: int) -> float:
    doublings = min(cuts, math.ceil(math.log2(LONGEST_COOLDOWN / FIRST_COOLDOWN)))
    return min(FIRST_COOLDOWN * 2**doublings, LONGEST_COOLDOWN)


def _risen(quota: Quota, limit: Limit, now: float) -> Quota:
    """The quota with what a good window adds to its rate, if one has passed.

    A window that nothing was asked for in proves no more than one does: a long silence counts once.
    """
    if now - quota.window_began < WINDOW_SECONDS or now < quota.cooldown_until:
        return quota
    suspected = quota.suspected
    if suspected is not None and _is_at_plateau(quota) and now - quota.cut_at >= PROBE_SECONDS:
        suspected = suspected * PROBE
    if suspected is not None and suspected * PLATEAU >= limit.ceiling:
        suspected = None
    top = limit.ceiling if suspected is None else suspected * PLATEAU
    rate = max(min(quota.rate, limit.ceiling), min(top, quota.rate + INCREASE * top))
    cut_at = now if suspected != quota.suspected and suspected is not None else quota.cut_at
    return replace(quota, rate=rate, suspected=suspected, window_began=now, cuts=0, cut_at=cut_at)


def _is_at_plateau(quota: Quota) -> bool:
    return quota.suspected is not None and quota.rate >= quota.suspected * PLATEAU * 0.999
