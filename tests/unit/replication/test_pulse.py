"""How many workers a quota can feed, and when a replication will be finished."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.rules.pulse import (
    FIRST_GUESS,
    Level,
    accounts_decide,
    effective_rate,
    forecast,
    mean_call_seconds,
    seconds_of_worker,
    workers_wanted,
)

RATES = st.floats(0.001, 10_000)
SECONDS = st.floats(0.001, 60)


# --- workers


@pytest.mark.parametrize(
    ("rate", "seconds", "wanted"),
    [(20, 0.2, 4), (20, 0.21, 5), (0.1, 0.2, 1), (1000, 0.3, 64), (0, 0.2, 0), (math.inf, 0.2, 64)],
    ids=["exact", "begun", "slow", "more than allowed", "no quota", "no limit"],
)
def test_there_are_as_many_workers_as_the_rate_keeps_busy(rate, seconds, wanted):
    assert workers_wanted(rate, seconds, most=64) == wanted


@given(RATES, SECONDS, st.integers(1, 512))
def test_there_is_never_a_worker_more_than_the_rate_keeps_busy(rate, seconds, most):
    wanted = workers_wanted(rate, seconds, most)

    assert 1 <= wanted <= most
    assert wanted == 1 or wanted - 1 < rate * seconds


def test_accounts_that_let_their_workers_wait_get_one_each():
    accounts = Level([0.485] * 40)

    seconds = seconds_of_worker([accounts], mean_call_seconds=0.3)

    assert workers_wanted(effective_rate([accounts]), seconds, most=64) == 40


def test_accounts_do_not_get_more_workers_than_all_of_them_may_use():
    """Each call costs 50 units; all accounts together are allowed 5 calls, each of them 1."""
    levels = [Level([50] * 40, 50), Level([250], 50)]

    seconds = seconds_of_worker(levels, mean_call_seconds=0.3)

    assert seconds == 1
    assert workers_wanted(effective_rate(levels), seconds, most=64) == 5


@pytest.mark.parametrize("level", [Level([20, 20]), Level([20, 20], 0), Level([], 1), Level([0])])
def test_where_accounts_are_quick_or_nothing_is_limited_calls_are_what_takes_time(level):
    assert seconds_of_worker([level], mean_call_seconds=0.3) == 0.3


@pytest.mark.parametrize(
    ("levels", "decide"),
    [
        ([Level([10] * 40)], True),
        ([Level([10])], False),
        ([Level([10] * 40), Level([100])], False),
        ([Level([10] * 40), Level([100], 0)], True),
        ([Level([10] * 40, 0.5), Level([20] * 40)], True),
        ([], False),
    ],
    ids=["accounts", "one", "all together", "nothing shared", "two levels", "no limit"],
)
def test_accounts_decide_where_nothing_shared_does(levels, decide):
    assert accounts_decide(levels) is decide


# --- seconds of a call


def test_before_an_entity_has_ended_the_seconds_of_a_call_are_guessed():
    assert mean_call_seconds(0, 0.0, calls_per_batch=math.inf, pulse_seconds=5) == FIRST_GUESS


def test_the_guess_is_forgotten_with_what_is_known():
    seconds = [
        mean_call_seconds(calls, calls * 0.1, calls_per_batch=math.inf, pulse_seconds=5)
        for calls in (0, 100, 10_000)
    ]

    assert seconds[1] == pytest.approx((FIRST_GUESS + 0.1) / 2)
    assert seconds[2] == pytest.approx(0.1, rel=0.05)


def test_each_batch_leaves_a_pulse_until_the_next_one_is_started():
    large, small = (
        mean_call_seconds(10_000, 1_000.0, calls_per_batch=calls, pulse_seconds=5)
        for calls in (500, 20)
    )

    assert small - large == pytest.approx(5 / 20 - 5 / 500)


def test_a_batch_without_an_estimate_has_a_call():
    assert mean_call_seconds(0, 0.0, calls_per_batch=0, pulse_seconds=5) == FIRST_GUESS + 5


# --- the rate


def test_the_level_that_allows_the_least_decides():
    servers = Level([25, 25, 50])
    accounts = Level([10] * 4)

    assert effective_rate([servers, accounts]) == 40


def test_a_level_allows_fewer_calls_when_each_costs_more_units():
    assert effective_rate([Level([20], units_per_call=2)]) == 10


def test_a_level_on_which_no_call_counts_limits_nothing():
    assert effective_rate([Level([20], units_per_call=0)]) == math.inf
    assert effective_rate([]) == math.inf


def test_where_no_scope_has_work_there_is_no_rate():
    assert effective_rate([Level([])]) == 0


# --- the forecast


@pytest.mark.parametrize(
    ("values", "finish"),
    [
        ({}, 1_100),
        ({"cooldown_until": 1_060}, 1_160),
        ({"cooldown_until": 900}, 1_100),
        ({"workers": 2}, 1_200),
        ({"slowest_scope_seconds": 300}, 1_300),
        ({"slowest_scope_seconds": 30}, 1_100),
        ({"rate": math.inf, "workers": 8}, 1_050),
        ({"calls_left": 0, "cooldown_until": 1_060}, 1_000),
    ],
    ids=[
        *("quota", "cooldown", "cooldown over", "workers", "slow scope", "no slow scope"),
        *("no limit", "nothing left"),
    ],
)
def test_the_slowest_decides_when_a_replication_is_finished(values, finish):
    ordinary = {
        "now": 1_000,
        "calls_left": 2_000,
        "rate": 20,
        "cooldown_until": 0,
        "workers": 64,
        "seconds": 0.2,
    }

    assert forecast(**ordinary | values) == pytest.approx(finish)


@pytest.mark.parametrize("values", [{"rate": 0, "workers": 8}, {"rate": 20, "workers": 0}])
def test_nobody_knows_the_finish_without_quota_or_workers(values):
    assert forecast(0, 100, cooldown_until=0, seconds=0.2, **values) is None
