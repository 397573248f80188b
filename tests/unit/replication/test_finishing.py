"""A replication ends once, when the last of its services has."""

import importlib

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import any_replication, any_service

MODULE = "replication.collect_metrics"


@pytest.fixture
def finish(load, around, cloud):
    load(MODULE)
    published = cloud.watch_bus()
    finishing = importlib.import_module("replication.finishing")

    def call():
        ended = finishing.finish_if_all_have("2026-12-all")
        return ended, published()

    return call


def test_does_not_end_while_a_service_goes_on(finish, around):
    around.put(any_replication(), any_service(state="FINISHED"), any_service(provider="s3"))

    assert finish() == (False, [])
    assert around.replication().state == "RUNNING"


def test_tells_the_sums_of_all_services(finish, around):
    counts = {"conflicts": 2}
    around.put(any_replication(without_storage=5))
    around.put(any_service(state="FINISHED", entities=10, failed=4, retried=3, counts=counts))
    around.put(any_service(provider="s3", state="FINISHED", entities=7, failed=1))

    ended, [event] = finish()

    assert ended
    summary = event["detail"]["data"].pop("summary")
    assert summary.startswith(
        "Replication 2026-12-all has finished: 17 entities, 2 of them failed."
    )
    assert event["detail"]["data"] == {
        "replication_id": "2026-12-all",
        "period": "2026-12",
        "dry_run": False,
        "entities": 17,
        "failed": 2,
        "conflicts": 2,
        "without_storage": 5,
    }


def test_an_end_that_is_told_twice_is_the_same_event(finish, around, intercept):
    around.put(any_replication(), any_service(state="FINISHED"))
    intercept("UpdateItem", before=fails_with("ThrottlingException"))
    with pytest.raises(TransientError):
        finish()

    _, events = finish()

    assert len(events) == 2
    assert {event["detail"]["event_id"] for event in events} == {"2026-12-all-1-finished"}
    assert around.replication().state == "FINISHED"


def test_an_end_that_is_noted_is_not_told_again(finish, around):
    around.put(any_replication(), any_service(state="FINISHED"))
    finish()

    assert finish() == (False, [])


def test_the_end_of_a_retry_is_another_event(finish, around):
    around.put(any_replication(plan=2), any_service(plan=2, state="FINISHED"))

    _, [event] = finish()

    assert event["detail"]["event_id"] == "2026-12-all-2-finished"


def test_ends_although_it_was_paused_a_moment_before(finish, around):
    around.put(any_replication(state="PAUSED"), any_service(state="FINISHED"))

    finish()

    assert around.replication().state == "FINISHED"


@pytest.mark.parametrize("state", ["CANCELLED", "PLANNING", "FAILED"])
def test_one_that_is_cancelled_or_planned_again_does_not_end(finish, around, state):
    around.put(any_replication(state=state), any_service(state="FINISHED"))

    assert finish() == (False, [])
    assert around.replication().state == state


def test_an_end_does_not_end_the_retry_that_came_meanwhile(finish, around, intercept):
    around.put(any_replication(), any_service(state="FINISHED"))

    def retry():
        around.table.change_state("2026-12-all", ["RUNNING"], "RUNNING", plan=2)

    intercept("UpdateItem", before=retry)

    finish()

    assert (around.replication().state, around.replication().plan) == ("RUNNING", 2)
