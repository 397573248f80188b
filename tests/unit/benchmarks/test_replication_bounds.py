"""The time that quotas force: nothing can be faster, and what is compared with it is honest."""

import pytest

from benchmarks.replication_bounds import (
    Need,
    bucket,
    halved,
    interrupted,
    of_scenario,
    steady,
    until_tomorrow,
)
from local.providers.limiter import Call, Limiter
from local.providers.profiles import Limit, Profile, Reply

SERVER = Need(units=210, rate=5, of_all=True)
ACCOUNT = Need(units=54, rate=0.5, of_all=False)


def test_what_the_bucket_holds_is_for_nothing():
    assert (bucket(5), bucket(0.5)) == (10, 4)
    assert (SERVER.seconds, ACCOUNT.seconds) == (40, 100)
    assert Need(units=3, rate=0.5, of_all=False).seconds == 0


def test_the_slowest_quota_decides():
    assert steady([SERVER, ACCOUNT]) == 100


@pytest.mark.parametrize("others", [0.0, 0.05])
def test_a_simulator_serves_all_within_the_bound_and_not_before(others):
    need = Need(units=30, rate=0.5, of_all=False, others=others)
    clock = [0.0]
    limit = Limit(scope="account", units=bucket(0.5), seconds=bucket(0.5) / 0.5, shape="bucket")
    profile = Profile(
        name="any", dialect="webdav", limits=(limit,), replies=(Reply(status=429),)
    )  # fmt: skip
    limiter = Limiter(profile, lambda: clock[0])
    due, served = 20.0, 1
    limiter.charge(Call("upload", "ann"))
    while served < 30:
        clock[0] += 0.1
        if others and clock[0] >= due:
            limiter.charge(Call("upload", "ann"))
            due += 1 / others
        # Whoever knows what is left never asks too early.
        if limiter._counts["account", "bucket", "ann"].left(limit, bucket(0.5), clock[0])[0] >= 1:
            assert limiter.charge(Call("upload", "ann")).refusal is None
            served += 1

    assert need.seconds <= clock[0] <= need.seconds + 2


def test_the_bucket_is_full_again_after_a_storm():
    assert interrupted([SERVER], 20) == 58
    assert interrupted([ACCOUNT], 20) == 112
    assert interrupted([ACCOUNT], 5) == 100


def test_what_is_left_half_way_takes_twice_as_long_where_limits_are_halved():
    assert halved([SERVER], after=20) == 60
    assert halved([SERVER], after=50) == 40


def test_what_a_day_does_not_allow_is_for_the_next_one():
    assert until_tomorrow([SERVER, ACCOUNT], left=60, midnight=1000) == 1010
    assert until_tomorrow([ACCOUNT], left=60, midnight=1000) == 1000


def test_a_day_ends_for_one_provider_and_a_storm_is_everywhere():
    needs = {"drive": [SERVER], "dropbox": [ACCOUNT]}

    assert of_scenario("steady", needs) == {"drive": 40, "dropbox": 100}
    assert of_scenario("storm", needs, storm_seconds=20) == {"drive": 58, "dropbox": 112}
    assert of_scenario("halved", needs) == {"drive": 40, "dropbox": 150}
    days = {"drive": (60.0, 190.0)}
    assert of_scenario("day", needs, days=days) == {"drive": 200, "dropbox": 100}


def test_what_others_take_of_a_quota_is_not_there():
    assert Need(units=55, rate=0.5, of_all=False, others=0.1).seconds == 125


def test_what_is_left_tomorrow_costs_units_too():
    needs = {"drive": [Need(units=5000, rate=50, of_all=True, each=50, dearest=100)]}

    assert of_scenario("day", needs, days={"drive": (24, 180.0)}) == {"drive": 180 + 20}
