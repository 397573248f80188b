"""Grants from DynamoDB: what a grant costs, and what neither many at once nor failures undo."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from botocore.client import BaseClient

from replication.rules.quota import Limit
from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises, reply_is_lost
from tests.unit.aws_requests import counted

NOW = 1_767_225_600.0


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def module(cloud, step):
    step("replication.create_folders")
    return import_module("replication.governor")


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def requests(monkeypatch):
    return counted(monkeypatch)


def any_limit(**changes):
    return Limit(**({"scope": "server", "rate": 10, "burst": 5, "published": True} | changes))


IDS = {"provider": "all", "server": "cloud.example.com", "account": "1003", "uploads": "1003"}


def governor_of(module, clock, *limits):
    return module.Governor("webdav", module.scopes_of(limits or (any_limit(),), IDS), clock)


def elsewhere(module, action):
    """Let another process do something, which remembers other things."""
    own = dict(module._known)
    module._known.clear()
    result = action()
    module._known.clear()
    module._known.update(own)
    return result


@pytest.fixture
def governor(module, clock):
    return governor_of(module, clock)


def stored(module, key="server#cloud.example.com"):
    return module.read_quotas("webdav")[key]


# --- grants


def test_the_first_grant_makes_the_scope_and_the_next_ones_stand_in_line(module, governor):
    first = governor.take("upload", 10)
    second = governor.take("find", 10)

    rate = 9.7
    assert (first.calls, first.not_before) == (10, NOW)
    assert first.interval == pytest.approx(1 / rate)
    assert second.not_before == pytest.approx(NOW + (10 - 4) / rate, abs=1e-5)
    assert stored(module).granted == 20
    assert stored(module).tat == pytest.approx(NOW + 20 / rate, abs=1e-5)


def test_a_grant_behind_others_is_one_write_and_no_read(module, clock, governor, requests):
    governor.take("upload", 10)
    elsewhere(module, lambda: governor.take("upload", 30))
    requests.clear()

    grants = [governor.take("upload", 10) for _ in range(5)]

    assert requests == {"UpdateItem": 5}
    assert [round((one.not_before - NOW) * 9.7) for one in grants] == [36, 46, 56, 66, 76]


def test_a_process_that_knows_nothing_reads_once(module, governor, requests):
    governor.take("upload", 10)
    module._known.clear()
    requests.clear()

    governor.take("upload", 10)

    assert requests == {"GetItem": 1, "UpdateItem": 1}


def test_a_grant_when_nothing_is_booked_is_a_read_and_a_write(governor, clock, requests):
    governor.take("upload", 1)
    clock.now += 5
    requests.clear()

    grant = governor.take("upload", 1)

    assert grant.not_before == NOW + 5
    assert requests == {"GetItem": 1, "UpdateItem": 1}


def test_what_was_booked_meanwhile_by_others_is_not_booked_twice(module, governor, clock, requests):
    """One believes that nothing is booked any more, the other that there still is."""
    rate = governor.take("upload", 10).interval ** -1
    clock.now += 5
    governor.look()
    elsewhere(module, lambda: governor.take("upload", 30))
    requests.clear()

    behind = governor.take("upload", 10)
    clock.now += 60
    first = governor.take("upload", 10)

    assert behind.not_before == pytest.approx(NOW + 5 + (30 - 4) / rate, abs=0.01)
    assert first.not_before == NOW + 65
    assert stored(module).granted == 60


def test_a_day_of_grants_is_hardly_more_than_a_write_each(module, governor, clock, requests):
    for _ in range(500):
        before = clock.now
        grant = governor.take("upload", 10)
        clock.now = max(clock.now + 0.9, grant.not_before - 0.5)
        assert clock.now > before

    writes = requests["UpdateItem"] + requests["PutItem"]
    assert writes <= 1.05 * 500
    assert requests["GetItem"] <= 0.25 * 500


def test_who_does_not_know_of_a_cut_goes_on_with_the_item_that_comes_back(
    module, governor, clock, requests
):
    grant = governor.take("upload", 30)
    elsewhere(module, lambda: governor.report_throttle(grant, NOW, None))
    requests.clear()

    late = governor.take("upload", 10)

    assert late.not_before == NOW + 2
    assert late.calls == 1  # It is the scout.
    assert requests == {"UpdateItem": 1, "PutItem": 1, "refused": 1}


def test_two_that_make_the_scope_at_once_are_granted_one_after_the_other(
    module, governor, intercept
):
    other = []
    intercept("PutItem", before=lambda: other.append(governor.take("upload", 10)))

    own = governor.take("upload", 10)

    assert other[0].not_before == NOW
    assert own.not_before == pytest.approx(NOW + 6 / 9.7, abs=1e-5)
    assert stored(module).granted == 20


def test_where_no_item_comes_back_it_is_read(module, governor, clock, monkeypatch):
    governor.take("upload", 10)
    elsewhere(module, lambda: governor.report_throttle(None, NOW, None))
    real = module._attempt
    monkeypatch.setattr(module, "_attempt", lambda write: (real(write)[0], None))

    assert governor.take("upload", 10).not_before == NOW + 2


def test_a_new_window_is_begun_by_one(module, governor, clock, requests):
    governor.take("upload", 200)
    clock.now += 10
    elsewhere(module, lambda: governor.take("upload", 5))
    requests.clear()

    governor.take("upload", 5)

    assert requests == {"GetItem": 1, "UpdateItem": 1}
    assert stored(module).window_began == NOW + 10


def test_other_providers_and_other_servers_have_quotas_of_their_own(module, clock, governor):
    governor.take("upload", 100)
    scopes = module.scopes_of([any_limit()], IDS | {"server": "files.example.org"})

    assert module.Governor("webdav", scopes, clock).take("upload", 1).not_before == NOW
    assert module.Governor("s3", scopes, clock).take("upload", 1).not_before == NOW
    assert module.read_quotas("webdav").keys() == {
        "server#cloud.example.com",
        "server#files.example.org",
    }


def test_leases_are_no_quotas(module, governor):
    governor.take("upload", 1)
    import_module("replication.leases").acquire("webdav", "server#any", "ada", 60, NOW)

    assert module.read_quotas("webdav").keys() == {"server#cloud.example.com"}


def test_a_state_of_a_newer_version_of_the_code_is_understood(module, cloud, governor):
    governor.take("upload", 10)
    item = cloud.dynamodb.scan(TableName=cloud.name("QuotasTable"))["Items"][0]
    item["state"]["S"] = item["state"]["S"].replace("{", '{"invented_later":true,', 1)
    cloud.dynamodb.put_item(TableName=cloud.name("QuotasTable"), Item=item)

    grants = [governor.take("upload", 10), governor.take("upload", 10)]

    assert [round((one.not_before - NOW) * 9.7) for one in grants] == [6, 16]


# --- several scopes


BOX = (any_limit(scope="account", rate=16), any_limit(scope="uploads", rate=4, costs={"find": 0}))


def test_all_scopes_are_booked_and_the_slowest_says_when(module, clock):
    governor = governor_of(module, clock, *BOX)

    governor.take("upload", 10)
    second = governor.take("upload", 10)

    account, uploads = 16 * 0.97, 4 * 0.97
    assert second.not_before == pytest.approx(NOW + 6 / uploads, abs=1e-5)
    assert second.interval == pytest.approx(1 / uploads)
    assert second.tightest == "uploads#1003"
    assert stored(module, "account#1003").tat == pytest.approx(NOW + 20 / account, abs=1e-5)
    assert stored(module, "uploads#1003").granted == 20


def test_a_scope_in_which_a_call_costs_nothing_is_left_out(module, clock):
    governor = governor_of(module, clock, *BOX)

    grant = governor.take("find", 10)

    assert grant.grants.keys() == {"account#1003"}
    assert module.read_quotas("webdav").keys() == {"account#1003"}


def test_what_costs_nothing_anywhere_asks_nobody(module, clock, requests):
    governor = governor_of(module, clock, any_limit(costs={"find": 0}))

    grant = governor.take("find", 7)

    assert (grant.calls, grant.not_before, grant.interval) == (7, NOW, 0)
    assert governor.holds(grant, NOW)
    assert requests == {}


def test_a_call_that_costs_more_books_more(module, clock):
    governor = governor_of(module, clock, any_limit(costs={"upload": 2}))

    grant = governor.take("upload", 5)

    assert (grant.calls, grant.interval) == (5, pytest.approx(2 / 9.7))
    assert stored(module).granted == 10


def test_all_scopes_are_booked_or_none(module, clock, intercept):
    governor = governor_of(module, clock, *BOX)
    governor.take("upload", 10)
    intercept("TransactWriteItems", before=lambda: elsewhere(module, lambda: find(10)))

    def find(calls):
        return governor_of(module, clock, *BOX).take("find", calls)

    grant = governor.take("upload", 10)

    assert stored(module, "account#1003").granted == 30
    assert stored(module, "uploads#1003").granted == 20
    assert grant.not_before == pytest.approx(NOW + 6 / (4 * 0.97), abs=1e-5)


def test_a_transaction_that_meets_another_one_is_tried_again(module, clock, intercept):
    governor = governor_of(module, clock, *BOX)
    cancelled = aws_error("TransactionCanceledException")
    cancelled.response["CancellationReasons"] = [{"Code": "TransactionConflict"}, {"Code": "None"}]
    intercept("TransactWriteItems", before=raises(cancelled))

    assert governor.take("upload", 10).calls == 10
    assert stored(module, "uploads#1003").granted == 10


def test_the_scout_of_one_scope_goes_alone_in_all(module, clock):
    governor = governor_of(module, clock, *BOX)
    grant = governor.take("upload", 10)
    governor.report_throttle(grant, NOW, None)

    assert governor.take("upload", 10).calls == 1
    assert stored(module, "account#1003").granted == 11


def test_the_scope_that_a_call_waited_for_is_the_one_that_is_cut(module, clock):
    governor = governor_of(module, clock, *BOX)
    governor.take("upload", 10)

    governor.report_throttle(governor.take("upload", 10), NOW, None)
    assert (stored(module, "account#1003").cuts, stored(module, "uploads#1003").cuts) == (0, 1)

    governor.take("find", 500)
    governor.report_throttle(governor.take("upload", 1), NOW + 10, None)
    assert (stored(module, "account#1003").cuts, stored(module, "uploads#1003").cuts) == (1, 1)


def test_where_a_call_waited_for_none_it_is_the_narrowest(module, clock):
    governor = governor_of(module, clock, *BOX)

    governor.report_throttle(governor.take("upload", 1), NOW, None)

    assert (stored(module, "account#1003").cuts, stored(module, "uploads#1003").cuts) == (0, 1)


# --- what is reported


def test_a_throttle_says_until_when_nothing_may_go(module, governor, clock):
    grant = governor.take("upload", 10)
    clock.now += 1

    assert governor.report_throttle(grant, NOW + 0.9, 30) == NOW + 31
    assert stored(module).rate == pytest.approx(0.6 * 9.7)


def test_others_know_of_a_cut_when_they_look(module, governor, clock):
    grant = governor.take("upload", 10)
    elsewhere(module, lambda: governor.report_throttle(grant, NOW, None))

    assert governor.holds(grant, NOW + 10)
    governor.look()
    assert not governor.holds(grant, NOW + 10)


def test_headers_are_written_only_where_they_change_something(module, governor, requests):
    governor.take("upload", 10)
    requests.clear()

    governor.report_headers(remaining=600, reset_seconds=60)
    assert requests == {}

    governor.report_headers(remaining=60, reset_seconds=60)
    assert stored(module).rate == pytest.approx(0.97)


@pytest.mark.parametrize(
    ("level", "cut"),
    [("account", "account#1003"), ("provider", "provider#all"), ("tenant", "account#1003")],
)
def test_a_throttle_cuts_the_level_whose_quota_it_was(module, clock, level, cut):
    limits = any_limit(scope="provider"), any_limit(scope="account")
    governor = governor_of(module, clock, *limits)
    grant = governor.take("upload", 1)

    governor.report_throttle(grant, NOW, 60, level)

    quotas = module.read_quotas("webdav")
    assert {key: quota.cuts for key, quota in quotas.items() if quota.cuts} == {cut: 1}


def test_a_skew_of_less_than_a_cooldown_makes_no_second_cut(module, clock):
    ahead = Clock()
    ahead.now = NOW + 1.9
    own, other = governor_of(module, clock), governor_of(module, ahead)
    grant = own.take("upload", 10)

    own.report_throttle(grant, NOW, None)
    other.report_throttle(grant, ahead.now, None)

    assert (stored(module).cuts, stored(module).throttled) == (1, 2)


# --- what is given back


def test_what_is_given_back_at_once_is_another_ones(module, governor, requests):
    governor.take("upload", 10)
    grant = governor.take("upload", 10)
    requests.clear()

    governor.give_back(grant, "upload", 8)

    assert requests == {"PutItem": 1}
    assert stored(module).granted == 12
    assert governor.take("upload", 1).not_before == pytest.approx(NOW + 8 / 9.7, abs=1e-5)


def test_what_others_stand_behind_is_not_given_back(module, governor, requests):
    grant = governor.take("upload", 10)
    governor.take("upload", 10)
    requests.clear()

    governor.give_back(grant, "upload", 8)

    assert requests == {}


def test_what_others_stand_behind_that_this_process_knows_nothing_of_is_not_given_back_either(
    module, governor
):
    grant = governor.take("upload", 10)
    elsewhere(module, lambda: governor.take("upload", 10))

    governor.give_back(grant, "upload", 8)

    assert stored(module).tat == pytest.approx(NOW + 20 / 9.7, abs=1e-5)


# --- failures


def test_a_grant_whose_reply_is_lost_is_nobodys(module, governor, intercept):
    governor.take("upload", 10)
    intercept("UpdateItem", after=reply_is_lost)

    with pytest.raises(TransientError, match="ConnectionClosedError"):
        governor.take("upload", 10)

    again = governor.take("upload", 10)
    assert again.not_before == pytest.approx(NOW + (20 - 4) / 9.7, abs=1e-5)
    assert stored(module).granted == 30


def test_a_reply_that_is_lost_when_the_scope_is_made_gives_nothing_twice(
    module, governor, intercept
):
    intercept("PutItem", after=reply_is_lost)

    with pytest.raises(TransientError, match="ConnectionClosedError"):
        governor.take("upload", 10)

    assert governor.take("upload", 10).not_before == pytest.approx(NOW + 6 / 9.7, abs=1e-5)


@pytest.mark.parametrize("operation", ["GetItem", "PutItem"])
def test_a_throttled_table_grants_nothing(module, governor, intercept, operation):
    intercept(operation, before=fails_with("ProvisionedThroughputExceededException"))

    with pytest.raises(TransientError, match="ProvisionedThroughputExceeded"):
        governor.take("upload", 10)

    assert governor.take("upload", 10).not_before == NOW


@pytest.mark.parametrize("limits", [(any_limit(),), BOX])
def test_whoever_is_always_late_gives_up(module, clock, limits, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr(module, "_attempt", lambda write: (False, None))
    monkeypatch.setattr(module, "refused", lambda parts: [0])

    with pytest.raises(TransientError, match="QuotaContended"):
        governor_of(module, clock, *limits).take("upload", 10)

    assert 20 <= len(waits) <= 30
    assert max(waits) <= 0.2


def test_an_error_that_does_not_pass_is_raised_as_it_is(governor, intercept):
    intercept("PutItem", before=fails_with("AccessDeniedException"))

    with pytest.raises(Exception, match="AccessDenied") as raised:
        governor.take("upload", 10)

    assert not isinstance(raised.value, TransientError)


# --- many at once


class OfEachThread(threading.local):
    """What a process knows, with a thread in place of each process."""

    def __init__(self):
        self._values = {}

    def get(self, key):
        return self._values.get(key)

    def __setitem__(self, key, value):
        self._values[key] = value


@pytest.fixture
def many(module, monkeypatch):
    """Do something in many threads at once; moto, which knows nothing of threads, does one request
    after another. Nobody goes on before all have read the same. Gives how often a condition was
    refused.
    """
    real, lock, counts = BaseClient._make_api_call, threading.Lock(), Counter()
    met = threading.local()

    def one_at_a_time(client, name, arguments):
        with lock:
            try:
                reply = real(client, name, arguments)
            except client.exceptions.ConditionalCheckFailedException:
                counts["refused"] += 1
                raise
        if name == "GetItem" and (together := vars(met).pop("together", None)):
            together.wait(timeout=10)
        return reply

    module.dynamodb()
    monkeypatch.setattr(module, "_known", OfEachThread())
    monkeypatch.setattr(BaseClient, "_make_api_call", one_at_a_time)

    def run(number, action):
        together = threading.Barrier(number)

        def work(own):
            met.together = together
            action(own)

        with ThreadPoolExecutor(number) as pool:
            list(pool.map(work, range(number), timeout=60))
        return counts["refused"]

    return run


def goes(grant):
    return [grant.not_before + number * grant.interval for number in range(grant.calls)]


def most_in_any_window(times, rate):
    """By how many calls any window had more than the rate allows."""
    times = sorted(times)
    return max(
        later - earlier + 1 - rate * (times[later] - times[earlier])
        for earlier in range(len(times))
        for later in range(earlier, len(times))
    )


@pytest.mark.parametrize("limits", [(any_limit(),), BOX])
def test_many_at_once_never_get_more_than_the_quota_and_nothing_is_lost(
    module, clock, many, limits
):
    grants = []

    def work(own):
        governor = governor_of(module, clock, *limits)
        for turn in range(5):
            grants.append(governor.take("upload", 3 + (own + turn) % 4))

    many(8, work)

    gone = [at for grant in grants for at in goes(grant)]
    for limit in limits:
        state = stored(module, f"{limit.scope}#{IDS[limit.scope]}")
        assert state.granted == len(gone)
        assert state.version == 40
        assert state.tat == pytest.approx(NOW + len(gone) / limit.ceiling, abs=1e-3)
        assert most_in_any_window(gone, limit.ceiling) <= limit.burst + 0.01


def test_many_reports_at_once_are_one_cut_and_all_are_counted(module, clock, many):
    grant = governor_of(module, clock).take("upload", 10)

    refused = many(
        8, lambda own: governor_of(module, clock).report_throttle(grant, NOW - own / 100, own)
    )

    state = stored(module)
    assert (state.cuts, state.throttled) == (1, 8)
    assert state.rate == pytest.approx(0.6 * 9.7)
    assert state.cooldown_until == NOW + 7
    assert refused >= 7


def test_grants_and_reports_at_once_leave_nothing_of_before_the_cut(module, clock, many):
    grants = []

    def work(own):
        governor = governor_of(module, clock)
        for _ in range(4):
            grant = governor.take("upload", 5)
            grants.append(grant)
            if own == 0:
                governor.report_throttle(grant, NOW, None)

    many(6, work)

    governor = governor_of(module, clock)
    governor.look()
    gone = [at for grant in grants for at in goes(grant) if governor.holds(grant, at)]
    state = stored(module)
    assert (state.cuts, state.throttled) == (1, 4)
    assert len(gone) >= 11  # The scout, and two grants of whoever has reported.
    assert min(gone) == NOW + 2
    assert most_in_any_window(gone, state.rate) <= 1.01
