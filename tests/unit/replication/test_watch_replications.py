"""What nothing drives is started again, later each time, and what is driven is left alone."""

from datetime import timedelta

import pytest

from tests.unit.aws_errors import fails_with

from .factories import NOW, any_replication, any_service, at

MODULE = "replication.watch_replications"


@pytest.fixture
def watch(load, around, context, event_of):
    module = load(MODULE)
    return lambda: module.handler(event_of(MODULE), context)


def test_starts_a_plan_whose_start_was_lost(watch, around):
    around.put(any_replication(state="PLANNING", planned=False))

    watch()

    assert list(around.executions("ReplicationPlan")) == ["2026-12-all-1"]


def test_leaves_a_plan_alone_that_runs(watch, around):
    around.put(any_replication(state="PLANNING", planned=False))
    around.start("ReplicationPlan", "2026-12-all-1")

    watch()

    assert around.replication().state == "PLANNING"
    assert len(around.executions("ReplicationPlan")) == 1


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_notes_of_a_plan_that_it_broke_off_without_a_word(watch, around, status):
    around.put(any_replication(state="PLANNING", planned=False))
    around.start("ReplicationPlan", "2026-12-all-1", status)

    watch()

    found = around.replication()
    assert found.state == "FAILED"
    assert found.error == "Plan" + status.title().replace("_", "")


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", None])
def test_starts_the_next_run_of_a_service_that_nothing_drives(watch, around, status):
    around.put(any_replication(), any_service(beat_at=at(-61)))
    if status:
        around.start("ReplicationService", "2026-12-all-webdav-1", status)

    watch()

    assert around.executions("ReplicationService")["2026-12-all-webdav-2"]["run"] == 2
    service = around.service()
    assert (service.run, service.restarts, service.beat_at) == (2, 1, at())


def test_leaves_a_service_alone_that_has_beaten_a_moment_ago(watch, around):
    around.put(any_replication(), any_service(beat_at=at(-59)))

    watch()

    assert around.executions("ReplicationService") == {}


def test_leaves_a_service_alone_that_runs_and_does_not_beat(watch, around):
    """It may be trying something again."""
    around.put(any_replication(), any_service(beat_at=at(-600)))
    around.start("ReplicationService", "2026-12-all-webdav-1")

    watch()

    assert around.service().run == 1


@pytest.mark.parametrize(("seconds", "runs"), [(119, 1), (121, 2)])
def test_waits_twice_as_long_each_time(watch, around, seconds, runs):
    around.put(any_replication(), any_service(restarts=1, beat_at=at(-seconds)))

    watch()

    assert around.service().run == runs


def test_starts_a_service_that_stopped_just_when_it_was_resumed(watch, around):
    around.put(any_replication(), any_service(state="STOPPED", beat_at=at(-61)))
    around.start("ReplicationService", "2026-12-all-webdav-1", "SUCCEEDED")

    watch()

    assert (around.service().state, around.service().run) == ("RUNNING", 2)


@pytest.mark.parametrize("state", ["PAUSED", "CANCELLED", "FINISHED"])
def test_starts_nothing_of_what_rests_or_has_ended(watch, around, state):
    around.put(any_replication(state=state), any_service(beat_at=at(-600)))

    watch()

    assert around.executions("ReplicationService") == {}


def test_one_that_cannot_be_looked_after_keeps_none_of_the_others_waiting(
    watch, around, intercept, capsys
):
    for replication_id in ("2026-11-all", "2026-12-all"):
        around.put(any_replication(replication_id=replication_id, state="PLANNING"))
    intercept("DescribeExecution", before=fails_with("ThrottlingException"))

    watch()

    assert len(around.executions("ReplicationPlan")) == 1
    assert "replication not looked after" in capsys.readouterr().out


def test_a_replication_whose_services_have_all_finished_gets_a_run_that_ends_it(watch, around):
    """The last beat broke off before it had told the end."""
    around.put(any_replication(), any_service(state="FINISHED", beat_at=at(-61)))
    around.put(any_service(provider="s3", state="FINISHED", beat_at=at(-61)))

    watch()

    assert len(around.executions("ReplicationService")) == 1


def test_a_service_that_has_finished_is_left_alone_while_others_have_not(watch, around):
    around.put(any_replication(), any_service(provider="s3", state="FINISHED", beat_at=at(-600)))
    around.put(any_service(beat_at=at(-5)))

    watch()

    assert around.executions("ReplicationService") == {}


def test_a_plan_that_was_done_when_it_was_resumed_goes_on(watch, around):
    around.put(any_replication(state="PLANNING", planned=True))
    around.start("ReplicationPlan", "2026-12-all-1", "SUCCEEDED")

    watch()

    assert (around.replication().state, around.replication().error) == ("RUNNING", None)


def test_a_service_that_cannot_be_looked_after_does_not_keep_the_other_waiting(
    watch, around, intercept
):
    around.put(any_replication(), any_service(beat_at=at(-61)))
    around.put(any_service(provider="s3", beat_at=at(-61)))
    intercept("DescribeExecution", before=fails_with("AccessDeniedException"))

    watch()

    assert len(around.executions("ReplicationService")) == 1


def test_a_start_that_is_lost_comes_again_after_a_longer_pause(watch, around, clock, intercept):
    around.put(any_replication(), any_service(beat_at=at(-61)))
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    watch()
    assert (around.service().run, around.executions("ReplicationService")) == (2, {})

    clock(NOW + timedelta(seconds=119))
    watch()
    assert around.service().run == 2

    clock(NOW + timedelta(seconds=121))
    watch()
    assert list(around.executions("ReplicationService")) == ["2026-12-all-webdav-3"]


def test_two_schedules_at_once_start_one_run(watch, around, intercept):
    around.put(any_replication(), any_service(beat_at=at(-61)))
    intercept("UpdateItem", before=watch)

    watch()

    assert list(around.executions("ReplicationService")) == ["2026-12-all-webdav-2"]
