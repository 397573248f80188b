"""What watches over a step's requests: the quota that they need, and the time that it has.

The governor is asked for as many calls at a time as a step makes in about two seconds, or as the
quota allows in one if that is less, and they go when they may. A short wait is slept; a longer one
is left to the machine, which waits for nothing. What was granted for then is carried along, as
JSON, to whichever step goes on: it finds its calls waiting and need not stand in line again, else
it could be put off for ever. Calls whose time is long past are not made in a clump: one goes, so
that there is some progress, and the others are given back. At least every two seconds, and before
what was carried is used, the meter looks whether the provider has refused somebody else's call.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from replication import leases
from replication.governor import Governor, Leave, Scope
from replication.rules.quota import OBEYED_WITHIN
from replication.rules.replication import Counts
from replication.storage.interface import Operation, Pause, Throttled

SECONDS_PER_GRANT = 2.0
SECONDS_OF_QUOTA = 1.0
"""For so long a grant keeps everybody else waiting at most, unless a single call does."""

LONGEST_SLEEP = 2.0
"""Seconds that are slept; for longer the machine waits."""

LATE = 5.0
"""Seconds: calls whose time is so long past would be a clump."""

LOST = 60.0
"""Seconds: what was granted for so long ago is of no use to anybody."""

LEASE_SECONDS = 60.0
FIRST_GUESS = 0.3
"""Seconds of a call before one was made."""

WRITES: frozenset[Operation] = frozenset({"create_folder", "upload"})


class _Hand(BaseModel):
    """Calls that were granted and are not made yet; the next may go at `next_at`."""

    model_config = ConfigDict(extra="forbid")

    operation: Operation
    leave: Leave
    left: int
    next_at: float


class GovernedMeter:
    """The `Meter` of storage/interface.py for one step. Times are in seconds since 1970.

    `deadline` is when the step's time is up; `carried` is what the meter before it has given by
    `carried`; `holder` is by what name the step writes where only one may.
    """

    def __init__(
        self,
        governor: Governor,
        *,
        deadline: float,
        carried: Any = None,
        holder: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._governor = governor
        self._deadline = deadline
        self._clock, self._sleep = clock, sleep
        self._hands = _hands(governor, carried)
        self._expected: Counter[Operation] = Counter()
        self._mean: dict[Operation, float] = {}
        self._looked_at = -math.inf
        self._call: tuple[Operation, Leave, float] | None = None
        """The call that is being made: what for, by which leave, and since when."""

        self._lease = _Lease(governor, holder) if governor.one_writer else None
        self._made: Counter[Operation] = Counter()
        self._granted = self._throttled = 0
        self._waited = self._in_calls = 0.0

    def expect(self, operation: Operation, calls: int) -> None:
        """So many calls are to come; without a hint they are granted one by one."""
        self._expected[operation] = calls

    def spend(self, operation: Operation) -> None:
        """Wait until a call may be made.

        Raises Pause where that is long or the step's time is up, and TransientError where the
        governor cannot be asked.
        """
        self._end_call()
        if self._clock() >= self._deadline:
            raise Pause
        if self._lease is not None and operation in WRITES:
            self._lease.hold(self._clock())
        hand = self._ready(operation)
        hand.left -= 1
        hand.next_at += hand.leave.interval
        self._expected[operation] = max(self._expected[operation] - 1, 0)
        self._made[operation] += 1
        self._call = (operation, hand.leave, self._clock())

    def throttled(self, refusal: Throttled) -> None:
        """The call that was made last was refused: tell everybody, and wait until it may be made
        again; raises Pause where that is long.
        """
        now = self._clock()
        operation, leave, called_at = self._call or ("find", None, now)
        self._end_call(learn=False)
        self._throttled += 1
        self._governor.report_throttle(leave, called_at, refusal.retry_after, refusal.level)
        self._expected[operation] += 1
        self._ready(operation)

    def advise(self, remaining: float, reset_seconds: float) -> None:
        """The provider has said how many units are left until its quota is filled up again."""
        self._governor.report_headers(remaining, reset_seconds)

    def carried(self) -> list[dict[str, Any]]:
        """What is in hand, as JSON, for whichever meter goes on: it is not this one's any more."""
        hands, self._hands = self._hands, {}
        return [hand.model_dump(mode="json") for hand in hands.values() if hand.left]

    def release(self) -> None:
        """Let others write: a step that goes on later does not keep them waiting meanwhile."""
        if self._lease is not None:
            self._lease.release()

    def close(self) -> None:
        """Nothing more is to be called: give back what is in hand and was not carried."""
        self._end_call()
        hands, self._hands = self._hands, {}
        for hand in hands.values():
            if hand.left:
                self._governor.give_back(hand.leave, hand.operation, hand.left)
        self.release()

    def tally(self) -> Counts:
        """What the step has used; times are in milliseconds, and a wait counts when it begins."""
        self._end_call()
        counts: Counts = {f"{operation}_calls": n for operation, n in self._made.items()}
        counts |= {
            "calls": self._made.total(),
            "granted": self._granted,
            "throttled": self._throttled,
            "waited_ms": round(self._waited * 1000),
            "call_ms": round(self._in_calls * 1000),
        }
        return {name: number for name, number in counts.items() if number}

    # --- how a call comes to its time

    def _ready(self, operation: Operation) -> _Hand:
        """Wait for the next call's time; what is in hand by then is still good."""
        while True:
            hand = self._hand(operation)
            self._wait(hand.next_at)
            if self._clock() - self._looked_at >= OBEYED_WITHIN:
                self._look()
            if self._governor.holds(hand.leave, hand.next_at):
                return hand
            self._drop(operation)

    def _hand(self, operation: Operation) -> _Hand:
        price = self._governor.price(operation)
        hand = self._hands.get(price)
        if hand is None or not hand.left:
            return self._take(operation)
        late = self._clock() - hand.next_at
        if late > LOST:
            return self._take(operation)
        if late > LATE and hand.left > 1:
            self._governor.give_back(hand.leave, hand.operation, hand.left - 1)
            hand.left = 1
        return hand

    def _take(self, operation: Operation) -> _Hand:
        price = self._governor.price(operation)
        mean = max(self._mean.get(operation, FIRST_GUESS), 0.001)
        hint = sum(n for other, n in self._expected.items() if self._governor.price(other) == price)
        useful = min(SECONDS_PER_GRANT / mean, SECONDS_OF_QUOTA * self._governor.pace(operation))
        calls = max(1, min(math.ceil(useful), hint))
        leave = self._governor.take(operation, calls)
        if len(leave.grants) == len(price):
            self._looked_at = self._clock()
        self._granted += leave.calls
        hand = _Hand(operation=operation, leave=leave, left=leave.calls, next_at=leave.not_before)
        self._hands[price] = hand
        return hand

    def _drop(self, operation: Operation) -> None:
        """What was granted before a cut, or for a time within a cooldown, is void."""
        self._hands.pop(self._governor.price(operation), None)

    def _look(self) -> None:
        self._governor.look()
        self._looked_at = self._clock()

    def _wait(self, moment: float) -> None:
        seconds = moment - self._clock()
        if seconds <= 0:
            return
        self._waited += seconds
        if seconds > LONGEST_SLEEP or moment >= self._deadline:
            raise Pause(moment)
        self._sleep(seconds)

    def _end_call(self, *, learn: bool = True) -> None:
        """Learn what a call takes, with all that is done until the next one; the last count most.

        A refusal comes sooner than an answer, and says nothing of that.
        """
        if self._call is None:
            return
        operation, _, began = self._call
        self._call = None
        seconds = max(0.0, self._clock() - began)
        self._in_calls += seconds
        if learn:
            mean = self._mean.get(operation, seconds)
            self._mean[operation] = mean + (seconds - mean) / 4


class _Lease:
    """Leave to write in the scope where only one may, for as long as the step goes on."""

    def __init__(self, governor: Governor, holder: str) -> None:
        if not holder:
            raise ValueError("who writes where only one may needs a name")
        self._provider = governor.provider
        self._scopes: tuple[Scope, ...] = governor.one_writer
        self._holder = holder
        self._fences: dict[str, int] = {}
        self._good_until: dict[str, float] = {}

    def hold(self, now: float) -> None:
        """Have the leases, for half their time at least; Pause where another one writes."""
        for scope in self._scopes:
            if now >= self._good_until.get(scope.key, 0.0):
                self._hold(scope.key, now)

    def _hold(self, namespace: str, now: float) -> None:
        provider, holder = self._provider, self._holder
        fence = self._fences.pop(namespace, None)
        if fence is None or not leases.renew(
            provider, namespace, holder, fence, LEASE_SECONDS, now
        ):
            fence = leases.acquire(provider, namespace, holder, LEASE_SECONDS, now)
        if fence is None:
            ends_at = leases.ends_at(provider, namespace)
            raise Pause(max(ends_at or 0.0, now + 1))
        self._fences[namespace] = fence
        self._good_until[namespace] = now + LEASE_SECONDS / 2

    def release(self) -> None:
        fences, self._fences, self._good_until = self._fences, {}, {}
        for namespace, fence in fences.items():
            leases.release(self._provider, namespace, self._holder, fence)


def _hands(governor: Governor, carried: Any) -> dict[tuple[float, ...], _Hand]:
    """What was carried, by its price. What another version of this code wrote is left alone."""
    hands: dict[tuple[float, ...], _Hand] = {}
    for one in carried or []:
        try:
            hand = _Hand.model_validate(one)
        except ValidationError:
            continue
        if governor.knows(hand.leave):
            hands[governor.price(hand.operation)] = hand
    return hands
