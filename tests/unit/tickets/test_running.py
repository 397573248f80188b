"""Starting the execution that works for a ticket: once, or by the schedule."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import ID

MODULE = "tickets.watch_cases"


@pytest.fixture
def running(load):
    load(MODULE)
    return import_module("tickets.running")


def test_starts_the_execution_of_a_run(running, around):
    running.begin(ID, 2)

    assert around.executions() == {f"{ID}-2": {"ticket_id": ID, "run": 2}}


def test_each_run_has_one(running, around):
    for run in (1, 2, 1):
        running.begin(ID, run)

    assert sorted(around.executions()) == [f"{ID}-1", f"{ID}-2"]


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_what_has_ended_is_not_started_again(running, around, status):
    around.start(f"{ID}-1", status)

    running.begin(ID, 1)

    assert list(around.executions()) == [f"{ID}-1"]


@pytest.mark.parametrize(
    "trouble",
    [
        {"before": fails_with("ThrottlingException")},
        {"before": fails_with("InternalError", status=500)},
        {"after": reply_is_lost},
    ],
    ids=["throttled", "broken", "reply lost"],
)
def test_what_cannot_be_started_now_is_left_to_the_schedule(running, intercept, capsys, trouble):
    intercept("StartExecution", **trouble)

    running.begin(ID, 1)

    assert "execution not started" in capsys.readouterr().out


def test_what_may_never_be_started_is_a_fault(running, intercept):
    intercept("StartExecution", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError):
        running.begin(ID, 1)
