"""Closing a resolved case."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_ticket, at, later
from .surroundings import TOKEN

MODULE = "tickets.close_case"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def test_stores_the_summary_tells_the_customer_and_watches_it_no_more(
    module, around, cloud, event, context, clock
):
    around.put(any_ticket("RESOLVED"), restarts=1, task_token=TOKEN)
    published = cloud.watch_bus()
    clock(later(hours=1))

    assert module.handler(event, context) == {"closed": True}

    after = around.get()
    assert (after.state, after.closed_at) == ("CLOSED", at(hours=1))
    assert after.reopen_until == at(days=14, hours=1)
    assert after.summary.resolution == "Sent a new parcel."
    [told] = published()
    assert told["detail"]["data"]["template"] == "case_closed"
    assert around.events() == ["closed"]
    workflow = around.workflow()
    assert {"watched", "attention_at", "task_token"} & set(workflow) == set()
    assert (workflow["outbox"], workflow["restarts"]) == ({}, 0)


@pytest.mark.parametrize("state", ["QUEUED", "IN_PROGRESS", "MERGED"])
def test_leaves_alone_what_is_not_resolved(module, around, event, context, state):
    ticket = around.put(any_ticket(state))

    assert module.handler(event, context) == {"closed": False}

    assert around.get() == ticket


def test_leaves_alone_what_was_taken_up_again(module, around, event, context):
    around.put(any_ticket("QUEUED"), run=2)
    before = around.workflow()

    assert module.handler(event, context) == {"closed": False}

    assert around.workflow() == before


@pytest.mark.parametrize("operation", ["TransactWriteItems", "PutEvents", "UpdateItem"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_a_second_run_closes_it_only_once(
    module, around, cloud, event, context, intercept, operation, trouble
):
    around.put(any_ticket("RESOLVED"))
    published = cloud.watch_bus()
    intercept(operation, **trouble)
    with pytest.raises(TransientError):
        module.handler(event, context)

    assert module.handler(event, context) == {"closed": True}

    assert around.events() == ["closed"]
    assert len({told["detail"]["event_id"] for told in published()}) == 1
    assert around.outbox() == []
    assert "watched" not in around.workflow()


def test_logs_no_words_of_the_resolution(module, around, event, context, capsys):
    around.put(any_ticket("RESOLVED", resolution="Apologised to John Smith"))

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "case closed" in logged
    for word in ("Apologised", "John", "example.com"):
        assert word not in logged
