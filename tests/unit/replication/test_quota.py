"""When requests may go: bounds that hold for any order of events, and an hour at a provider."""

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from replication.rules import quota as q
from replication.rules.quota import Limit, Quota

NOW = 1_767_225_600.0


def any_limit(**changes):
    return Limit(**({"scope": "server", "rate": 10, "burst": 5, "published": True} | changes))


LIMITS = st.builds(
    any_limit,
    rate=st.floats(0.5, 500),
    burst=st.floats(1, 200),
    published=st.booleans(),
)


# --- limits


def test_stays_below_a_published_limit_and_further_below_a_guess():
    assert any_limit(rate=100, published=True).ceiling == pytest.approx(97)
    assert any_limit(rate=100, published=False).ceiling == pytest.approx(90)


def test_a_call_costs_one_unit_where_nothing_else_is_said():
    limit = any_limit(costs={"upload": 2, "find": 0})

    assert [limit.cost("upload"), limit.cost("find"), limit.cost("verify")] == [2, 0, 1]


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_there_is_no_limit_without_a_rate(rate):
    with pytest.raises(ValidationError, match="rate"):
        any_limit(rate=rate)


# --- grants


def times(leave, each=1.0):
    """When the calls of a grant may go, each of so many units."""
    calls = round(leave.units / each)
    return [leave.not_before + number * each * leave.interval for number in range(calls)]


def most_over(gone, rate):
    """By how many units any window had more than its rate allows; `gone` are times and units."""
    gone = sorted(gone)
    worst = least = float("-inf")
    before = 0.0
    for at, units in gone:
        # The window from an earlier call to this one, both of them in it.
        least = max(least, rate * (at - NOW) - before)
        before += units
        worst = max(worst, before - rate * (at - NOW) + least)
    return worst


@settings(max_examples=200)
@given(
    LIMITS,
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 40)), min_size=1, max_size=60),
    st.sampled_from([0.3, 1.0, 2.0, 5.0]),
)
def test_no_window_has_more_units_than_its_rate_and_the_burst(limit, asked, each):
    state, now, gone = q.fresh(limit, NOW), NOW, []
    for seconds, calls in asked:
        now += seconds
        state, leave = q.grant(state, limit, now, calls * each, each)
        gone += [(at, each) for at in times(leave, each)]
        assert leave.not_before >= now

    assert most_over(gone, limit.ceiling) <= max(limit.burst, each) + 0.01


def test_the_burst_goes_at_once_and_what_follows_at_the_rate():
    limit = any_limit(rate=10, burst=3)
    state, gone = q.fresh(limit, NOW), []
    for _ in range(6):
        state, leave = q.grant(state, limit, NOW, 1)
        gone.append(leave.not_before - NOW)

    step = 1 / limit.ceiling
    assert gone == pytest.approx([0, 0, 0, step, 2 * step, 3 * step], abs=1e-6)


@given(LIMITS, st.lists(st.tuples(st.floats(0, 20), st.integers(1, 40)), min_size=2, max_size=60))
def test_who_asks_first_goes_first(limit, asked):
    state, now, before = q.fresh(limit, NOW), NOW, 0.0
    for seconds, calls in asked:
        now += seconds
        state, leave = q.grant(state, limit, now, calls)
        assert leave.not_before >= before - 1e-6
        before = leave.not_before


@pytest.mark.parametrize(("units", "each"), [(0, 1), (1, 2), (1, 0), (-1, -1)])
def test_a_grant_is_for_a_call_at_least(units, each):
    with pytest.raises(ValueError, match="at least one call"):
        q.grant(q.fresh(any_limit(), NOW), any_limit(), NOW, units, each)


def test_what_only_books_changes_nothing_else():
    limit = any_limit()
    state, _ = q.grant(q.fresh(limit, NOW), limit, NOW, 40)

    assert q.only_books(state, NOW + 1)
    after, _ = q.grant(state, limit, NOW + 1, 5)
    assert after.model_dump(exclude={"tat", "granted"}) == state.model_dump(
        exclude={"tat", "granted"}
    )
    assert after.tat == pytest.approx(state.tat + 5 / state.rate)
    assert after.granted == state.granted + 5


def test_where_nothing_is_booked_any_more_a_grant_books_from_now_on():
    limit = any_limit()
    idle = q.fresh(limit, NOW - 5)

    assert q.only_books(idle, NOW)
    after, given = q.grant(idle, limit, NOW, 5)
    assert given.not_before == NOW
    assert after.tat == pytest.approx(NOW + 5 / idle.rate)


def test_a_grant_that_does_more_than_book_is_told_apart():
    limit = any_limit()
    booked, _ = q.grant(q.fresh(limit, NOW), limit, NOW, 1000)
    cut = q.throttled(booked, limit, NOW + 1, NOW + 1, None)

    assert not q.only_books(booked, NOW + q.WINDOW)  # A window is over.
    assert not q.only_books(cut, NOW + 2)  # The scout is due.


# --- what is given back


def test_what_was_granted_last_and_is_given_back_is_another_ones():
    limit = any_limit(burst=1)
    state, first = q.grant(q.fresh(limit, NOW), limit, NOW, 10)
    state = q.given_back(state, first, 8)
    state, second = q.grant(state, limit, NOW, 5)

    assert second.not_before == pytest.approx(NOW + 2 / limit.ceiling, abs=1e-6)
    assert state.granted == 7


def test_what_others_stand_in_line_behind_is_lost():
    limit = any_limit(burst=1)
    state, first = q.grant(q.fresh(limit, NOW), limit, NOW, 10)
    state, second = q.grant(state, limit, NOW, 10)
    after = q.given_back(state, first, 8)

    assert after.tat == state.tat
    assert second.not_before == pytest.approx(NOW + 10 / limit.ceiling, abs=1e-6)


# --- throttles


def test_a_throttle_cuts_the_rate_and_lets_nothing_go_for_as_long_as_was_asked():
    limit = any_limit()
    state, _ = q.grant(q.fresh(limit, NOW), limit, NOW, 20)

    after = q.throttled(state, limit, NOW + 1, NOW + 0.9, 30)

    assert after.rate == pytest.approx(0.6 * limit.ceiling)
    assert after.suspected == pytest.approx(limit.ceiling)
    assert after.cooldown_until == pytest.approx(NOW + 31)
    assert after.throttled == 1


@given(
    LIMITS,
    st.lists(st.integers(1, 40), min_size=1, max_size=10),
    st.lists(
        st.tuples(st.floats(0, 2), st.none() | st.floats(0, 5000), st.integers(1, 40)),
        min_size=1,
        max_size=20,
    ),
)
def test_nothing_goes_before_the_cooldown_is_over(limit, asked, refusals):
    state, now, granted = q.fresh(limit, NOW), NOW, []
    for calls in asked:
        state, leave = q.grant(state, limit, now, calls)
        granted.append(leave)
    for seconds, retry_after, calls in refusals:
        now += seconds
        state = q.throttled(state, limit, now, now - 0.1, retry_after)
        until = state.cooldown_until
        assert not any(
            q.holds(state, old, at) for old in granted for at in times(old) if at < until
        )
        state, leave = q.grant(state, limit, now, calls)
        assert leave.not_before >= until
        granted.append(leave)


@given(
    LIMITS,
    st.lists(st.tuples(st.floats(-30, 1.9), st.none() | st.floats(0, 10)), max_size=100),
)
def test_many_reports_of_one_overload_are_one_cut(limit, reports):
    state = q.fresh(limit, NOW)
    once = q.throttled(state, limit, NOW, NOW - 0.1, None)

    state = once
    for called_at, retry_after in reports:
        state = q.throttled(state, limit, NOW + 2, NOW + called_at, retry_after)

    assert (state.rate, state.cuts, state.suspected) == (once.rate, once.cuts, once.suspected)
    assert state.throttled == 1 + len(reports)
    assert state.cooldown_until >= once.cooldown_until


def test_a_late_report_prolongs_the_cooldown_and_never_shortens_it():
    limit = any_limit()
    state = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, 10)

    assert q.throttled(state, limit, NOW + 1, NOW, 3).cooldown_until == NOW + 10
    assert q.throttled(state, limit, NOW + 1, NOW, 60).cooldown_until == NOW + 61


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 2), (0, 2), (-5, 2), (float("nan"), 2), (7, 7), (1e9, 86_400), (float("inf"), 2)],
)
def test_a_cooldown_is_neither_too_short_to_be_known_nor_without_end(retry_after, seconds):
    state = q.throttled(q.fresh(any_limit(), NOW), any_limit(), NOW, NOW, retry_after)

    assert state.cooldown_until == NOW + seconds


def test_after_a_cooldown_one_goes_ahead_and_the_others_follow_one_by_one():
    limit = any_limit(rate=10, burst=5)
    state = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, None)
    gone = []
    for _ in range(4):
        state, leave = q.grant(state, limit, NOW + 0.5, 3)
        gone += times(leave)

    apart = [later - earlier for earlier, later in pairwise(gone)]
    assert gone[0] == NOW + 2
    assert apart[0] == pytest.approx(q.SCOUT_SECONDS, abs=1e-6)
    assert apart[1:] == pytest.approx([1 / state.rate] * 8, abs=1e-6)


def test_a_closed_provider_is_asked_less_and_less_often_and_the_rate_is_cut_once():
    limit, now, waits = any_limit(), NOW, []
    state = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, None)
    for _ in range(8):
        state, scout = q.grant(state, limit, now, 10)
        assert scout.units == 1
        now = scout.not_before + 0.2
        state = q.throttled(state, limit, now, scout.not_before, None)
        waits.append(state.cooldown_until - now)

    assert waits == pytest.approx([4, 8, 16, 32, 64, 64, 64, 64])
    assert state.rate == pytest.approx(0.6 * limit.ceiling)


def test_whoever_follows_a_scout_that_is_refused_asks_again():
    limit = any_limit()
    state = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, None)
    state, scout = q.grant(state, limit, NOW, 1)
    state, behind = q.grant(state, limit, NOW, 1000)

    after = q.throttled(state, limit, NOW + 2.2, scout.not_before, None)

    assert q.holds(state, behind, behind.not_before)
    assert not any(q.holds(after, behind, at) for at in times(behind))


def test_a_throttle_when_the_scout_has_got_through_is_another_cut():
    limit = any_limit()
    state = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, None)
    state, _ = q.grant(state, limit, NOW, 1)

    after = q.throttled(state, limit, NOW + 4, NOW + 3.5, None)

    assert after.rate == pytest.approx(0.36 * limit.ceiling)
    assert after.cooldown_until == NOW + 6


def cut_at_full_use(limit, seconds, state=None, now=NOW):
    """A quota that is used to the full for some seconds, and then refused; and when."""
    state = state or q.fresh(limit, now)
    end = now + seconds
    while now < end:
        state, leave = q.grant(state, limit, now, max(1, round(state.rate)))
        now = max(now + 1, leave.not_before)
    return q.throttled(state, limit, now, now, None), state.rate, now


@pytest.mark.parametrize(("seconds", "share"), [(3, 0.75), (60, 0.95), (400, 1.0)])
def test_a_cut_soon_after_another_shows_that_the_rate_in_mind_is_too_high(seconds, share):
    limit = any_limit(rate=20, burst=1)
    once, _, now = cut_at_full_use(limit, 30)

    twice, rate, _ = cut_at_full_use(limit, seconds, once, now)

    assert twice.cuts == 2
    assert twice.suspected == pytest.approx(share * rate, rel=0.03)


def test_what_is_asked_for_again_and_again_while_a_provider_is_closed_is_not_taken_for_use():
    limit, now = any_limit(rate=20, burst=1), NOW
    state = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, None)
    for _ in range(4):  # Each time all ask again for what has become void.
        state, scout = q.grant(state, limit, now, 13)
        for _ in range(10):
            state, _ = q.grant(state, limit, now, 13)
        now = scout.not_before + 0.2
        state = q.throttled(state, limit, now, scout.not_before, None)
    state, scout = q.grant(state, limit, now, 1)
    now = scout.not_before + 5
    state, _ = q.grant(state, limit, now, 13)

    after = q.throttled(state, limit, now, now, None)

    assert after.suspected == pytest.approx(q.BIG_STEP_DOWN * state.rate)


def test_what_was_used_is_cut_and_not_what_might_have_been():
    limit = any_limit(rate=1000, burst=1)
    state, now = q.fresh(limit, NOW), NOW
    for _ in range(40):  # 400 units a second are used of 970.
        state, _ = q.grant(state, limit, now, 200)
        now += 0.5

    after = q.throttled(state, limit, now, now, None)

    assert after.suspected == pytest.approx(400, rel=0.06)
    assert after.rate == pytest.approx(240, rel=0.06)


def used(state, limit, now, share, windows):
    """A quota of whose rate a share is used for some windows; and when they are over."""
    for _ in range(windows):
        state, _ = q.grant(state, limit, now, share * state.rate * q.WINDOW, share)
        now += q.WINDOW
    return q.risen(state, limit, now), now


def test_a_rate_that_is_used_rises_up_to_the_ceiling():
    limit = any_limit(rate=10)
    low = q.advised(q.fresh(limit, NOW), limit, NOW, 145, 30)

    rates = [low.rate]
    state, now = low, NOW
    for _ in range(12):
        state, now = used(state, limit, now, 1.0, 1)
        rates.append(state.rate)

    steps = [after - before for before, after in pairwise(rates)]
    assert steps[:5] == pytest.approx([0.05 * limit.ceiling] * 5)
    assert max(rates) == rates[-1] == limit.ceiling


def test_a_rate_that_nobody_uses_does_not_rise():
    limit = any_limit(rate=10)
    low = q.advised(q.fresh(limit, NOW), limit, NOW, 145, 30)

    assert used(low, limit, NOW, 0.4, 20)[0].rate == low.rate


def test_a_limit_that_is_lower_by_now_is_obeyed():
    low = any_limit(rate=2)
    state, _ = q.grant(q.fresh(any_limit(rate=10), NOW), low, NOW + 60, 5)

    assert state.rate == low.ceiling


@given(st.integers(1, 200), LIMITS)
def test_the_rate_never_falls_to_nothing(refusals, limit):
    state, now = q.fresh(limit, NOW), NOW
    for _ in range(refusals):
        now += 100
        state = q.throttled(state, limit, now, now, None)

    assert state.rate >= min(q.FLOOR, limit.ceiling)


@settings(max_examples=300)
@example(  # Behind the scout nobody goes sooner than the rate allows.
    Limit(scope="server", rate=1, burst=1, published=False),
    [("throttle", 0.0, None), ("grant", 0.0, 1), ("grant", 0.0, 1)],
)
@given(
    LIMITS,
    st.lists(
        st.one_of(
            st.tuples(st.just("grant"), st.floats(0, 12), st.integers(1, 40)),
            st.tuples(st.just("throttle"), st.floats(0, 12), st.none() | st.floats(0, 20)),
            st.tuples(st.just("advise"), st.floats(0, 12), st.floats(0, 3000)),
            st.tuples(st.just("give back"), st.floats(0, 12), st.integers(1, 40)),
        ),
        max_size=80,
    ),
)
def test_no_window_has_more_than_the_ceiling_and_the_burst_whatever_happens(limit, events):
    scope = Scope(limit)
    for kind, seconds, number in events:
        scope.go_on(scope.now + seconds)
        scope.happens(kind, number)
        assert scope.state.rate <= limit.ceiling
    scope.go_on(float("inf"))

    assert most_over(scope.gone, limit.ceiling) <= limit.burst + 0.01


class Scope:
    """A quota, and whoever waits with what it has granted."""

    def __init__(self, limit):
        self.limit, self.now = limit, NOW
        self.state = q.fresh(limit, NOW)
        self.waiting, self.gone = [], []

    def go_on(self, until):
        """Whoever's time has come goes, unless what has happened by then forbids it."""
        for leave, at in [one for one in self.waiting if one[1] < until]:
            self.waiting.remove((leave, at))
            if q.holds(self.state, leave, at):
                self.gone.append((at, 1.0))
        self.now = until

    def happens(self, kind, number):
        state, limit, now = self.state, self.limit, self.now
        if kind == "grant":
            self.state, leave = q.grant(state, limit, now, number)
            self.waiting += [(leave, at) for at in times(leave)]
        elif kind == "throttle":
            self.state = q.throttled(state, limit, now, now, number)
        elif kind == "advise":
            self.state = q.advised(state, limit, now, number, 30)
        elif self.waiting:
            leave = self.waiting[-1][0]
            own = [one for one in self.waiting if one[0] is leave][-number:]
            self.waiting = [one for one in self.waiting if one not in own]
            self.state = q.given_back(state, leave, len(own))


# --- advice


@given(LIMITS, st.floats(-10, 1e6), st.floats(-10, 1e6), st.floats(0, 100))
def test_advice_never_raises_the_rate_above_the_ceiling(limit, remaining, reset, seconds):
    state = q.fresh(limit, NOW)

    after = q.advised(state, limit, NOW + seconds, remaining, reset)

    assert min(q.FLOOR, limit.ceiling) <= after.rate <= limit.ceiling


def test_advice_sets_the_rate_before_anything_is_refused():
    limit = any_limit(rate=10)

    after = q.advised(q.fresh(limit, NOW), limit, NOW, remaining=60, reset_seconds=30)

    assert after.rate == pytest.approx(0.97 * 2)
    assert (after.cuts, after.throttled) == (0, 0)


def test_nothing_goes_until_the_reset_where_nothing_is_left():
    limit = any_limit()

    state = q.advised(q.fresh(limit, NOW), limit, NOW, remaining=0, reset_seconds=25)
    _, leave = q.grant(state, limit, NOW + 1, 5)

    assert leave.not_before >= NOW + 25
    assert state.rate == limit.ceiling


def test_what_was_booked_at_another_rate_goes_first_and_no_burst_comes_of_it():
    limit = any_limit(rate=10, burst=5)
    state, booked = q.grant(q.fresh(limit, NOW), limit, NOW, 20)
    state = q.advised(state, limit, NOW, remaining=60, reset_seconds=60)

    _, leave = q.grant(state, limit, NOW, 1)

    last = booked.not_before + 15 / limit.ceiling  # A burst of five has gone before its time.
    assert leave.not_before == pytest.approx(last + 1 / state.rate, abs=1e-6)


def test_a_higher_rate_does_not_fill_up_the_burst():
    limit = any_limit(rate=10, burst=5)
    state = q.advised(q.fresh(limit, NOW), limit, NOW, remaining=60, reset_seconds=60)
    state, _ = q.grant(state, limit, NOW, 3)
    state = q.advised(state, limit, NOW, remaining=600, reset_seconds=60)

    gone = []
    for _ in range(4):
        state, leave = q.grant(state, limit, NOW, 1)
        gone.append(leave.not_before - NOW)

    step = 1 / limit.ceiling
    assert gone == pytest.approx([0, 0, step, 2 * step], abs=1e-6)


def test_no_burst_comes_right_after_a_reset():
    limit = any_limit(rate=10, burst=5)
    state = q.advised(q.fresh(limit, NOW), limit, NOW, remaining=0, reset_seconds=25)
    gone = []
    for _ in range(3):
        state, leave = q.grant(state, limit, NOW + 1, 1)
        gone.append(leave.not_before - NOW - 25)

    assert gone == pytest.approx([0, 1 / limit.ceiling, 2 / limit.ceiling], abs=1e-6)


@pytest.mark.parametrize("remaining", [300, 100_000])
def test_advice_that_changes_little_is_the_same_quota(remaining):
    limit = any_limit(rate=10)
    state = q.fresh(limit, NOW)

    assert q.advised(state, limit, NOW, remaining, reset_seconds=30.5) is state


def test_advice_raises_a_rate_that_was_cut_if_it_looks_far_enough():
    limit = any_limit(rate=10)
    cut = q.throttled(q.fresh(limit, NOW), limit, NOW, NOW, None)

    assert q.advised(cut, limit, NOW + 1, 500, 60) is cut  # The cooldown is not over.
    assert q.advised(cut, limit, NOW + 5, 40, 4) is cut
    assert q.advised(cut, limit, NOW + 5, 500, 60).rate == pytest.approx(0.97 * 500 / 60)


# --- an hour at a provider


@dataclass
class Provider:
    """Takes `rate` requests a second, counted over `seconds`; refused ones count as well."""

    rate: float
    seconds: float
    kind: str
    says_when: bool
    log: deque = field(default_factory=deque)
    level: float = 0.0
    at: float = NOW

    def refuses(self, now):
        """None where it takes a request, else what it answers as Retry-After; NaN for nothing."""
        return self._window(now) if self.kind == "window" else self._bucket(now)

    def _window(self, now):
        while self.log and self.log[0] <= now - self.seconds:
            self.log.popleft()
        most = self.rate * self.seconds
        self.log.append(now)
        if len(self.log) <= most:
            return None
        first = self.log[len(self.log) - int(most) - 1]
        return first + self.seconds - now if self.says_when else float("nan")

    def _bucket(self, now):
        most = self.rate * self.seconds
        self.level = min(most, self.level + (now - self.at) * self.rate)
        self.at = now
        self.level = max(self.level - 1, -most)
        if self.level >= 0:
            return None
        return -self.level / self.rate if self.says_when else float("nan")


@dataclass
class Worker:
    leave: object = None
    left: int = 0
    next_at: float = 0.0
    known: Quota | None = None
    looked_at: float = 0.0


@dataclass
class Hours:
    calls: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    state: Quota | None = None

    def share_refused(self, since):
        late = sum(at >= since for at in self.refused)
        return late / sum(at >= since for at in self.calls)

    def served_per_second(self, since, until):
        return (
            sum(since <= at < until for at in self.calls)
            - sum(since <= at < until for at in self.refused)
        ) / (until - since)


def at_provider(provider, limit, seconds, changes, workers=5):
    """Workers who make calls of about 0.15 s, as their grants say, and know of others' refusals
    two seconds late; `changes` are rates of the provider by second.
    """
    chance = random.Random(7)
    hours, state, changes = Hours(), q.fresh(limit, NOW), sorted(changes.items())
    crew = [Worker() for _ in range(workers)]
    waiting = [(NOW + chance.random(), number) for number in range(workers)]
    heapq.heapify(waiting)
    while waiting[0][0] < NOW + seconds:
        now, number = heapq.heappop(waiting)
        worker = crew[number]
        while changes and now >= NOW + changes[0][0]:
            provider.rate = changes.pop(0)[1]
        if worker.left and now - worker.looked_at >= q.OBEYED_WITHIN:
            worker.known, worker.looked_at = state, now
        if worker.left and not q.holds(worker.known, worker.leave, worker.next_at):
            worker.left = 0
        if not worker.left:
            state, worker.leave = q.grant(state, limit, now, 13)
            worker.left, worker.next_at = round(worker.leave.units), worker.leave.not_before
            worker.known, worker.looked_at = state, now
        if worker.next_at > now:
            heapq.heappush(waiting, (worker.next_at, number))
            continue
        worker.left -= 1
        worker.next_at += worker.leave.interval
        hours.calls.append(now - NOW)
        refusal = provider.refuses(now)
        ends = now + (0.15 * chance.lognormvariate(-0.125, 0.5) if refusal is None else 0.03)
        if refusal is not None:
            hours.refused.append(now - NOW)
            retry_after = None if refusal != refusal else refusal
            state = q.throttled(state, limit, ends, now, retry_after)
            worker.known, worker.looked_at = state, ends
        heapq.heappush(waiting, (ends, number))
    hours.state = state
    return hours


KINDS = pytest.mark.parametrize("kind", ["window", "bucket"])
SAYS_WHEN = pytest.mark.parametrize("says_when", [True, False])


@KINDS
@SAYS_WHEN
def test_after_a_halved_quota_hardly_anything_is_refused_and_little_is_left_unused(kind, says_when):
    provider = Provider(rate=20, seconds=60, kind=kind, says_when=says_when)
    halved, settled, end = 300, 900, 4500

    hours = at_provider(provider, any_limit(rate=20, burst=10), end, {halved: 10})

    assert hours.share_refused(settled) < 0.001
    assert hours.served_per_second(settled, end) >= 0.95 * 0.96 * 10
    assert hours.state.rate < 10.5


@KINDS
def test_a_quota_that_is_restored_is_used_to_the_full_again(kind):
    provider = Provider(rate=20, seconds=60, kind=kind, says_when=True)
    limit = any_limit(rate=20, burst=10)

    hours = at_provider(provider, limit, 5400, {300: 10, 1500: 20})

    assert hours.state.rate == pytest.approx(limit.ceiling)
    assert hours.served_per_second(4800, 5400) == pytest.approx(limit.ceiling, rel=0.01)


@KINDS
def test_nothing_is_refused_where_the_limit_is_as_published(kind):
    provider = Provider(rate=20, seconds=60, kind=kind, says_when=False)
    limit = any_limit(rate=20, burst=10)

    hours = at_provider(provider, limit, 1200, {})

    assert hours.refused == []
    assert hours.served_per_second(60, 1200) == pytest.approx(limit.ceiling, rel=0.01)


def test_a_storm_costs_a_few_requests_and_is_forgotten():
    """For a minute everything is refused, and nobody says for how long."""
    provider = Provider(rate=20, seconds=60, kind="bucket", says_when=False, level=1200)
    limit = any_limit(rate=20, burst=10)

    hours = at_provider(provider, limit, 1800, {300: 1e-9, 360: 20})

    assert len(hours.refused) <= 30
    assert hours.served_per_second(900, 1800) >= 0.95 * limit.ceiling


def test_learns_a_rate_that_is_far_below_the_guess():
    provider = Provider(rate=4, seconds=60, kind="window", says_when=False)

    hours = at_provider(provider, any_limit(rate=20, burst=10, published=False), 5400, {})

    assert 0.9 * 4 <= hours.state.rate <= 1.05 * 4
    assert hours.share_refused(1800) < 0.002
