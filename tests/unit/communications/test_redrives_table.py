"""Storing runs and batches: whole stages or nothing, and no end is written over."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, raises, reply_is_lost

RUN = "run-1"
REPORT = {"total": 2, "counts": {"sent": 1, "failed": 1}, "causes": {"Any": 1}, "unconfirmed": 1}


@pytest.fixture
def table(step):
    step("communications.start_redrive")
    return import_module("communications.redrives_table")


def batches(*numbers):
    return [
        {
            "run_id": RUN,
            "batch": number,
            "communications": [{"communication_id": f"c{number}", "version": 7}],
        }
        for number in numbers
    ]


def states(around):
    return {name: item["state"] for name, item in around.redrive_items(RUN).items()}


# --- batches


def test_stores_all_batches_of_a_stage_as_they_are_given(table):
    assert table.create_batches(batches(1, 2), 3) is True

    stored = table.get_batches(RUN)
    assert [table.as_batch(one) for one in stored] == batches(1, 2)
    assert [(one["stage"], one["state"]) for one in stored] == [(3, "RUNNING")] * 2


def test_stores_a_hundred_batches_at_once_and_gives_them_in_order(table):
    assert table.create_batches(batches(*range(1, 101)), 1) is True

    assert [int(one["batch"]) for one in table.get_batches(RUN)] == list(range(1, 101))


def test_stores_none_of_a_stage_where_one_is_stored(table, around):
    around.put_batch(RUN, 2, state="FINISHED")

    assert table.create_batches(batches(1, 2, 3), 1) is False

    assert states(around) == {"batch#00002": "FINISHED"}


def cancelled(*codes):
    return ClientError(
        {
            "Error": {"Code": "TransactionCanceledException", "Message": "any"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": [{"Code": code} for code in codes],
        },
        "TransactWriteItems",
    )


@pytest.mark.parametrize(
    "trouble",
    [
        raises(cancelled("None", "TransactionConflict")),
        raises(cancelled("ThrottlingError")),
        fails_with("ThrottlingException"),
        reply_is_lost,
    ],
)
def test_a_conflict_passes_and_stores_nothing(table, around, intercept, trouble):
    intercept("TransactWriteItems", before=trouble)

    with pytest.raises(TransientError):
        table.create_batches(batches(1, 2), 1)

    assert states(around) == {}


def test_a_refused_transaction_is_a_fault(table, intercept):
    intercept("TransactWriteItems", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDenied"):
        table.create_batches(batches(1), 1)


# --- changes

UPDATES = {
    "run": lambda table, **values: table.update_run(RUN, **values),
    "batch": lambda table, **values: table.update_batch(RUN, 1, **values),
}


def put_in(around, item, state):
    if item == "run":
        around.put_run(RUN, state=state)
    else:
        around.put_batch(RUN, 1, state=state)


@pytest.mark.parametrize("item", UPDATES)
@pytest.mark.parametrize("state", ["REQUESTED", "RUNNING"])
def test_changes_what_has_not_ended(table, around, item, state):
    put_in(around, item, state)

    assert UPDATES[item](table, state="FAILED", error="Any") is True

    [stored] = around.redrive_items(RUN).values()
    assert (stored["state"], stored["error"]) == ("FAILED", "Any")


@pytest.mark.parametrize("item", UPDATES)
@pytest.mark.parametrize("state", ["FINISHED", "STOPPED", "FAILED"])
def test_leaves_what_has_ended(table, around, item, state):
    put_in(around, item, state)
    before = around.redrive_items(RUN)

    assert UPDATES[item](table, state="RUNNING", error="Any") is False
    assert UPDATES[item](table, communications=7) is False

    assert around.redrive_items(RUN) == before


@pytest.mark.parametrize("item", UPDATES)
def test_changes_nothing_that_is_not_there(table, around, item):
    assert UPDATES[item](table, state="RUNNING") is False

    assert around.redrive_items(RUN) == {}


@pytest.mark.parametrize("item", UPDATES)
def test_a_change_that_is_throttled_passes(table, around, intercept, item):
    put_in(around, item, "RUNNING")
    intercept("UpdateItem", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        UPDATES[item](table, state="FINISHED")


def test_stores_a_run_once(table, around):
    assert table.create_run(RUN, {"state": "REQUESTED"}) is True
    assert table.create_run(RUN, {"state": "RUNNING"}) is False

    assert table.get_run(RUN)["state"] == "REQUESTED"


# --- the end of a run


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        (["FINISHED"], "FINISHED"),
        (["FINISHED", "FINISHED"], "FINISHED"),
        (["FAILED", "FINISHED"], "FAILED"),
        (["FINISHED", "RUNNING"], "RUNNING"),
        (["FAILED", "RUNNING"], "RUNNING"),
    ],
)
def test_a_run_ends_with_the_last_of_its_batches(table, around, ended, state):
    around.put_run(RUN, state="RUNNING")
    for number, one in enumerate(ended, 1):
        around.put_batch(RUN, number, state=one)

    table.end_run_of_ended_batches(RUN)

    assert states(around)["run"] == state
    assert ("outcome" in around.redrive_items(RUN)["run"]) == (state != "RUNNING")


def test_the_outcome_of_a_run_is_that_of_all_its_batches(table, around):
    around.put_run(RUN, state="RUNNING")
    around.put_batch(RUN, 1, state="FINISHED", report=REPORT)
    around.put_batch(RUN, 2, state="FINISHED", report=REPORT)
    around.put_batch(RUN, 3, state="FAILED", error="States.Timeout")

    table.end_run_of_ended_batches(RUN)

    assert around.redrive_items(RUN)["run"]["outcome"].splitlines() == [
        "Redrive run-1: 4 communications.",
        "  2 sent",
        "  2 failed again",
        "Causes:",
        "  Any: 2",
    ]


def test_a_canary_is_ended_by_its_own_machine(table, around):
    around.put_run(RUN, state="RUNNING", canary=True)
    around.put_batch(RUN, 1, state="FINISHED", report=REPORT)

    table.end_run_of_ended_batches(RUN)

    assert states(around)["run"] == "RUNNING"


def test_a_run_that_has_ended_keeps_its_end(table, around):
    around.put_run(RUN, state="FINISHED", outcome="as it was")
    around.put_batch(RUN, 1, state="FAILED")

    table.end_run_of_ended_batches(RUN)

    run = around.redrive_items(RUN)["run"]
    assert (run["state"], run["outcome"]) == ("FINISHED", "as it was")


def test_batches_whose_run_nobody_knows_end_nothing(table, around):
    around.put_batch(RUN, 1, state="FINISHED")

    table.end_run_of_ended_batches(RUN)

    assert list(states(around)) == ["batch#00001"]
