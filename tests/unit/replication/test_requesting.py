"""What is asked for again is the same replication, and is planned once."""

from importlib import import_module

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_replication, at

MODULE = "replication.start_replication"


@pytest.fixture
def requesting(load):
    load(MODULE)
    return import_module("replication.requesting")


def test_stores_what_was_asked_for_and_has_it_planned(requesting, around):
    names = ["1003/south", "1003/north", "1003/south"]

    given = requesting.request_replication("2026-12", names, "somebody")

    assert given == around.replication(given.replication_id)
    assert given.entities == ("1003/north", "1003/south")
    assert (given.state, given.requested_by, given.requested_at) == ("PLANNING", "somebody", at())
    assert list(around.executions("ReplicationPlan")) == [f"{given.replication_id}-1"]


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "CANCELLED", "FINISHED", "FAILED"])
def test_gives_what_was_asked_for_before_as_it_is_now(requesting, around, state):
    around.put(any_replication(state=state, requested_by="first"))

    given = requesting.request_replication("2026-12", None, "second")

    assert (given.state, given.requested_by) == (state, "first")
    assert around.executions("ReplicationPlan") == {}


def test_a_request_that_broke_off_before_the_start_starts_the_next_time(
    requesting, around, intercept
):
    intercept("PutItem", after=reply_is_lost)
    with pytest.raises(TransientError):
        requesting.request_replication("2026-12", None, "somebody")
    assert around.executions("ReplicationPlan") == {}

    requesting.request_replication("2026-12", None, "somebody")

    assert list(around.executions("ReplicationPlan")) == ["2026-12-all-1"]


def test_two_requests_at_once_are_one(requesting, around, intercept):
    def other():
        requesting.request_replication("2026-12", None, "second")

    intercept("PutItem", before=other)

    given = requesting.request_replication("2026-12", None, "first")

    assert given.requested_by == "second"
    assert list(around.executions("ReplicationPlan")) == ["2026-12-all-1"]


def test_a_start_that_is_lost_does_not_fail_the_request(requesting, around, intercept):
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    given = requesting.request_replication("2026-12", None, "somebody")

    assert around.replication(given.replication_id).state == "PLANNING"
    assert around.executions("ReplicationPlan") == {}


def test_the_id_tells_periods_entities_and_rehearsals_apart(requesting):
    asked = [
        ("2026-12", None, None),
        ("2026-11", None, None),
        ("2026-12", ["1003/a"], None),
        ("2026-12", ["1003/b"], None),
        ("2026-12", [], None),
        ("2026-12", None, "first"),
        ("2026-12", None, "second"),
        ("2026-12", ["1003/a"], "first"),
    ]

    assert len({requesting.identity(*one) for one in asked}) == len(asked)


def test_the_id_does_not_depend_on_the_order_of_names_or_on_repetitions(requesting):
    same = (["1003/a", "1002/b"], ["1002/b", "1003/a"], ["1003/a", "1002/b", "1003/a"])

    assert len({requesting.identity("2026-12", names, None) for names in same}) == 1


def test_a_rehearsal_is_a_dry_run(requesting):
    given = requesting.request_replication("2026-12", None, "somebody", rehearsal="")

    assert given.dry_run
    assert given.replication_id.startswith("2026-12-all-dry-")
