"""A ticket for each call whose customer needs somebody."""

import pytest
from pydantic import ValidationError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import at

MODULE = "tickets.on_follow_up_requested"
CALL = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def test_opens_a_ticket_that_points_at_the_analysis(module, around, event, context):
    module.handler(event, context)

    [ticket] = around.every_ticket()
    assert (ticket.state, ticket.queue, ticket.priority) == ("NEW", "general", "high")
    assert (ticket.source.kind, ticket.source.id, ticket.trace_id) == ("call", CALL, CALL)
    assert (ticket.created_by, ticket.created_at) == ("post_call", at())
    assert ticket.call.model_dump(exclude_defaults=True) == {
        "analysis_bucket": "any-analyses-bucket",
        "analysis_key": f"analyses/{CALL}/1.json",
        "reasons": ("complaint", "customer_sentiment_low"),
    }
    assert list(around.executions()) == [f"{ticket.ticket_id}-1"]


@pytest.mark.parametrize(
    ("reasons", "priority"),
    [(["supervisor_request", "complaint"], "urgent"), (["promised_call_back"], "normal")],
)
def test_reasons_say_how_urgent_it_is(module, around, event, context, reasons, priority):
    event["detail"]["data"]["reasons"] = reasons

    module.handler(event, context)

    [ticket] = around.every_ticket()
    assert ticket.priority == priority


def test_the_same_call_never_opens_two(module, around, event, context):
    module.handler(event, context)
    event["detail"]["event_id"] = "another"
    event["detail"]["data"]["reasons"] = ["supervisor_request"]
    module.handler(event, context)

    [ticket] = around.every_ticket()
    assert ticket.priority == "high"
    assert len(around.executions()) == 1


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem", "TransactWriteItems"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_an_event_that_comes_again_opens_one(
    module, around, event, context, intercept, operation, trouble
):
    intercept(operation, **trouble)
    with pytest.raises(TransientError):
        module.handler(event, context)

    module.handler(event, context)

    [ticket] = around.every_ticket()
    assert around.events(ticket.ticket_id) == ["created"]
    assert len(around.executions()) == 1


def test_an_event_of_another_form_is_refused(module, around, event, context):
    del event["detail"]["data"]["call_id"]

    with pytest.raises(ValidationError):
        module.handler(event, context)

    assert around.every_ticket() == []


def test_logs_ids_and_no_keys(module, event, context, capsys):
    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "ticket created" in logged
    assert "analyses/" not in logged
