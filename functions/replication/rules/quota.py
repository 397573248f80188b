"""One scope of a provider's limits: when requests may go, and how its rate is learnt.

Requests are granted, not asked for one by one: a grant books units on the scope's time line (GCRA,
the generic cell rate algorithm) and says when the first may go. Who comes first is booked first.
Times are in seconds since 1970, rates in units per second.

The provider has the last word (AIMD). A throttle lets nothing go until a cooldown is over, cuts the
rate, and makes void whatever was granted and has not gone: everybody asks again. One overload is
one cut, however many workers report it, because calls that were begun before everybody knew of the
cut count towards it. After a cooldown a scout goes ahead of all others: if it is refused, too, the
provider is closed, whatever the rate, and the next cooldown is longer. The rate then rises quickly
to a little below the one that was too much, and beyond that in small steps that are minutes apart,
each twice the one before: so a provider that has halved its quota is hardly ever asked for more
than it gives, and one that has restored it is used to the full before long.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from replication.storage.interface import Operation

OBEYED_WITHIN = 2.0
"""Seconds within which every worker knows of a cut; no cooldown is shorter."""

SCOUT_SECONDS = 1.0
"""For so long after a cooldown the scout is alone."""

CUT = 0.6
LEAST_USED = 0.25
"""What is cut is the rate that was used, at least this share of the one that was allowed."""

FLOOR = 0.05
"""Units per second: the rate is not cut below, so that it can be seen that it may rise."""

WINDOW = 10.0
"""Seconds without a throttle after which the rate rises."""

RISE = 0.05
"""By which share of the ceiling it rises at a time."""

BELOW_SUSPECTED = 0.96
PROBE_SECONDS = 180.0
"""Seconds after which the rate is tried that was too much before."""

PROBE = 0.01
"""The first step, as a share of the rate that was too much."""

SEARCHING_SECONDS = 300.0
STEP_DOWN = 0.95
BIG_STEP_DOWN = 0.75
"""A throttle so soon after a cut shows that the rate in mind is too high by more than a bit; and
by much where not even half of the rate could be granted since, because of cooldowns.
"""

MOST_BACKOFF = 64.0
MOST_COOLDOWN = 86_400.0
"""Seconds: nobody is waited for any longer, whatever a reply says. A quota may be one of a day."""

ADVICE_MARGIN = 0.97
ADVICE_MATTERS = 0.05
"""Smaller differences between the advised rate and the one there is are not worth a write."""

SHORT_ADVICE = 5.0
"""Seconds: what may be used until a reset that is so near says nothing of the rate after it."""

SAME_TIME = 1e-5
"""Seconds: times are stored with microseconds."""

type Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


PLANNED_CALLS: Mapping[Operation, int] = {"create_folder": 1, "upload": 1}
"""What a plan takes for granted, in proportion, before any call was made."""


class Limit(_Value):
    """What a provider allows in one scope, or a careful guess at it."""

    scope: str = Field(pattern=r"^[a-z_]+$")
    """Whose requests are counted together: "provider", "server", "account", "uploads" ..."""

    rate: Positive
    burst: float = Field(ge=1, allow_inf_nan=False)
    """Units that may go at once after a while of silence."""

    published: bool
    """Whether the provider documents it."""

    costs: Mapping[Operation, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """Units of a request where they are not 1; 0 where it does not count in this scope."""

    one_writer: bool = False
    """Whether folders and documents may be written by one worker at a time only."""

    @property
    def ceiling(self) -> float:
        """The rate that is never exceeded."""
        return self.rate * (0.97 if self.published else 0.9)

    def cost(self, operation: Operation) -> float:
        return self.costs.get(operation, 1.0)

    def mean_cost(self, made: Mapping[Operation, int] = PLANNED_CALLS) -> float:
        """Units of a call on average, by how many were made for each operation; as is planned
        where there was none.
        """
        calls = made if any(made.values()) else PLANNED_CALLS
        units = sum(self.cost(operation) * number for operation, number in calls.items())
        return units / sum(calls.values())


class Quota(_Value):
    """What is known of a scope; `version` counts the changes to what is stored."""

    model_config = ConfigDict(extra="ignore")  # A newer version of this code may have stored it.

    tat: float
    """Up to when units are booked: the theoretical arrival time of the next one."""

    rate: float
    cooldown_until: float = 0.0
    scout_due: bool = False
    """Whether the next grant is the scout's."""

    strikes: int = 0
    """How often in a row the provider was found closed."""

    cuts: int = 0
    """What was granted before the latest cut is void."""

    cut_at: float = 0.0
    cut_granted: float = 0.0
    """What had been granted then: all of it is void, and is asked for again."""

    suspected: float | None = None
    """The rate that was too much."""

    probed_at: float = 0.0
    probes: int = 0
    window_began: float
    window_granted: float = 0.0
    """What had been granted when the window began."""

    used: float | None = None
    """Units per second in the window before."""

    granted: float = 0.0
    throttled: int = 0
    version: int = 0


class Grant(_Value):
    """Leave for some units: the first may go at `not_before`, each other one `interval` later.

    A call that costs several units goes with its first one.
    """

    not_before: float
    interval: float
    units: float
    booked_until: float
    """The scope's time line ended here when this was granted; who gives back needs it."""

    cuts: int
    """Under which cut of the quota it was granted."""


def fresh(limit: Limit, now: float) -> Quota:
    """A scope of which nothing is known but its limit."""
    return Quota(tat=now, rate=limit.ceiling, window_began=now)


def grant(
    quota: Quota, limit: Limit, now: float, units: float, each: float = 1.0
) -> tuple[Quota, Grant]:
    """Book units, in calls of `each`: always granted, and `not_before` says from when on.

    A scout gets one call only. Raises ValueError for less than a call.
    """
    if not 0 < each <= units:
        raise ValueError("a grant is for at least one call, and a call costs something")
    quota = risen(quota, limit, now)
    begins = max(now, quota.cooldown_until)
    if quota.scout_due:
        alone = max(SCOUT_SECONDS, each / quota.rate)
        booked = begins + alone + _tolerance(quota.rate, limit, each)
        return _booked(quota, booked, begins, each, scout_due=False)
    base = max(begins, quota.tat)
    not_before = max(begins, base - _tolerance(quota.rate, limit, each))
    return _booked(quota, base + units / quota.rate, not_before, units)


def only_books(quota: Quota, now: float) -> bool:
    """Whether a grant changes nothing but `tat` and `granted`."""
    return not quota.scout_due and now - quota.window_began < WINDOW


def _booked(
    quota: Quota, tat: float, not_before: float, units: float, **changes: bool
) -> tuple[Quota, Grant]:
    after = quota.model_copy(update={"tat": tat, "granted": quota.granted + units, **changes})
    given = Grant.model_construct(
        not_before=not_before,
        interval=1 / quota.rate,
        units=units,
        booked_until=tat,
        cuts=quota.cuts,
    )
    return after, given


def _tolerance(rate: float, limit: Limit, each: float) -> float:
    """For how many seconds a call may go before its place on the time line."""
    return max(0.0, limit.burst - each) / rate


def holds(quota: Quota, given: Grant, unit_at: float) -> bool:
    """Whether a unit that may go at a time may still, as far as cuts and cooldowns are known."""
    return given.cuts == quota.cuts and unit_at >= quota.cooldown_until


def given_back(quota: Quota, given: Grant, units: float) -> Quota:
    """Take back what will not be used of a grant.

    Somebody else may have it if nobody was granted anything since. Else it is lost: to book it
    again would be to book more than the rate on top of what others were granted.
    """
    tat = quota.tat
    if abs(tat - given.booked_until) < SAME_TIME:
        tat -= units * given.interval
    return quota.model_copy(update={"tat": tat, "granted": quota.granted - units})


# --- what the provider says


def throttled(
    quota: Quota, limit: Limit, now: float, called_at: float, retry_after: float | None
) -> Quota:
    """A call that was begun at `called_at` was refused; `retry_after` is in seconds."""
    called_at = min(called_at, now)
    quota = quota.model_copy(update={"throttled": quota.throttled + 1})
    asked = 0.0
    if retry_after is not None and isfinite(retry_after):
        asked = min(max(retry_after, 0.0), MOST_COOLDOWN)
    if called_at < max(quota.cut_at, quota.cooldown_until):
        return _cooled(quota, limit, now + asked) if asked else quota
    if quota.strikes and called_at < quota.cooldown_until + SCOUT_SECONDS:
        quota = quota.model_copy(update={"strikes": quota.strikes + 1, "cuts": quota.cuts + 1})
    else:
        quota = _cut(quota, limit, now)
    backoff = min(OBEYED_WITHIN * 2.0 ** min(quota.strikes - 1, 16), MOST_BACKOFF)
    until = now + max(asked, backoff)
    begins = {"tat": now, "cut_at": now, "cut_granted": quota.granted, "scout_due": True}
    cut = quota.model_copy(update=begins)
    return _cooled(cut, limit, until)


def _cut(quota: Quota, limit: Limit, now: float) -> Quota:
    too_much = quota.rate
    if quota.used is not None:
        so_far = (quota.granted - quota.window_granted) / max(now - quota.window_began, 1.0)
        too_much = min(too_much, max(quota.used, so_far, LEAST_USED * too_much))
    return quota.model_copy(
        update={
            "rate": max(CUT * too_much, min(FLOOR, limit.ceiling)),
            "suspected": too_much * _step_down(quota, now),
            "probed_at": now,
            "probes": 0,
            "strikes": 1,
            "cuts": quota.cuts + 1,
            "used": None,
        }
    )


def _step_down(quota: Quota, now: float) -> float:
    seconds = now - quota.cut_at
    if seconds >= SEARCHING_SECONDS:
        return 1.0
    half = quota.rate * seconds / 2
    return STEP_DOWN if quota.granted - quota.cut_granted >= half else BIG_STEP_DOWN


def _cooled(quota: Quota, limit: Limit, until: float) -> Quota:
    """Let nothing go until then, and no burst right after it."""
    until = max(quota.cooldown_until, until)
    return quota.model_copy(
        update={
            "cooldown_until": until,
            "tat": max(quota.tat, until + _tolerance(quota.rate, limit, 1.0)),
            "window_began": max(quota.window_began, until),
            "window_granted": quota.granted,
        }
    )


def advised(
    quota: Quota, limit: Limit, now: float, remaining: float, reset_seconds: float
) -> Quota:
    """The provider says how many units are left, and in how many seconds there will be all again.

    The same quota where that changes little.
    """
    reset = min(max(reset_seconds, 0.0), MOST_COOLDOWN)
    if remaining < 1:
        until = now + reset
        return _cooled(quota, limit, until) if until > quota.cooldown_until else quota
    if now < quota.cooldown_until:
        return quota
    rate = min(limit.ceiling, ADVICE_MARGIN * remaining / reset) if reset else limit.ceiling
    rate = max(rate, min(FLOOR, limit.ceiling))
    if abs(rate - quota.rate) < ADVICE_MATTERS * quota.rate:
        return quota
    if rate > quota.rate and reset < SHORT_ADVICE:
        return quota
    return _with_rate(quota, limit, now, rate)


# --- how the rate rises


def risen(quota: Quota, limit: Limit, now: float) -> Quota:
    """Begin a new window where one is over, with a higher rate if the old one was well used."""
    seconds = now - quota.window_began
    if seconds < WINDOW:
        return quota
    used = (quota.granted - quota.window_granted) / seconds
    changes = {
        "window_began": now,
        "window_granted": quota.granted,
        "used": used,
        "strikes": 0,
    }
    began = quota.model_copy(update=changes)
    if quota.rate > limit.ceiling:  # The limit is another one by now.
        return _with_rate(began, limit, now, limit.ceiling)
    if used < quota.rate / 2 or quota.rate == limit.ceiling:
        return began  # A rate that nobody uses proves nothing.
    return _raised(began, limit, now)


def _raised(quota: Quota, limit: Limit, now: float) -> Quota:
    suspected = quota.suspected
    if suspected is None:
        return _with_rate(quota, limit, now, quota.rate + RISE * limit.ceiling)
    safe = BELOW_SUSPECTED * suspected
    if quota.rate < safe:
        rate = min(quota.rate + RISE * limit.ceiling, safe)
        quota = quota.model_copy(update={"probed_at": now})
        return _with_rate(quota, limit, now, rate)
    if now - quota.probed_at < PROBE_SECONDS:
        return quota
    rate = quota.rate + PROBE * suspected * 2.0 ** min(quota.probes, 16)
    probing = quota.model_copy(update={"probed_at": now, "probes": quota.probes + 1})
    return _with_rate(probing, limit, now, rate)


def _with_rate(quota: Quota, limit: Limit, now: float, rate: float) -> Quota:
    """Another rate: as many units may go at once as before, or the next one when it might before.

    The place on the time line is in seconds, and units are worth other seconds at another rate.
    """
    rate = min(rate, limit.ceiling)
    units = (quota.tat - now) * quota.rate
    if units <= 0:
        tat = quota.tat
    elif units <= limit.burst:
        tat = now + units / rate
    else:
        tat = quota.tat + limit.burst * (1 / rate - 1 / quota.rate)
    return quota.model_copy(update={"rate": rate, "tat": tat})
