"""What the records of a replication say of themselves."""

import pytest

from replication.rules.replication import (
    COUNTS,
    Outcome,
    plan_name,
    service_name,
    summed,
    worker_name,
)

from .factories import any_batch, any_service, refs, started

DONE, FAILED = Outcome(state="DONE"), Outcome(state="FAILED", error="any")


def test_the_next_entity_is_the_first_that_has_not_ended():
    batch = any_batch(entities=refs("a", "b", "c"))

    assert batch.next_position() == 0
    assert batch.model_copy(update={"outcomes": {"0": DONE}}).next_position() == 1
    assert batch.model_copy(update={"outcomes": {"0": DONE, "2": DONE}}).next_position() == 1


def test_a_failed_entity_has_ended():
    batch = any_batch(entities=refs("a", "b"), outcomes={"0": FAILED, "1": DONE})

    assert batch.next_position() is None


@pytest.mark.parametrize(
    ("plan", "failed"),
    [
        (1, [1, 2, 3]),  # Neither retry has come to its end.
        (2, [1, 3]),
        (3, [1]),
    ],
)
def test_what_failed_is_what_no_plan_of_the_service_has_taken_up(plan, failed):
    retried = {
        str(position): Outcome(state="RETRIED", error="any", plan=taken_by)
        for position, taken_by in ((2, 2), (3, 3))
    }
    batch = any_batch(entities=refs(*"abcd"), outcomes={"0": DONE, "1": FAILED} | retried)

    assert batch.failed(any_service(plan=plan)) == failed


def test_a_batch_runs_from_its_start_until_it_is_put_off_or_has_ended():
    running = started(any_batch())

    assert not any_batch().is_running
    assert running.is_running
    assert not running.model_copy(update={"put_off": True}).is_running
    assert not running.model_copy(update={"open": None}).is_running


def test_counts_are_added_up_and_none_is_left_out():
    assert summed([{"calls": 2, "bytes": 5}, {}, {"calls": 3, "folders": 0}]) == {
        "calls": 5,
        "bytes": 5,
    }
    assert summed([]) == {}


def test_counts_have_one_order_and_no_others_beside_them():
    found = summed([dict.fromkeys(reversed(COUNTS), 1) | {"invented": 1}])

    assert tuple(found) == COUNTS


def test_executions_that_are_different_have_different_names():
    of = ("2026-12-all", "webdav")

    names = {
        *(worker_name(*of, batch, attempt) for batch, attempt in ((1, 1), (1, 2), (2, 1))),
        *(service_name(*of, run) for run in (1, 2)),
    }

    assert len(names) == 5
    assert plan_name("2026-12-all", 1) != plan_name("2026-12-all", 2)


def test_the_longest_name_is_short_enough_for_an_execution():
    replication_id = "2026-12-0123abcd-dry-0123abcd"

    assert len(worker_name(replication_id, "webdav", 9_999_999, 999_999)) <= 80
