"""Steps of an execution that is over step back."""

from importlib import import_module

import pytest

from tickets.rules.lifecycle import waits

from .factories import ID, any_ticket, at


@pytest.fixture
def turns(load):
    load("tickets.review_case")
    return import_module("tickets.turns")


def rule(ticket):
    return waits(ticket, at())


def test_gives_an_execution_its_own_ticket(turns, around):
    ticket = around.put(any_ticket(), run=2)

    assert turns.own_ticket(ID, 2) == ticket


@pytest.mark.parametrize("run", [1, 3])
def test_gives_another_execution_nothing(turns, around, run):
    around.put(any_ticket("QUEUED"), run=2)

    assert turns.own_ticket(ID, run) is None
    assert turns.own_change(ID, run, rule) is None

    assert around.get() == any_ticket("QUEUED")


def test_a_ticket_that_is_not_there_is_a_fault(turns, around, cloud):
    with pytest.raises(LookupError):
        turns.own_ticket(ID, 1)
    around.put(any_ticket())
    cloud.dynamodb.delete_item(TableName=cloud.name("TicketsTable"), Key={"ticket_id": {"S": ID}})
    with pytest.raises(LookupError):
        turns.own_change(ID, 1, rule)


def test_an_execution_changes_its_own_ticket(turns, around):
    around.put(any_ticket("QUEUED"), run=2)

    after = turns.own_change(ID, 2, rule)

    assert after == around.get()
    assert (after.state, around.events()) == ("WAITING", ["waits"])


def test_gives_the_ticket_where_the_rule_finds_nothing_to_do(turns, around):
    ticket = around.put(any_ticket("ASSIGNED"))

    assert turns.own_change(ID, 1, rule) == ticket


def test_steps_back_where_another_execution_takes_over_meanwhile(turns, around, intercept):
    around.put(any_ticket("QUEUED"))
    intercept("TransactWriteItems", before=lambda: around.put(any_ticket("QUEUED"), run=2))

    assert turns.own_change(ID, 1, rule) is None

    assert around.get() == any_ticket("QUEUED")
