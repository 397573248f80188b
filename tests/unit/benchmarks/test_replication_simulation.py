"""The simulation of replication: what it models must be right, or its figures mean nothing."""

import random

import pytest

from benchmarks import replication_scenarios
from benchmarks.replication_after import Settings
from benchmarks.replication_model import Provider, Tally, Truth, World, entities
from benchmarks.replication_scenarios import (
    NIGHT_SECONDS,
    SCENARIOS,
    Result,
    bound,
    run,
    truth_of,
    work_of,
)
from benchmarks.replication_simulation import COLUMNS, WIDTHS, remark, row
from local.providers.limiter import Call, Limiter
from local.providers.profiles import Limit, Profile, Reply
from replication.rules.batches import EntityWork


def simulated(scenario="steady", design="after", number=300, rate=20.0, workers=64) -> Result:
    return run(design, SCENARIOS[scenario], number, rate, Settings(workers), seed=1)


# --- time


def test_whoever_wakes_first_goes_on_first():
    world, seen = World(), []

    def process(name, pauses):
        for pause in pauses:
            yield world.now + pause
            seen.append((world.now, name))

    world.start(process("slow", [3, 3]))
    world.start(process("fast", [2, 2]))
    world.run()

    assert seen == [(2, "fast"), (3, "slow"), (4, "fast"), (6, "slow")]


def test_a_world_stands_still_at_the_time_until_which_it_runs():
    world, seen = World(), []

    def process():
        yield 1.0
        seen.append(1)
        yield 5.0
        seen.append(5)

    world.start(process())
    world.run(until=2)

    assert seen == [1]


# --- the provider


@pytest.mark.parametrize("rate", [5.0, 12.0, 40.0], ids=["far below", "near", "far above"])
def test_the_modelled_provider_refuses_what_the_simulator_over_http_refuses(rate):
    chance, clock = random.Random(3), [0.0]
    limit = Limit(scope="provider", units=20, seconds=2, per="all", shape="bucket")
    profile = Profile(
        name="any", dialect="webdav", limits=(limit,), replies=(Reply(status=429),),
        existing_folder=None,
    )  # fmt: skip
    simulator = Limiter(profile, lambda: clock[0])
    model = Provider(Truth(rate=10, seconds=2), Tally())

    for _ in range(500):
        clock[0] += chance.expovariate(rate)
        refusal = simulator.charge(Call("upload")).refusal
        wait = model.request("ada", clock[0])

        assert (wait is None) == (refusal is None)
        if refusal is not None:
            assert wait == pytest.approx(refusal.wait, abs=0.1 + 1e-9)  # The next unit, or one.


def test_each_account_has_its_own_quota():
    provider = Provider(Truth(rate=1, seconds=1, per="account"), Tally())

    assert provider.request("ada", 0.0) is None
    assert provider.request("ada", 0.0) is not None
    assert provider.request("bob", 0.0) is None


def test_nothing_is_served_during_a_storm():
    provider = Provider(Truth(rate=10, seconds=2, storm=(60, 120)), Tally())

    assert [provider.request("ada", at) is None for at in (59.0, 60.0, 119.0, 125.0)] == [
        *(True, False, False, True)
    ]


def test_nothing_is_served_until_the_next_day_and_every_refusal_says_when_that_is():
    provider = Provider(Truth(rate=10, seconds=2, day_after=3, night_seconds=100), Tally())

    assert [provider.request("ada", at) for at in (0.0, 1.0, 2.0)] == [None] * 3
    assert [provider.request("ada", at) for at in (3.0, 3.0, 101.0)] == [99.0, 99.0, 1.0]
    assert [provider.request("ada", at) for at in (102.0, 103.0, 104.0, 105.0)] == [None] * 4


# --- the bound


def test_the_bound_is_all_units_at_the_true_rate_less_the_burst():
    work = [EntityWork("ada", f"{n}", "", 20) for n in range(100)]

    assert bound(work, Truth(rate=20, seconds=2)) == 98
    assert bound(work, Truth(rate=20, seconds=2, halved_after=1000)) == 148
    assert bound(work, Truth(rate=20, seconds=2, storm=(40, 100))) == 156
    assert bound(work, Truth(rate=20, seconds=2, day_after=900, night_seconds=1000)) == 1096
    assert bound(work, Truth(rate=20, seconds=2), share=0.5) == 198


def test_where_accounts_have_quotas_the_largest_customers_is_the_bound():
    work = [EntityWork("ada", f"{n}", "", 20) for n in range(100)] + [EntityWork("bob", "0", "", 9)]

    assert bound(work, Truth(rate=20, seconds=2, per="account")) == 98


# --- runs


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_call_is_served_once_whatever_the_provider_does(scenario):
    result = simulated(scenario)
    work = work_of(SCENARIOS[scenario], 300, seed=1)

    assert result.finished
    assert result.tally.done == 300
    assert result.tally.served == sum(entity.calls for entity in work)


def test_with_enough_workers_a_replication_takes_what_the_quota_forces():
    result = simulated(number=2000)

    assert result.wall <= 1.05 * result.bound
    assert result.tally.throttled == 0


def test_the_quota_is_never_exceeded_and_workers_are_no_more_than_are_allowed():
    result = simulated(workers=4, rate=100.0)

    assert result.tally.throttled == 0
    assert max(workers for _, workers in result.workers_by_time) == 4


def test_a_provider_that_halves_its_quota_is_hardly_asked_for_more():
    result = simulated("halved", number=2000)

    assert result.changed_at is not None
    assert result.tally.throttled_share < 0.001
    assert result.wall < 1.06 * result.bound


def test_where_the_quota_of_a_day_is_used_up_nobody_asks_before_the_next_one():
    result = simulated("day", number=2000)
    before, after = result.seconds_of_errors()

    assert 0 < result.throttled_at_night <= result.workers
    assert result.tally.throttled_share < 0.002
    assert result.wall < 1.01 * result.bound
    assert before > 0.9 * NIGHT_SECONDS
    assert abs(after) < 0.03 * result.wall


def test_the_former_design_asks_all_night():
    result = simulated("day", "before", number=40, rate=100.0, workers=4)

    assert result.finished
    assert result.throttled_at_night > 20_000
    assert "requests were refused until the next day" in remark(result)


def test_the_forecast_is_good_from_a_quarter_on():
    result = simulated(number=2000)

    assert [abs(result.forecast_error(part)) < 0.03 for part in (0.25, 0.5, 0.75)] == [True] * 3


def test_the_former_design_needs_many_times_the_bound_with_many_functions():
    before, after = (
        simulated("forgiving", design, number=600, rate=100.0) for design in ("before", "after")
    )

    assert before.finished
    assert before.wall > 5 * after.wall
    assert before.tally.throttled_share > 0.2
    assert before.tally.errors > 0


def test_a_run_of_the_former_design_that_never_ends_is_broken_off(monkeypatch):
    monkeypatch.setattr(replication_scenarios, "BEFORE_THROTTLED", 20_000)

    result = simulated(design="before", number=2000, rate=20.0, workers=512)

    assert not result.finished
    assert "% done" in row(result)[COLUMNS.index("wall")]


def test_the_same_seed_gives_the_same_run():
    assert row(simulated()) == row(simulated())


# --- its input and output


def test_customers_are_as_different_as_they_are_asked_to_be():
    def largest(skew):
        owners = [entity.customer_id for entity in entities(4000, 40, skew, seed=1)]
        return max(owners.count(owner) for owner in set(owners)) / 4000

    assert largest(skew=0) < 0.04
    assert largest(skew=1.6) > 0.4


def test_a_storm_comes_within_the_run():
    work = work_of(SCENARIOS["storm"], 300, seed=1)
    truth = truth_of(SCENARIOS["storm"], work, rate=20)

    assert 0 < truth.storm[0] < bound(work, truth) - 60


def test_a_row_has_a_cell_for_each_column():
    assert len(row(simulated())) == len(COLUMNS) == len(WIDTHS)
