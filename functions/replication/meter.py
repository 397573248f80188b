"""What watches over a step's requests: the quota that they need, and the time that it has.

The governor is asked for as many requests at a time as are made in about two seconds. They are kept
apart as the quota wants it: short waits are slept, longer ones are left to the machine, which waits
for nothing. What was granted for then is carried along and used by the next step, which so need not
stand in line again.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from replication.governor import Governor, Scope
from replication.rules.replication import Counts
from replication.storage.interface import Operation, Pause, Throttled

SECONDS_AHEAD = 2.0
"""A grant is for as many requests as a step makes in that time."""

LONGEST_SLEEP = 2.0
"""What takes longer to wait for, the machine waits for."""

LOOK_SECONDS = 2.0
"""How often a step looks whether another's request was refused."""

STALE_SECONDS = 15.0
"""A grant that was to be used so long ago is given back: all at once would be too much now."""

LEASE_SECONDS = 60.0
FIRST_GUESS = 0.3
"""Seconds of a request before one was made."""


@dataclass
class _InHand:
    """Requests that are granted and not made yet: the next may go at that time."""

    operation: Operation
    calls: int
    next_at: float
    interval: float


class GovernedMeter:
    """See `Meter` in storage/interface.py. Times are seconds since 1970.

    `carried` is what the meter of the step before has left in hand.
    """

    def __init__(
        self,
        governor: Governor,
        *,
        deadline: float,
        writer: tuple[Scope, str] | None = None,
        carried: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`writer` is the scope in which only one may write, and by what name this one does."""
        self._governor = governor
        self._deadline = deadline
        self._writer = writer
        self._fence: int | None = None
        self._lease_until = 0.0
        self._in_hand = _InHand(**carried) if carried else None
        self._clock = clock
        self._sleep = sleep
        self._expected: Counter[Operation] = Counter()
        self._looked_at = clock()
        self._began_call: float | None = None
        self._mean = FIRST_GUESS
        self.counts: Counter[str] = Counter()
        """Of this step: `calls`, `throttled`, `waited_ms`."""

    def expect(self, operation: Operation, calls: int) -> None:
        """So many requests of a kind are to come, in this step or in a later one."""
        self._expected[operation] = calls

    def spend(self, operation: Operation) -> None:
        now = self._clock()
        self._learn(now)
        if now >= self._deadline:
            raise Pause
        if self._writer is not None and operation in ("create_folder", "upload"):
            self._hold_lease(*self._writer)
        in_hand = self._granted(operation)
        self._obey_others(in_hand)
        self._wait_until(in_hand.next_at)
        in_hand.calls -= 1
        in_hand.next_at += in_hand.interval
        self._expected[operation] = max(self._expected[operation] - 1, 0)
        self._began_call = self._clock()
        self.counts["calls"] += 1

    def advise(self, remaining: float, reset_seconds: float) -> None:
        self._governor.report_remaining(remaining, reset_seconds)

    def throttled(self, refusal: Throttled) -> None:
        """The last request was refused: tell all others, and wait; raises Pause where it is long."""
        self.counts["throttled"] += 1
        called_at = self._began_call if self._began_call is not None else self._clock()
        self._began_call = None
        until = self._governor.report_throttle(called_at, refusal.retry_after)
        if self._in_hand is not None:
            self._in_hand.next_at = max(self._in_hand.next_at, until)
        self._wait_until(until)

    def close(self) -> None:
        """Nothing more is to be requested: others get what is left."""
        if self._in_hand is not None and self._in_hand.calls:
            self._governor.give_back(self._in_hand.operation, self._in_hand.calls)
        self._in_hand = None
        self.release()

    def release(self) -> None:
        """Let others write. A step that goes on later does not keep them waiting meanwhile."""
        if self._writer is not None and self._fence is not None:
            scope, holder = self._writer
            self._governor.release(scope, holder, self._fence)
            self._fence = None

    def carried(self) -> dict[str, Any] | None:
        """What is left in hand, as JSON, for the next step."""
        if self._in_hand is None or not self._in_hand.calls:
            return None
        return asdict(self._in_hand)

    def tally(self) -> Counts:
        return {name: number for name, number in self.counts.items() if number}

    # --- how it goes on

    def _granted(self, operation: Operation) -> _InHand:
        """Requests in hand that may be used for this one; asked for where there are none."""
        in_hand = self._in_hand
        if in_hand is not None and in_hand.calls:
            stale = self._clock() - in_hand.next_at > STALE_SECONDS
            fits = self._governor.cost_of(in_hand.operation) == self._governor.cost_of(operation)
            if fits and not stale:
                return in_hand
            self._governor.give_back(in_hand.operation, in_hand.calls)
        ahead = math.ceil(SECONDS_AHEAD / max(self._mean, 0.001))
        calls = max(1, min(ahead, self._expected[operation]))
        grant = self._governor.take(operation, calls)
        self._in_hand = _InHand(operation, calls, grant.not_before, grant.interval)
        return self._in_hand

    def _obey_others(self, in_hand: _InHand) -> None:
        now = self._clock()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            in_hand.next_at = max(in_hand.next_at, self._governor.cooldown_until())

    def _wait_until(self, moment: float) -> None:
        now = self._clock()
        seconds = moment - now
        if seconds <= 0:
            return
        self.counts["waited_ms"] += round(seconds * 1000)
        if seconds > LONGEST_SLEEP or moment > self._deadline:
            raise Pause(moment)
        self._sleep(seconds)

    def _learn(self, now: float) -> None:
        """How long a request takes, with what is around it: the last ones count most."""
        if self._began_call is not None:
            self._mean += (now - self._began_call - self._mean) / 4
        self._began_call = None

    def _hold_lease(self, scope: Scope, holder: str) -> None:
        now = self._clock()
        if self._fence is not None and now < self._lease_until - LEASE_SECONDS / 2:
            return
        if self._fence is None or not self._governor.renew(
            scope, holder, self._fence, LEASE_SECONDS
        ):
            self._fence = self._governor.acquire(scope, holder, LEASE_SECONDS)
        if self._fence is None:
            raise Pause(max(self._governor.lease_ends(scope), now + 1))
        self._lease_until = now + LEASE_SECONDS
