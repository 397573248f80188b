"""Working for a ticket again: later each time."""

from importlib import import_module

import pytest

from .factories import ID, any_ticket, at

MODULE = "tickets.record_failure"


@pytest.fixture
def restarts(load):
    load(MODULE)
    return import_module("tickets.restarts")


@pytest.mark.parametrize(
    ("before", "pause"),
    [
        (0, {"minutes": 1}),
        (1, {"minutes": 2}),
        (2, {"minutes": 4}),
        (8, {"minutes": 256}),
        (9, {"hours": 6}),
        (10_000, {"hours": 6}),
    ],
)
def test_each_time_after_twice_as_long_up_to_six_hours(restarts, around, before, pause):
    around.put(any_ticket(), restarts=before)

    restarts.put_off_restart(ID, 1)

    workflow = around.workflow()
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(**pause))
    assert (workflow["restarts"], workflow["run"]) == (before, 1)


def test_an_execution_that_is_followed_by_another_puts_nothing_off(restarts, around):
    around.put(any_ticket(), run=2)
    before = around.workflow()

    restarts.put_off_restart(ID, 1)

    assert around.workflow() == before


def test_a_ticket_that_is_not_there_is_not_worked_for(restarts):
    restarts.put_off_restart(ID, 1)
