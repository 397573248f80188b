"""What drives a replication is started once, and what is not started is left to the schedule."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from tests.unit.aws_errors import fails_with

from .factories import any_replication, any_service, at

MODULE = "replication.watch_replications"
RUN_2 = "2026-12-all-webdav-2"


@pytest.fixture
def running(load):
    load(MODULE)
    return import_module("replication.running")


def test_a_plan_is_started_once(running, around):
    for _ in range(2):
        running.begin_plan(any_replication(plan=3))

    assert around.executions("ReplicationPlan") == {
        "2026-12-all-3": {"replication_id": "2026-12-all", "plan": 3}
    }


def test_the_next_run_is_stored_and_started(running, around):
    service = any_service(state="STOPPED", beat_at=at(-600))
    around.put(service)

    assert running.begin_run(service, restarts=2)

    assert around.executions("ReplicationService")[RUN_2] == {
        "replication_id": "2026-12-all",
        "provider": "webdav",
        "run": 2,
    }
    found = around.service()
    assert (found.run, found.state, found.beat_at, found.restarts) == (2, "RUNNING", at(), 2)


def test_of_two_that_begin_the_same_run_one_does(running, around):
    service = any_service(state="STOPPED")
    around.put(service)

    assert [running.begin_run(service) for _ in range(2)] == [True, False]
    assert list(around.executions("ReplicationService")) == [RUN_2]
    assert around.service().run == 2


def test_a_throttled_start_is_left_to_the_schedule(running, around, intercept, capsys):
    around.put(any_service())
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    assert running.begin_run(around.service())

    assert around.executions("ReplicationService") == {}
    assert around.service().run == 2
    assert "execution not started" in capsys.readouterr().out


def test_a_start_that_is_denied_is_an_error(running, around, intercept):
    """It would not pass, so somebody has to hear of it."""
    around.put(any_service())
    intercept("StartExecution", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError):
        running.begin_run(around.service())
