"""A step's meter, in virtual time, on the governor and its table."""

import json
import math
from importlib import import_module

import pytest

from replication.rules.quota import Limit
from replication.storage.interface import Meter, Pause, Throttled
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with
from tests.unit.aws_requests import counted

NOW = 1_767_225_600.0
RATE = 9.7


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def module(cloud, step):
    step("replication.create_folders")
    return import_module("replication.meter")


class Time:
    """Nobody sleeps: time goes on at once. `slept` are the seconds."""

    def __init__(self):
        self.now, self.slept = NOW, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def requests(monkeypatch):
    return counted(monkeypatch)


def any_limit(**changes):
    return Limit(**({"scope": "server", "rate": 10, "burst": 5, "published": True} | changes))


IDS = {"server": "cloud.example.com", "account": "1003"}


@pytest.fixture
def governor_of(module, time):
    governor = import_module("replication.governor")

    def make(*limits):
        scopes = governor.scopes_of(limits or (any_limit(),), IDS)
        return governor.Governor("webdav", scopes, time)

    return make


@pytest.fixture
def meter_of(module, governor_of, time):
    def make(*limits, budget=240.0, **given):
        return module.GovernedMeter(
            governor_of(*limits),
            deadline=time.now + budget,
            clock=time,
            sleep=time.sleep,
            **given,
        )

    return make


def call(meter, time, operation="upload", seconds=0.2):
    """Make a call that takes some seconds; when it went."""
    meter.spend(operation)
    began = time.now
    time.now += seconds
    return began


def book(governor, seconds):
    """Others stand in line for as long."""
    governor.take("upload", math.ceil(seconds * RATE))


# --- the pace


def test_is_what_a_storage_client_needs(meter_of):
    def pays(meter: Meter) -> None:
        meter.advise(remaining=600, reset_seconds=60)
        meter.spend("find")

    meter = meter_of()
    pays(meter)

    assert meter.tally()["find_calls"] == 1


def test_calls_keep_the_pace_of_the_quota(meter_of, time):
    meter = meter_of()
    meter.expect("upload", 100)

    went = [call(meter, time, seconds=0.01) for _ in range(100)]

    assert len(went) <= RATE * (went[-1] - went[0]) + 5 + 1
    assert went[-1] - went[0] == pytest.approx(95 / RATE, rel=0.1)
    assert max(time.slept) <= 2


def test_calls_that_take_longer_than_their_pace_are_not_put_off(meter_of, time):
    meter = meter_of()
    meter.expect("upload", 20)

    went = [call(meter, time, seconds=0.5) for _ in range(20)]

    assert went[-1] - went[0] == pytest.approx(19 * 0.5)
    assert time.slept == []


def test_so_many_calls_are_granted_as_are_made_in_two_seconds(meter_of, time, requests):
    meter = meter_of()
    meter.expect("upload", 300)
    for _ in range(100):
        call(meter, time, seconds=0.25)
    requests.clear()

    for _ in range(80):
        call(meter, time, seconds=0.25)

    writes = requests["PutItem"] + requests["UpdateItem"]
    assert 10 <= writes <= 12  # Eight calls each, and a window is over every ten seconds.
    assert requests["GetItem"] <= 22  # One before a grant, one in the course of it.


@pytest.mark.parametrize(("expected", "granted"), [(0, 1), (1, 1), (3, 3), (500, 7)])
def test_no_more_is_granted_than_is_to_come(meter_of, time, expected, granted):
    meter = meter_of()
    meter.expect("upload", expected)

    call(meter, time)

    assert meter.tally()["granted"] == granted


def test_no_more_is_granted_than_the_quota_allows_in_a_second(meter_of, governor_of, time):
    meter = meter_of(any_limit(rate=3))
    meter.expect("upload", 500)

    call(meter, time)

    assert meter.tally()["granted"] == 3


def test_calls_of_one_price_share_what_is_granted(meter_of, time, requests):
    meter = meter_of()
    meter.expect("upload", 3)
    meter.expect("find", 3)

    for operation in ("find", "upload", "find", "upload", "find", "upload"):
        call(meter, time, operation, seconds=0.01)

    assert requests["PutItem"] + requests["UpdateItem"] == 1
    assert meter.tally()["granted"] == 6


def test_calls_of_other_prices_are_granted_by_themselves(meter_of, time):
    governor = any_limit(costs={"find": 0.5})
    meter = meter_of(governor)
    meter.expect("upload", 2)
    meter.expect("find", 2)

    for operation in ("find", "upload", "find", "upload"):
        call(meter, time, operation, seconds=0.01)

    assert meter.tally()["granted"] == 4


def test_what_nobody_limits_goes_at_once(meter_of, time, requests):
    meter = meter_of(any_limit(costs={"find": 0}))

    went = [call(meter, time, "find", seconds=0) for _ in range(50)]

    assert went == [NOW] * 50
    assert requests["PutItem"] + requests["UpdateItem"] == 0


# --- waits, and what is carried


def test_a_short_wait_is_slept(meter_of, governor_of, time):
    book(governor_of(), 1.5)
    meter = meter_of()

    assert call(meter, time) == pytest.approx(NOW + 1.5, abs=0.5)
    assert meter.tally()["waited_ms"] == round(1000 * sum(time.slept)) > 0


def test_a_longer_wait_is_the_machines_and_the_calls_wait_for_whoever_comes_back(
    meter_of, governor_of, time, requests
):
    book(governor_of(), 30)
    meter = meter_of()
    meter.expect("upload", 5)
    with pytest.raises(Pause) as paused:
        meter.spend("upload")
    carried = json.loads(json.dumps(meter.carried()))
    meter.close()
    book(governor_of(), 600)  # Others stand in line behind it.

    time.now = paused.value.not_before + 0.4
    again = meter_of(carried=carried)
    again.expect("upload", 5)
    requests.clear()
    went = [call(again, time, seconds=0.01) for _ in range(5)]

    assert time.slept == pytest.approx([], abs=0.2)
    assert paused.value.not_before == pytest.approx(NOW + 30, abs=0.6)
    assert went[-1] - went[0] < 1
    assert again.tally().get("granted", 0) == 0
    assert requests == {"GetItem": 1}


def test_whoever_comes_back_late_makes_one_call_and_asks_for_the_others_again(
    meter_of, governor_of, time
):
    book(governor_of(), 30)
    meter = meter_of()
    meter.expect("upload", 5)
    with pytest.raises(Pause) as paused:
        meter.spend("upload")
    carried = meter.carried()
    book(governor_of(), 600)

    time.now = paused.value.not_before + 6
    again = meter_of(carried=carried)
    again.expect("upload", 5)
    assert call(again, time) == paused.value.not_before + 6
    with pytest.raises(Pause) as later:
        call(again, time)

    assert later.value.not_before > time.now + 500


def test_what_was_carried_for_too_long_is_lost(meter_of, governor_of, time):
    meter = meter_of()
    meter.expect("upload", 5)
    call(meter, time)
    carried = meter.carried()

    time.now += 61
    again = meter_of(carried=carried)
    call(again, time)

    assert again.tally()["granted"] == 1


def test_what_was_carried_and_cut_meanwhile_is_asked_for_again(meter_of, governor_of, time):
    book(governor_of(), 30)
    meter = meter_of()
    with pytest.raises(Pause) as paused:
        meter.spend("upload")
    carried = meter.carried()
    time.now += 20
    governor_of().report_throttle(None, time.now, 60)

    time.now = paused.value.not_before
    again = meter_of(carried=carried)
    with pytest.raises(Pause) as later:
        again.spend("upload")

    assert later.value.not_before == NOW + 80


@pytest.mark.parametrize("carried", [None, [], [{"calls": 3}], [{"operation": "upload"}]])
def test_what_another_version_of_this_has_carried_is_left_alone(meter_of, time, carried):
    assert call(meter_of(carried=carried), time) == NOW


def test_what_was_carried_for_other_scopes_is_left_alone(meter_of, time):
    meter = meter_of()
    meter.expect("upload", 5)
    call(meter, time)

    again = meter_of(any_limit(scope="account"), carried=meter.carried())
    call(again, time)

    assert again.tally()["granted"] == 1


def test_what_is_carried_is_in_one_hand_only(meter_of, governor_of, time, requests):
    meter = meter_of()
    meter.expect("upload", 5)
    call(meter, time)

    assert [hand["left"] for hand in meter.carried()] == [4]
    assert meter.carried() == []
    requests.clear()
    meter.close()
    assert requests == {}


def test_what_is_in_hand_at_the_end_is_given_back(meter_of, governor_of, time):
    meter = meter_of()
    meter.expect("upload", 5)
    call(meter, time, seconds=0)

    meter.close()

    leave = governor_of().take("upload", 5)
    assert leave.not_before == NOW
    [state] = import_module("replication.governor").read_quotas("webdav").values()
    assert state.granted == 6


def test_all_get_on_who_come_back_late_by_a_second(meter_of, time):
    """Thirty steps where six would do: each is put off, and none for ever."""
    steps = [{"at": NOW, "carried": None, "left": 12, "pauses": 0} for _ in range(30)]
    while waiting := [one for one in steps if one["left"]]:
        step = min(waiting, key=lambda one: one["at"])
        time.now = max(time.now, step["at"])
        meter = meter_of(carried=step["carried"])
        meter.expect("upload", step["left"])
        try:
            while step["left"]:
                call(meter, time, seconds=0)
                step["left"] -= 1
        except Pause as pause:
            step["at"], step["pauses"] = math.ceil(pause.not_before) + 1, step["pauses"] + 1
        step["carried"] = meter.carried()

    assert time.now - NOW <= 360 / RATE + 5
    assert max(step["pauses"] for step in steps) <= 6


# --- the step's time


def test_when_the_time_is_up_the_step_goes_on_at_once(meter_of, time):
    meter = meter_of(budget=1.0)
    call(meter, time, seconds=1.0)

    with pytest.raises(Pause) as paused:
        meter.spend("upload")

    assert paused.value.not_before is None


def test_nobody_sleeps_beyond_the_steps_time(meter_of, governor_of, time):
    book(governor_of(), 2)
    meter = meter_of(budget=1.0)

    with pytest.raises(Pause) as paused:
        meter.spend("upload")

    assert paused.value.not_before == pytest.approx(NOW + 1.6, abs=0.2)
    assert time.slept == []


# --- refusals


def test_a_refusal_is_reported_and_the_call_waits_for_its_turn(meter_of, governor_of, time):
    meter = meter_of()
    meter.expect("upload", 5)
    call(meter, time, seconds=0.1)

    meter.throttled(Throttled("TooMany"))

    assert time.now == pytest.approx(NOW + 2.1)
    assert call(meter, time) == time.now - 0.2
    tally = meter.tally()
    assert (tally["throttled"], tally["calls"], tally["waited_ms"]) == (1, 2, 2000)


def test_where_a_refusal_asks_for_long_the_machine_waits_and_the_place_is_kept(meter_of, time):
    meter = meter_of()
    call(meter, time, seconds=0.1)

    with pytest.raises(Pause) as paused:
        meter.throttled(Throttled("TooMany", 30))

    assert paused.value.not_before == pytest.approx(NOW + 30.1)
    assert [hand["next_at"] for hand in meter.carried()] == pytest.approx([NOW + 30.1])


def test_a_refusal_of_a_call_that_was_begun_before_the_cut_is_no_second_cut(
    meter_of, governor_of, time
):
    meter = meter_of()
    call(meter, time, seconds=15.0)  # A large document.
    governor_of().report_throttle(None, NOW + 1, None)

    time.now += 10  # The cooldown is over.
    meter.throttled(Throttled("TooMany"))

    [state] = import_module("replication.governor").read_quotas("webdav").values()
    assert (state.cuts, state.throttled) == (1, 2)


def test_a_call_that_was_refused_is_still_to_come(meter_of, time):
    meter = meter_of()
    meter.expect("upload", 5)
    call(meter, time, seconds=0.1)
    meter.throttled(Throttled("TooMany"))

    call(meter, time)  # The scout.
    call(meter, time)

    assert [hand["left"] for hand in meter.carried()] == [3]


def test_all_obey_within_two_seconds_of_anothers_refusal(meter_of, module, governor_of, time):
    meter = meter_of(any_limit(rate=50))
    meter.expect("upload", 500)
    went = [call(meter, time, seconds=0.1) for _ in range(30)]
    refused_at = time.now  # Twenty calls were granted just before, and take longer from now on.
    known = import_module("replication.governor")._known
    own = dict(known)  # The refusal comes to another process.
    known.clear()
    governor_of(any_limit(rate=50)).report_throttle(None, refused_at, 60)
    known.clear()
    known.update(own)

    def go_on():
        while True:
            went.append(call(meter, time, seconds=0.4))

    with pytest.raises(Pause) as paused:
        go_on()

    assert max(went) <= refused_at + 2.0
    assert paused.value.not_before >= refused_at + 60


def test_a_refusal_says_nothing_of_how_long_calls_take(meter_of, time):
    meter = meter_of(any_limit(rate=1000, burst=500))
    meter.expect("upload", 500)
    call(meter, time, seconds=0.001)
    meter.throttled(Throttled("TooMany"))
    for _ in range(2):  # The scout, and whoever follows.
        call(meter, time, seconds=0.2)
    granted = meter.tally()["granted"]

    assert granted <= 7 + 1 + 10


def test_a_throttle_holds_up_the_level_that_the_provider_has_named(meter_of, governor_of, time):
    limits = any_limit(scope="server"), any_limit(scope="account")
    meter = meter_of(*limits)
    call(meter, time)

    with pytest.raises(Pause):
        meter.throttled(Throttled("any", 60, level="server"))

    assert governor_of(limits[0]).take("upload", 1).not_before >= NOW + 60
    assert governor_of(limits[1]).take("upload", 1).not_before < NOW + 60


def test_a_throttle_that_cannot_be_reported_is_the_machines_to_try_again(meter_of, time, intercept):
    meter = meter_of()
    call(meter, time)
    intercept("PutItem", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match="ThrottlingException"):
        meter.throttled(Throttled("TooMany"))


def test_what_the_provider_says_of_its_quota_is_heeded(meter_of, time):
    meter = meter_of()
    call(meter, time)
    meter.advise(remaining=0, reset_seconds=40)

    with pytest.raises(Pause) as paused:
        meter.spend("upload")

    assert paused.value.not_before == pytest.approx(NOW + 40.2)


# --- one writer


def dropbox(**changes):
    return any_limit(scope="account", rate=100, one_writer=True, **changes)


@pytest.fixture
def leases(module):
    return import_module("replication.leases")


def test_only_one_writes_at_a_time_and_the_other_waits_until_the_lease_ends(meter_of, time):
    ada = meter_of(dropbox(), holder="ada")
    bob = meter_of(dropbox(), holder="bob")
    call(ada, time, "create_folder")

    with pytest.raises(Pause) as paused:
        bob.spend("upload")
    assert paused.value.not_before == NOW + 60
    call(bob, time, "find")  # To read needs no lease.

    ada.close()
    call(bob, time, "upload")


def test_a_writer_that_works_for_long_renews_its_lease(meter_of, time, leases):
    ada = meter_of(dropbox(), holder="ada")
    for _ in range(100):
        call(ada, time, seconds=1.0)

    assert leases.ends_at("webdav", "account#1003") > time.now + 29
    assert leases.acquire("webdav", "account#1003", "bob", 60, time.now) is None


def test_a_writer_whose_lease_was_taken_over_writes_no_more(meter_of, time, leases):
    ada = meter_of(dropbox(), holder="ada")
    call(ada, time)
    time.now += 70  # The process was stopped.
    leases.acquire("webdav", "account#1003", "bob", 60, time.now)

    with pytest.raises(Pause):
        ada.spend("upload")
    ada.close()
    assert leases.ends_at("webdav", "account#1003") == time.now + 60


def test_a_step_that_goes_on_later_keeps_nobody_out(meter_of, time, leases):
    ada = meter_of(dropbox(), holder="ada")
    call(ada, time)

    ada.release()

    assert leases.ends_at("webdav", "account#1003") is None


def test_where_anybody_may_write_there_are_no_leases(meter_of, time, leases):
    call(meter_of(any_limit(scope="account")), time)

    assert leases.ends_at("webdav", "account#1003") is None


def test_a_writer_has_a_name(meter_of):
    with pytest.raises(ValueError, match="name"):
        meter_of(dropbox())


# --- the tally


def test_tells_what_the_step_has_used(meter_of, time):
    meter = meter_of()
    meter.expect("create_folder", 3)
    for _ in range(3):
        call(meter, time, "create_folder", seconds=0.25)
    call(meter, time, "find", seconds=0.5)

    assert json.loads(json.dumps(meter.tally())) == {
        "create_folder_calls": 3,
        "find_calls": 1,
        "calls": 4,
        "granted": 4,
        "call_ms": 1250,
    }
