"""Whether a provider takes one more request: several scopes at once, each with its own count.

Every request is charged to every scope, also one that is refused: whoever keeps asking stays shut
out. The first scope in the profile's order that has too little left is the one that answers.
Counts live in memory: a simulator that is started again begins with fresh ones.
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from local.providers.profiles import Kind, Limit, Profile, Reply


@dataclass(frozen=True)
class Call:
    """What limits, locks and faults ask of a request.

    `account` is empty where nobody has been recognised; `path` lies within the account, and
    `target` is where a MOVE leads to. `size` is that of the body, as far as it is known.
    """

    kind: Kind
    account: str = ""
    path: str = ""
    target: str = ""
    prefix: str = ""
    size: int = 0


@dataclass(frozen=True)
class Refusal:
    """Too many: which scope says so, how many seconds until it would not, and in which words."""

    scope: str
    wait: float
    reply: Reply


@dataclass(frozen=True)
class Decision:
    """`headers` go on the answer either way."""

    refusal: Refusal | None = None
    headers: dict[str, str] = field(default_factory=dict)


class _Count(Protocol):
    """What one key of a scope has used; times are in seconds, amounts in units."""

    def take(self, limit: Limit, units: float, now: float, cost: float) -> float:
        """Charge a request; seconds until another would be taken, 0 where this one is."""

    def left(self, limit: Limit, units: float, now: float) -> tuple[float, float]:
        """How many units are left, and in how many seconds all would be there again."""


class _Window:
    def __init__(self, _units: float, _now: float) -> None:
        self._log: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def take(self, limit: Limit, units: float, now: float, cost: float) -> float:
        self._forget(now - limit.seconds)
        taken = self._used + cost <= units
        self._log.append((now, cost))
        self._used += cost
        return 0.0 if taken else self._wait(limit, units, now, cost)

    def left(self, limit: Limit, units: float, now: float) -> tuple[float, float]:
        self._forget(now - limit.seconds)
        last = self._log[-1][0] if self._log else now - limit.seconds
        return units - self._used, limit.seconds - (now - last)

    def _forget(self, until: float) -> None:
        while self._log and self._log[0][0] <= until:
            self._used -= self._log.popleft()[1]

    def _wait(self, limit: Limit, units: float, now: float, cost: float) -> float:
        excess = self._used + cost - units
        for at, used in self._log:
            excess -= used
            if excess <= 0:
                return limit.seconds - (now - at)  # Exactly that where it is now.
        return limit.seconds


class _Bucket:
    def __init__(self, units: float, now: float) -> None:
        self._level, self._at = units, now

    def take(self, limit: Limit, units: float, now: float, cost: float) -> float:
        self._fill(limit, units, now)
        taken = self._level + 1e-9 >= cost
        self._level = max(self._level - cost, -units)
        return 0.0 if taken else (cost - self._level) * limit.seconds / units

    def left(self, limit: Limit, units: float, now: float) -> tuple[float, float]:
        self._fill(limit, units, now)
        return self._level, (units - self._level) * limit.seconds / units

    def _fill(self, limit: Limit, units: float, now: float) -> None:
        gained = (now - self._at) * units / limit.seconds
        self._level, self._at = min(units, self._level + gained), now


_SHAPES: dict[str, Callable[[float, float], _Count]] = {"window": _Window, "bucket": _Bucket}


class Limiter:
    """A provider's limits; `clock` gives seconds that never go back. Threads may share it."""

    def __init__(self, profile: Profile, clock: Callable[[], float]) -> None:
        self._profile, self._clock = profile, clock
        self._counts: dict[tuple[str, str, str], _Count] = {}
        self._turns: Counter[str] = Counter()
        self._refusals: dict[str, deque[float]] = {}
        self._blocked: dict[str, float] = {}
        self._mutex = threading.Lock()

    def adjust(self, profile: Profile) -> None:
        """Go on with other limits; what has been used stays used."""
        with self._mutex:
            self._profile = profile

    def charge(self, call: Call) -> Decision:
        with self._mutex:
            now = self._clock()
            refusal: Refusal | None = None
            headers: dict[str, str] = {}
            for limit in self._profile.limits:
                if limit.units is None:
                    continue
                wait = self._charged(limit, limit.units, call, now, headers)
                if wait and refusal is None:
                    replies = limit.replies or self._profile.replies
                    refusal = Refusal(limit.scope, wait, self._next(limit.scope, replies))
            return Decision(self._escalated(call, refusal, now), headers)

    def _charged(
        self, limit: Limit, units: float, call: Call, now: float, headers: dict[str, str]
    ) -> float:
        cost = limit.weights.get(call.kind, limit.weight) + limit.per_byte * call.size
        if not cost:
            return 0.0
        key = {"all": "", "account": call.account, "prefix": call.prefix}[limit.per]
        count = self._counts.get((limit.scope, limit.shape, key))
        if count is None:
            count = _SHAPES[limit.shape](units, now)
            self._counts[limit.scope, limit.shape, key] = count
        wait = count.take(limit, units, now, cost)
        left, reset = count.left(limit, units, now)
        if limit.headers_from is not None and units - left >= units * limit.headers_from - 1e-9:
            headers["RateLimit-Limit"] = f"{units:.0f}"
            headers["RateLimit-Remaining"] = str(max(0, math.floor(left)))
            headers["RateLimit-Reset"] = str(math.ceil(reset))
        return wait

    def _escalated(self, call: Call, refusal: Refusal | None, now: float) -> Refusal | None:
        block = self._profile.block
        if block is None:
            return refusal
        refused = self._refusals.setdefault(call.account, deque())
        if refusal is not None:
            refused.append(now)
        while refused and refused[0] <= now - block.within:
            refused.popleft()
        if len(refused) >= block.after:
            self._blocked[call.account] = now + block.seconds
            refused.clear()
        rest = self._blocked.get(call.account, now) - now
        return Refusal("block", rest, self._next("block", block.replies)) if rest > 0 else refusal

    def _next(self, scope: str, replies: tuple[Reply, ...]) -> Reply:
        self._turns[scope] += 1
        return replies[(self._turns[scope] - 1) % len(replies)]
