"""A beat wants as many workers as the quota keeps busy, finds what has gone, and ends in time."""

import json
from datetime import timedelta
from functools import partial

import pytest

from replication.rules.quota import Quota
from replication.rules.replication import Outcome
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import (
    NOW,
    any_batch,
    any_current,
    any_replication,
    any_service,
    at,
    refs,
    started,
)

MODULE = "replication.collect_metrics"


@pytest.fixture
def module(load):
    return load(MODULE, MOST_WORKERS="50", PULSE_SECONDS="5", WORKER_PATIENCE_SECONDS="60")


@pytest.fixture
def beat(module, around, context):
    def call(number=0, run=1):
        event = {"replication_id": "2026-12-all", "provider": "webdav", "run": run}
        return module.handler(event | {"beat": number}, context)

    return call


def set_rate(around, rate, cooldown_until=0.0, scope="server#cloud.example", granted=0):
    quota = Quota(
        tat=NOW.timestamp(), rate=rate, window_began=0, cooldown_until=cooldown_until, version=1
    )
    state = quota.model_dump_json(exclude={"tat", "granted", "version"})
    around.cloud.dynamodb.put_item(
        TableName=around.cloud.name("QuotasTable"),
        Item={
            "provider": {"S": "webdav"},
            "scope": {"S": scope},
            "tat": {"N": str(quota.tat)},
            "granted": {"N": str(granted)},
            "version": {"N": "1"},
            "state": {"S": state},
        },
    )


def batches(number, **changed):
    return [any_batch(batch=one, **changed) for one in range(1, number + 1)]


def test_starts_as_many_workers_as_the_quota_keeps_busy(beat, around):
    around.put(any_replication(), any_service(batches=40), *batches(40))
    set_rate(around, 10.0)

    found = beat()

    shown = around.service().beat
    assert found["verdict"] == "start"
    assert found["new"] == shown["wanted"] > 1
    assert found["again"] == []
    # By Little's law: calls a second x seconds a call, rounded up.
    assert (
        shown["wanted"] - 1
        < 10.0 * int(shown["mean_call_ms"]) / 1000 + 0.01
        <= shown["wanted"] + 0.01
    )
    assert shown["calls_per_minute"] == 600


def test_wants_more_workers_where_a_call_takes_longer(beat, around):
    set_rate(around, 10.0)
    around.put(any_replication(), *batches(40))
    wanted = []
    for seconds in (0.1, 1.0):
        counts = {"calls": 1000, "busy_ms": int(1000 * 1000 * seconds)}
        around.put(any_service(batches=40, entities=80, done=40, ended_batches=20, counts=counts))
        beat()
        wanted.append(around.service().beat["wanted"])

    assert wanted[0] < wanted[1] == pytest.approx(10, abs=2)


def test_starts_no_more_than_are_wanted_beside_those_that_run(beat, around):
    own = batches(40)
    around.put(any_replication(), any_service(batches=40, started=3), *own)
    around.put(*(started(batch) for batch in own[:3]))
    set_rate(around, 10.0)

    assert beat()["new"] == around.service().beat["wanted"] - 3
    assert around.service().beat["workers"] == 3


def test_waits_where_enough_workers_run(beat, around):
    own = batches(3)
    around.put(any_replication(), any_service(started=3), *map(started, own))

    assert beat(4) == {"verdict": "wait", "number": 5, "next_at": at(5)}
    assert around.service().beat_at == at()


@pytest.mark.parametrize(("seconds", "following"), [(0.0, 5), (0.4, 5), (4.9, 5), (5.0, 10)])
def test_beats_keep_time_however_long_they_take(beat, around, clock, seconds, following):
    around.put(any_replication(), any_service(started=3), *map(started, batches(3)))
    clock(NOW + timedelta(seconds=seconds))

    assert beat()["next_at"] == at(following)


def test_takes_up_first_what_was_put_off(beat, around):
    own = [started(batch, put_off=True) for batch in batches(2)]
    around.put(any_replication(), any_service(batches=10, started=2), *own, *batches(10)[2:])
    set_rate(around, 3.0)

    found = beat()

    assert found["again"][0] == {"batch": 1, "attempt": 1}
    assert found["new"] == around.service().beat["wanted"] - len(found["again"])


# --- workers that have gone


def gone(around, status):
    batch = started(any_batch(), seen_at=at(-61))
    around.put(any_replication(), any_service(batches=1, started=1), batch)
    if status:
        around.start("ReplicationWorker", "2026-12-all-webdav-1-1", status)


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", None])
def test_a_batch_whose_worker_has_gone_gets_another_one(beat, around, status):
    gone(around, status)

    assert beat()["again"] == [{"batch": 1, "attempt": 1}]


def test_a_worker_that_runs_is_left_alone_and_not_looked_after_for_a_while(beat, around):
    gone(around, "RUNNING")

    assert beat()["verdict"] == "wait"
    assert around.batch().seen_at == at()


def test_a_worker_that_was_seen_a_moment_ago_is_not_looked_after(beat, around):
    around.put(any_replication(), any_service(batches=1, started=1))
    around.put(started(any_batch(), seen_at=at(-59)))

    assert beat()["verdict"] == "wait"


def test_a_batch_whose_workers_break_off_again_and_again_has_failed(beat, around):
    batch = started(
        any_batch(),
        attempt=5,
        broken_off=4,
        seen_at=at(-61),
        outcomes={"0": Outcome(state="DONE", counts={"calls": 12})},
        current=any_current(),
    )
    around.put(any_replication(), any_service(batches=1, started=1), batch)

    beat()

    ended, service = around.batch(), around.service()
    assert ended.open is None
    assert (ended.outcomes["0"].state, ended.outcomes["1"].error) == ("DONE", "WorkerBroken")
    assert (service.done, service.failed, service.counts) == (1, 1, {"calls": 12})


def test_a_batch_that_was_put_off_many_times_is_not_given_up(beat, around):
    """Pauses are nobody's fault: only workers that have gone count."""
    batch = started(any_batch(), attempt=9, broken_off=3, seen_at=at(-61))
    around.put(any_replication(), any_service(batches=1, started=1), batch)

    assert beat()["again"] == [{"batch": 1, "attempt": 9}]


def test_a_batch_is_given_up_once_where_the_beat_is_repeated(beat, around):
    batch = started(any_batch(), broken_off=4, seen_at=at(-61))
    around.put(any_replication(), any_service(batches=2, started=2), batch)
    around.put(started(any_batch(batch=2)))

    for _ in range(2):
        beat()

    assert (around.service().failed, around.service().ended_batches) == (2, 1)


def test_a_worker_that_is_given_up_and_lives_changes_nothing_any_more(beat, around):
    batch = started(any_batch(), broken_off=4, seen_at=at(-61))
    around.put(any_replication(), any_service(batches=1, started=1), batch)
    beat()
    before = around.items()

    ended = Outcome(state="DONE")
    assert not around.table.record_outcome(batch, (0, ended), any_current(), at(), False)
    assert around.items() == before


@pytest.mark.parametrize("status", ["RUNNING", "FAILED"])
def test_looks_after_a_few_in_each_beat(beat, around, module, status, intercept):
    own = [started(batch, seen_at=at(-61)) for batch in batches(25)]
    around.put(any_replication(), any_service(batches=25, started=25), *own)
    for batch in own:
        around.start("ReplicationWorker", f"2026-12-all-webdav-{batch.batch}-1", status)
    looks = []
    for nth in range(1, 26):
        intercept("DescribeExecution", before=lambda: looks.append(1), nth=nth)

    beat()

    assert len(looks) == module.LOOKED_AFTER_AT_ONCE


def test_comes_to_those_that_it_has_not_looked_after_in_the_next_beat(beat, around):
    own = [started(batch, seen_at=at(-61)) for batch in batches(25)]
    around.put(any_replication(), any_service(batches=25, started=25), *own)
    for batch in own[:20]:
        around.start("ReplicationWorker", f"2026-12-all-webdav-{batch.batch}-1")
    set_rate(around, 1000.0)

    assert beat()["verdict"] == "wait"
    assert [one["batch"] for one in beat()["again"]] == [21, 22, 23, 24, 25]


# --- forecast and progress


def test_forecasts_the_end_from_what_is_left_and_what_the_quota_allows(beat, around):
    own = batches(6)
    counts = {"calls": 240, "busy_ms": 24_000}
    service = any_service(
        batches=6, started=6, ended_batches=3, entities=60, done=20, counts=counts
    )
    around.put(any_replication(), service, *map(started, own[3:]))
    set_rate(around, 2.0)

    beat()

    # 40 entities of 12 calls at 2 calls a second.
    shown = around.service().beat
    assert shown["calls_left"] == 480
    assert shown["forecast"] == at(240)
    assert around.service().first_forecast == at(240)


def test_counts_what_has_ended_in_batches_that_run(beat, around):
    outcomes = {"0": Outcome(state="DONE", counts={"calls": 10}), "1": Outcome(state="FAILED")}
    batch = started(any_batch(entities=refs("a", "b", "c", "d")), outcomes=outcomes)
    around.put(any_replication(), any_service(batches=1, started=1, entities=4), batch)

    beat()

    assert around.service().beat["calls_left"] == 2 * 5


def test_a_cooldown_puts_the_forecast_off(beat, around):
    around.put(any_replication(), any_service(batches=1, started=1, entities=2, calls_planned=20))
    around.put(started(any_batch()))
    set_rate(around, 10.0, cooldown_until=NOW.timestamp() + 100)

    beat()

    assert around.service().beat["forecast"] >= at(100)
    assert around.service().beat["refuses_until"] == at(100)
    assert around.service().beat["refused"] == ""


def test_says_of_how_many_servers_nothing_is_taken(beat, around):
    around.put(any_replication(), any_service(scopes={"server": 3}, batches=1, started=1))
    around.put(started(any_batch()))
    for name, seconds in (("a", 100), ("b", 90), ("c", 60)):
        set_rate(around, 10.0, NOW.timestamp() + seconds, scope=f"server#{name}")

    beat()

    assert around.service().beat["refused"] == "2 of 3 servers"
    set_rate(around, 10.0, NOW.timestamp() + 61, scope="server#c")
    beat()
    assert around.service().beat["refused"] == ""


@pytest.mark.parametrize(("seconds", "following"), [(100, 100), (1000, 300), (103, 100), (60, 5)])
def test_beats_seldom_while_everything_is_refused(beat, around, seconds, following):
    around.put(any_replication(), any_service(batches=1, started=1), started(any_batch()))
    set_rate(around, 10.0, cooldown_until=NOW.timestamp() + seconds)

    assert beat()["next_at"] == at(following)


def test_beats_as_ever_while_some_are_refused(beat, around):
    around.put(any_replication(), any_service(scopes={"server": 2}, batches=1, started=1))
    around.put(started(any_batch()))
    set_rate(around, 10.0, cooldown_until=NOW.timestamp() + 1000)

    assert beat()["next_at"] == at(5)


def test_a_short_cooldown_is_not_worth_telling(beat, around):
    around.put(any_replication(), any_service(batches=1, started=1), started(any_batch()))
    set_rate(around, 10.0, cooldown_until=NOW.timestamp() + 60)

    beat()

    assert "refuses_until" not in around.service().beat


def test_adds_up_the_rates_of_all_servers(beat, around):
    around.put(any_replication(), any_service(scopes={"server": 3}, batches=1, started=1))
    around.put(started(any_batch()))
    for name, rate in (("a", 4.0), ("b", 6.0)):
        set_rate(around, rate, scope=f"server#{name}")

    beat()

    # Of the third, nothing is known yet but its ceiling: 90 % of a guess of 20 a second.
    assert around.service().beat["calls_per_minute"] == (4 + 6 + 18) * 60


def test_the_forecast_waits_for_the_server_that_has_the_most_to_do(beat, around):
    """Three quarters of all calls go to one of ten servers."""
    largest = {"key": "server#a", "calls": 750}
    around.put(
        any_replication(),
        any_service(
            scopes={"server": 10}, largest=[largest], batches=1, started=1, calls_planned=1000
        ),
    )
    around.put(started(any_batch()))
    set_rate(around, 10.0, scope="server#a", granted=4000)

    beat()
    first = around.service()
    set_rate(around, 10.0, scope="server#a", granted=4500)
    beat()

    assert first.largest[0].granted_before == 4000
    assert first.beat["forecast"] == at(75)
    assert around.service().beat["forecast"] == at(25)


def test_a_level_without_a_limit_keeps_no_forecast_waiting(beat, around):
    largest = {"key": "account#1003", "calls": 1_000_000}
    around.put(any_replication(), any_service(largest=[largest], batches=1, started=1))
    around.put(started(any_batch()))

    beat()

    assert around.service().beat["forecast"] < at(60)


def test_calls_that_cost_more_units_are_fewer_in_a_second(load, around, context):
    """Half of them cost 2 units, and half cost 6: as planned at first, and then as counted."""
    costs = {"create_folder": 2, "upload": 6}
    limit = {"scope": "server", "rate": 100, "burst": 10, "published": True, "costs": costs}
    module = load(MODULE, PROVIDER_LIMITS=json.dumps({"webdav": [limit]}))
    event = {"replication_id": "2026-12-all", "provider": "webdav", "run": 1, "beat": 0}
    beat = partial(module.handler, event, context)
    largest = {"key": "server#cloud.example", "calls": 1000, "granted_before": 0}
    own = {"scopes": {"server": 1}, "largest": [largest], "batches": 2, "started": 1}
    around.put(any_replication(), any_service(**own, entities=100, calls_planned=1000))
    around.put(started(any_batch()))
    set_rate(around, 10.0)

    beat()
    planned = around.service().beat
    counts = {"calls": 500, "create_folder_calls": 500}
    around.put(any_service(**own, entities=100, calls_planned=1000, done=50, counts=counts))
    set_rate(around, 10.0, granted=1000)
    beat()

    assert planned["calls_per_minute"] == 10 / 4 * 60
    assert planned["forecast"] == at(1000 * 4 / 10)
    assert around.service().beat["calls_per_minute"] == 10 / 2 * 60
    assert around.service().beat["forecast"] == at(500 * 2 / 10)


def test_publishes_what_it_has_seen_as_metrics_of_the_provider(beat, around, capsys):
    around.put(any_replication(), any_service(started=3), *map(started, batches(3)))

    beat()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    [metrics] = [line for line in lines if "ReplicationWorkers" in line]
    assert metrics["Provider"] == "webdav"
    assert metrics["ReplicationWorkers"] == [3.0]
    assert {"ReplicationCalls", "ReplicationCallsThrottled", "ReplicationBatchesLeft"} <= set(
        metrics
    )


# --- how a run ends


def test_finishes_when_every_batch_has_ended(beat, around, cloud):
    published = cloud.watch_bus()
    around.put(any_replication(), any_service(batches=2, started=2, ended_batches=2, done=6))

    assert beat()["verdict"] == "finished"

    assert around.service().state == "FINISHED"
    assert around.replication().state == "FINISHED"
    [event] = published()
    assert event["detail-type"] == "ReplicationFinished"
    assert event["detail"]["data"]["entities"] == 6


def test_does_not_finish_while_a_batch_is_open_that_the_index_does_not_show_yet(beat, around):
    around.put(any_replication(), any_service(batches=2, started=2, ended_batches=1))

    assert beat()["verdict"] == "wait"


@pytest.mark.parametrize("state", ["PAUSED", "CANCELLED"])
def test_stops_when_the_last_worker_has_put_its_batch_off(beat, around, state):
    own = batches(2)
    around.put(any_replication(state=state), any_service(started=2))
    around.put(started(own[0], put_off=True), started(own[1]))

    assert beat()["verdict"] == "wait"

    around.put(started(own[1], put_off=True))
    assert beat()["verdict"] == "stopped"
    assert around.service().state == "STOPPED"


def test_a_service_that_ends_while_it_is_paused_has_finished(beat, around, cloud):
    published = cloud.watch_bus()
    around.put(any_replication(state="PAUSED"), any_service(batches=1, started=1, ended_batches=1))

    assert beat()["verdict"] == "finished"

    assert (around.service().state, around.replication().state) == ("FINISHED", "FINISHED")
    assert len(published()) == 1


def test_a_beat_that_breaks_off_before_the_end_was_told_ends_it_the_next_time(
    beat, around, cloud, intercept
):
    published = cloud.watch_bus()
    around.put(any_replication(), any_service(batches=1, started=1, ended_batches=1))
    intercept("PutEvents", before=fails_with("ThrottlingException"))
    with pytest.raises(TransientError):
        beat()
    assert (around.service().state, around.replication().state) == ("FINISHED", "RUNNING")

    assert beat()["verdict"] == "finished"

    assert around.replication().state == "FINISHED"
    assert len(published()) == 1


def test_a_stopped_service_goes_on_with_what_was_put_off_when_it_is_resumed(beat, around):
    around.put(any_replication(state="PAUSED"), any_service(batches=1, started=1))
    around.put(started(any_batch(), put_off=True))
    beat()
    around.put(any_replication())

    assert beat()["again"] == [{"batch": 1, "attempt": 1}]


def test_a_handover_whose_reply_was_lost_is_left_to_the_schedule(beat, around, module, intercept):
    around.put(any_replication(), any_service(started=3), *map(started, batches(3)))
    intercept("UpdateItem", after=reply_is_lost, nth=2)
    with pytest.raises(TransientError):
        beat(module.MOST_BEATS - 1)

    assert beat(module.MOST_BEATS - 1)["verdict"] == "taken_over"
    assert around.service().run == 2


def test_a_run_that_is_over_neither_stops_nor_finishes_a_service(beat, around, intercept):
    around.put(any_replication(state="CANCELLED"), any_service(started=3))

    def take_over():
        around.table.update_service(around.service(), run=2)

    intercept("UpdateItem", before=take_over)

    assert beat()["verdict"] == "taken_over"
    assert around.service().state == "RUNNING"


def test_hands_over_long_before_its_history_is_full(beat, around, module):
    around.put(any_replication(), any_service(started=3), *map(started, batches(3)))

    found = beat(module.MOST_BEATS - 1)

    assert (found["verdict"], found["next_run"]) == ("hand_over", 2)
    assert around.service().run == 2


def test_changes_nothing_where_another_run_is_the_metronome(beat, around):
    around.put(any_replication(), any_service(run=2, batches=10), *batches(10))
    before = around.items()

    assert beat() == {"verdict": "taken_over", "number": 1}
    assert around.items() == before


def test_starts_nothing_where_another_run_takes_over_in_the_middle(beat, around, intercept):
    around.put(any_replication(), any_service(batches=10), *batches(10))

    def take_over():
        around.table.update_service(around.service(), run=2)

    intercept("UpdateItem", before=take_over)

    assert beat()["verdict"] == "taken_over"


def test_a_beat_shows_that_the_service_is_well_again(beat, around):
    around.put(any_replication(), any_service(started=3, restarts=4), *map(started, batches(3)))

    beat()

    assert around.service().restarts == 0
