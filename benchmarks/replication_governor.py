"""The governor and the meter of replication in virtual time.

The decisions are those of `functions/replication/governor.py` and `meter.py`, and the arithmetic is
`rules/quota.py` itself. In place of DynamoDB there is a table in memory that tells what a
conditional write would come to when it arrives, some milliseconds after what it builds on was read.
"""

import math
from dataclasses import dataclass, field

from benchmarks.replication_model import Doing, Process, Stage, World
from replication.rules import quota
from replication.rules.quota import Grant, Limit, Quota

SECONDS_PER_GRANT = 2.0
SECONDS_OF_QUOTA = 1.0
LONGEST_SLEEP = 2.0
LATE = 5.0
FIRST_GUESS = 0.3
"""See meter.py."""

LONGEST_PAUSE = 0.2
COUNTED = {"tat", "granted", "version"}
"""See governor.py: what is stored beside the state, and may change while that stays."""


@dataclass(frozen=True)
class Item:
    """A quota as it is stored; `state` is what of it the simplest of bookings leaves alone."""

    quota: Quota
    state: str

    def booked(self, until: float, units: float) -> "Item":
        before = self.quota
        counted = {
            "tat": until,
            "granted": before.granted + units,
            "version": before.version + 1,
        }
        return Item(before.model_copy(update=counted), self.state)


type Known = dict[str, Item | None]
"""The quotas' items as a process of Lambda has seen them last, by their keys; None: no item."""


class Governor:
    """The quotas of a provider's scopes: one for all customers, or one for each account."""

    def __init__(self, stage: Stage, limit: Limit) -> None:
        self.limit = limit
        self._world, self._tally, self._chance = stage.world, stage.tally, stage.chance
        self._seconds = stage.overheads.table
        self._items: dict[str, Item] = {}

    def key(self, customer_id: str) -> str:
        return customer_id if self.limit.scope == "account" else ""

    def quota_of(self, key: str) -> Quota:
        """The truth, for whoever asks for metrics."""
        return self._quota(self._items.get(key))

    def take(self, known: Known, key: str, units: float, each: float) -> Doing[Grant]:
        seen, now = known.get(key), self._world.now
        if seen is None or seen.quota.tat < now or not quota.only_books(seen.quota, now):
            yield from self.look(known, key)
        attempt = 0
        while True:
            given = yield from self._book(known, key, units, each)
            if given is not None:
                return given
            if attempt:
                yield from self._pause(attempt)
            attempt += 1

    def holds(self, known: Known, key: str, given: Grant, at: float) -> bool:
        return quota.holds(self._quota(known.get(key)), given, at)

    def pace(self, known: Known, key: str) -> float:
        """Units per second, as far as a process knows."""
        item = known.get(key)
        return item.quota.rate if item else self.limit.ceiling

    def look(self, known: Known, key: str) -> Process:
        self._tally.reads += 1
        yield self._world.now + self._seconds
        known[key] = self._items.get(key)

    def give_back(self, known: Known, key: str, given: Grant, units: float) -> Process:
        before = self._quota(known.get(key))
        after = quota.given_back(before, given, units)
        if after.tat != before.tat:
            yield from self._write(known, key, after)

    def report_throttle(
        self, known: Known, key: str, called_at: float, retry_after: float | None
    ) -> Process:
        yield from self.look(known, key)
        attempt = 0
        while True:
            before = self._quota(known.get(key))
            now = self._world.now
            after = quota.throttled(before, self.limit, now, called_at, retry_after)
            if after is before:
                return
            done = yield from self._write(known, key, after)
            if done:
                return
            yield from self._pause(attempt)
            attempt += 1

    # --- one write

    def _book(self, known: Known, key: str, units: float, each: float) -> Doing[Grant | None]:
        now, seen = self._world.now, known.get(key)
        if seen is None or not quota.only_books(seen.quota, now):
            after, given = quota.grant(self._quota(seen), self.limit, now, units, each)
            done = yield from self._write(known, key, after)
            return given if done else None
        begins = max(now, seen.quota.cooldown_until)
        yield from self._writing()
        found = known[key] = self._items[key]
        idle = seen.quota.tat < begins
        if found.state != seen.state or (found.quota.tat < begins) != idle:
            self._tally.conflicts += 1
            return None
        after, given = quota.grant(found.quota, self.limit, now, units, each)
        known[key] = self._items[key] = found.booked(after.tat, units)
        return given

    def _write(self, known: Known, key: str, after: Quota) -> Doing[bool]:
        """Put an item in place of the known one; False, and the other is known, if that is gone."""
        seen = known.get(key)
        version = seen.quota.version if seen else 0
        stored = after.model_copy(update={"version": version + 1})
        yield from self._writing()
        found = self._items.get(key)
        if (found.quota.version if found else 0) != version:
            self._tally.conflicts += 1
            known[key] = found
            return False
        item = Item(stored, stored.model_dump_json(exclude=COUNTED))
        known[key] = self._items[key] = item
        return True

    def _writing(self) -> Process:
        self._tally.writes += 1
        yield self._world.now + self._seconds * self._chance.uniform(0.7, 1.5)

    def _pause(self, attempt: int) -> Process:
        longest = min(0.004 * 2.0 ** min(attempt, 16), LONGEST_PAUSE)
        yield self._world.now + self._chance.uniform(0, longest)

    def _quota(self, item: Item | None) -> Quota:
        return item.quota if item else quota.fresh(self.limit, self._world.now)


NOTHING = Grant.model_construct(not_before=0, interval=0, units=0, booked_until=0, cuts=0)


@dataclass
class Meter:
    """What one step has in hand: calls that are granted and not made yet, the next at `next_at`."""

    world: World
    governor: Governor
    key: str
    each: float
    """Units of a call."""

    known: Known = field(default_factory=dict)
    """Of the process that runs the step: another one after each pause."""

    looked_at: float = -math.inf
    waited: float = 0.0
    _grant: Grant = NOTHING
    _left: float = 0.0
    _next_at: float = 0.0
    _mean: float = FIRST_GUESS

    def goes_on(self, known: Known) -> None:
        """In another process: what is carried is looked at before it is used."""
        self.known, self.looked_at = known, -math.inf

    def spend(self, expected: int) -> Doing[float | None]:
        """Wait until a call may be made; None, or until when a machine is to wait.

        `expected` is how many calls are to come, with this one.
        """
        world, governor = self.world, self.governor
        while True:
            if self._left < self.each:
                yield from self._take(expected)
            elif world.now - self._next_at > LATE and self._left > self.each:
                yield from self._give_back(self._left - self.each)
                self._left = self.each
            wait = self._next_at - world.now
            if wait > 0:
                if wait > LONGEST_SLEEP:
                    return self._next_at
                self.waited += wait
                yield self._next_at
            if world.now - self.looked_at >= quota.OBEYED_WITHIN:
                yield from governor.look(self.known, self.key)
                self.looked_at = world.now
            if governor.holds(self.known, self.key, self._grant, self._next_at):
                break
            self._left = 0.0
        self._left -= self.each
        self._next_at += self._grant.interval * self.each
        return None

    def learn(self, seconds: float) -> None:
        """How long a call took; the last ones count most."""
        first = self._mean == FIRST_GUESS
        self._mean = seconds if first else self._mean + (seconds - self._mean) / 4

    def throttled(self, called_at: float, retry_after: float | None) -> Process:
        yield from self.governor.report_throttle(self.known, self.key, called_at, retry_after)

    def close(self) -> Process:
        if self._left > 0:
            yield from self._give_back(self._left)
            self._left = 0.0

    def _take(self, expected: int) -> Process:
        pace = self.governor.pace(self.known, self.key) / self.each
        useful = min(SECONDS_PER_GRANT / self._mean, SECONDS_OF_QUOTA * pace)
        calls = max(1, min(math.ceil(useful), expected))
        given = yield from self.governor.take(self.known, self.key, calls * self.each, self.each)
        self._grant, self._left, self._next_at = given, given.units, given.not_before
        self.looked_at = self.world.now

    def _give_back(self, units: float) -> Process:
        yield from self.governor.give_back(self.known, self.key, self._grant, units)
