"""Somebody is told of a plan or a service that broke off."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import any_replication, any_service

MODULE = "replication.on_execution_ended"


@pytest.fixture
def ended(load, around, context, event_of):
    module = load(MODULE)

    def call(machine, name, status, **given):
        arn = around.start(machine, name, status, **given)
        event = event_of(MODULE)
        event["detail"] |= {"executionArn": arn, "name": name, "status": status}
        module.handler(event, context)

    return call


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_tells_of_a_service_and_leaves_its_replication_running(ended, around, status):
    around.put(any_replication(), any_service())

    ended(
        "ReplicationService",
        "2026-12-all-webdav-1",
        status,
        replication_id="2026-12-all",
        provider="webdav",
        run=1,
    )

    [(subject, text)] = around.alerts()
    assert subject == "A replication broke off"
    assert f"webdav service of replication 2026-12-all ended as {status}" in text
    assert around.replication().state == "RUNNING"


def test_notes_of_a_plan_what_it_could_not_itself(ended, around):
    around.put(any_replication(state="PLANNING", planned=False))

    ended("ReplicationPlan", "2026-12-all-1", "TIMED_OUT", replication_id="2026-12-all", plan=1)

    found = around.replication()
    assert (found.state, found.error) == ("FAILED", "TIMED_OUT")
    assert found.cause
    assert "retry it" in around.alerts()[0][1]


def test_keeps_what_a_plan_has_said_itself(ended, around):
    around.put(any_replication(state="FAILED", error="StorageRefused", cause="any"))

    ended("ReplicationPlan", "2026-12-all-1", "FAILED", replication_id="2026-12-all", plan=1)

    assert around.replication().error == "StorageRefused"


def test_news_of_a_plan_does_not_fail_the_next_one(ended, around):
    """It was retried before the event came, or the event came twice."""
    around.put(any_replication(state="PLANNING", plan=2))

    ended("ReplicationPlan", "2026-12-all-1", "FAILED", replication_id="2026-12-all", plan=1)

    assert around.replication().state == "PLANNING"


def test_a_plan_that_was_done_before_it_broke_off_stays_as_it_is(ended, around):
    around.put(any_replication(state="RUNNING"))

    ended("ReplicationPlan", "2026-12-all-1", "ABORTED", replication_id="2026-12-all", plan=1)

    assert around.replication().state == "RUNNING"


def test_an_alert_that_cannot_be_sent_fails_so_that_the_event_comes_again(ended, intercept, around):
    around.put(any_replication(), any_service())
    intercept("Publish", before=fails_with("ThrottledException"))

    with pytest.raises(TransientError):
        ended(
            "ReplicationService",
            "2026-12-all-webdav-1",
            "FAILED",
            replication_id="2026-12-all",
            provider="webdav",
            run=1,
        )
