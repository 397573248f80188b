"""The real error goes back to the machine; a plan that fails is noted."""

import json

import pytest

from .factories import any_replication, any_service, at

MODULE = "replication.record_failure"


@pytest.fixture
def record(load, around, context):
    module = load(MODULE)

    def call(provider, state, error="TransientError", cause=""):
        failed = {state: {"Error": error, "Cause": cause}}
        event = {"replication_id": "2026-12-all", "provider": provider, "failed": failed}
        return module.handler(event | {"plan": None if provider else 1}, context)

    return call


def test_a_plan_that_fails_leaves_the_replication_failed(record, around):
    around.put(any_replication(state="PLANNING"))
    cause = json.dumps({"errorMessage": "ThrottlingException: Query"})

    assert record(None, "group_entities", cause=cause) == {
        "error": "TransientError",
        "cause": "ThrottlingException: Query",
    }

    found = around.replication()
    assert (found.state, found.error, found.cause) == (
        "FAILED",
        "TransientError",
        "ThrottlingException: Query",
    )
    assert found.finished_at == at()
    assert around.table.open_replications() == []


def test_a_plan_that_fails_after_it_was_done_changes_nothing(record, around):
    around.put(any_replication(state="RUNNING"))

    record(None, "start_services")

    assert around.replication().state == "RUNNING"


def test_a_service_or_worker_that_fails_leaves_the_replication_alone(record, around):
    around.put(any_replication(), any_service())

    assert (
        record("webdav", "collect_metrics", "States.Timeout", "late")["error"] == "States.Timeout"
    )

    assert around.replication().state == "RUNNING"


def test_a_failure_that_is_recorded_twice_is_told_twice_and_noted_once(record, around):
    around.put(any_replication(state="PLANNING"))

    assert record(None, "write_batches", cause="any") == record(None, "write_batches", cause="any")
    assert around.replication().state == "FAILED"


def test_a_plan_that_fails_while_it_rests_leaves_the_pause_in_force(record, around):
    around.put(any_replication(state="PAUSED", planned=False))

    record(None, "group_entities")

    assert around.replication().state == "PAUSED"


def test_a_failure_that_is_told_late_does_not_fail_the_next_plan(record, around):
    around.put(any_replication(state="PLANNING", plan=2))

    record(None, "group_entities")

    assert around.replication().state == "PLANNING"
