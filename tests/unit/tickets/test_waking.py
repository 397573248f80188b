"""Completing an execution's wait; a wake that is lost loses nothing."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import ID, any_ticket
from .surroundings import TOKEN


@pytest.fixture
def waking(load):
    load("tickets.watch_cases")
    return import_module("tickets.waking")


def test_completes_the_wait(waking, around):
    around.put(any_ticket(), task_token=TOKEN)

    assert waking.wake(ID) is True

    assert around.tasks.completed == [TOKEN]


def test_says_nothing_but_that_it_should_look(waking, around, monkeypatch):
    around.put(any_ticket(), task_token=TOKEN)
    told = []
    clients = import_module("shared.clients").stepfunctions()
    monkeypatch.setattr(clients, "send_task_success", lambda **given: told.append(given))

    waking.wake(ID)

    assert told == [{"taskToken": TOKEN, "output": "{}"}]


def test_wakes_nobody_where_nobody_waits(waking, around):
    assert waking.wake(ID) is False
    around.put(any_ticket())
    assert waking.wake(ID) is False

    assert around.tasks.completed == []


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_wait_that_is_over_is_no_failure(waking, around, code):
    around.put(any_ticket(), task_token=TOKEN)
    around.tasks.end(TOKEN, code)

    assert waking.wake(ID) is False


def test_the_second_wake_of_a_wait_wakes_nobody(waking, around):
    around.put(any_ticket(), task_token=TOKEN)

    assert [waking.wake(ID), waking.wake(ID)] == [True, False]


@pytest.mark.parametrize("operation", ["GetItem", "SendTaskSuccess"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_what_cannot_be_woken_now_is_left_to_the_schedule(
    waking, around, intercept, capsys, operation, trouble
):
    around.put(any_ticket(), task_token=TOKEN)
    intercept(operation, **trouble)

    assert waking.wake(ID) is False

    logged = capsys.readouterr().out
    assert "execution not woken" in logged
    assert TOKEN not in logged


def test_what_may_never_be_woken_is_a_fault(waking, around, intercept):
    around.put(any_ticket(), task_token=TOKEN)
    intercept("SendTaskSuccess", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError):
        waking.wake(ID)
