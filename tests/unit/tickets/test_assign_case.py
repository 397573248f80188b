"""Assigning a case, or having it wait for somebody."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_representative, any_ticket, at
from .surroundings import OTHER, SARAH

MODULE = "tickets.assign_case"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def test_offers_it_to_somebody_who_is_told(module, around, cloud, event, context):
    around.put(any_ticket("QUEUED"))
    around.put_representative(any_representative(email="sarah@example.com"))
    published = cloud.watch_bus()

    assert module.handler(event, context) == {"assigned": True}

    after = around.get()
    assert (after.state, after.assignee, after.return_at) == ("ASSIGNED", SARAH, at(minutes=15))
    [told] = published()
    assert told["detail"]["data"]["template"] == "case_assigned"
    assert told["detail"]["data"]["recipient"] == "sarah@example.com"
    assert around.outbox() == []


def test_waits_where_nobody_is_free(module, around, event, context):
    around.put(any_ticket("QUEUED"))

    assert module.handler(event, context) == {"assigned": False}

    assert around.get().state == "WAITING"
    assert around.events() == ["waits"]


def test_tickets_that_are_due_before_it_go_first(module, around, event, context):
    around.put(any_ticket("QUEUED", due_at=at(hours=2)))
    around.put(any_ticket("WAITING", ticket_id=OTHER, due_at=at(hours=1)))
    around.put_representative(any_representative(capacity=1))

    assert module.handler(event, context) == {"assigned": False}

    assert around.get(OTHER).assignee == SARAH
    assert around.get().state == "WAITING"


@pytest.mark.parametrize("state", ["ASSIGNED", "IN_PROGRESS", "PENDING"])
def test_what_somebody_has_already_stays_theirs(module, around, event, context, state):
    ticket = around.put(any_ticket(state))
    around.put_representative(any_representative("jane.d"))

    assert module.handler(event, context) == {"assigned": True}

    assert around.get() == ticket


def test_what_waits_already_goes_on_waiting(module, around, event, context):
    ticket = around.put(any_ticket("WAITING"))

    assert module.handler(event, context) == {"assigned": False}

    assert around.get() == ticket


def test_an_older_execution_steps_back(module, around, event, context):
    ticket = around.put(any_ticket("QUEUED"), run=2)
    around.put_representative(any_representative())

    assert module.handler(event, context) == {"assigned": False}

    assert around.get() == ticket


@pytest.mark.parametrize("operation", ["TransactWriteItems", "PutEvents", "UpdateItem"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_a_second_run_assigns_nothing_twice(
    module, around, cloud, event, context, intercept, operation, trouble
):
    around.put(any_ticket("QUEUED"))
    around.put_representative(any_representative())
    published = cloud.watch_bus()
    intercept(operation, **trouble)
    with pytest.raises(TransientError):
        module.handler(event, context)

    assert module.handler(event, context) == {"assigned": True}

    assert around.events() == ["assigned"]
    assert around.loads() == {SARAH: 1}
    assert len({told["detail"]["event_id"] for told in published()}) == 1
    assert around.outbox() == []
