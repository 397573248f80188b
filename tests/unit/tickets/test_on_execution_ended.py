"""Executions that ended badly: somebody is told, and another one follows."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import ID, NUMBER, any_ticket, at
from .surroundings import OTHER

MODULE = "tickets.on_execution_ended"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of, around):
    """The event of an execution that there is."""
    given = event_of(MODULE)
    given["detail"]["executionArn"] = around.start(f"{ID}-1", "TIMED_OUT")
    return given


@pytest.mark.parametrize("status", ["TIMED_OUT", "ABORTED", "FAILED"])
def test_tells_somebody_and_has_another_execution_follow(module, around, event, context, status):
    around.put(any_ticket(), restarts=1, watched=None, attention_at=None)
    event["detail"]["status"] = status

    module.handler(event, context)

    [(subject, text)] = around.alerts()
    assert subject == f"The workflow of case {NUMBER} broke off"
    assert status in text
    workflow = around.workflow()
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(minutes=2))
    assert workflow["run"] == 1


@pytest.mark.parametrize(
    ("status", "told"), [("TIMED_OUT", True), ("ABORTED", True), ("FAILED", False)]
)
def test_writes_down_what_the_machine_could_not(module, around, event, context, status, told):
    around.put(any_ticket())
    event["detail"]["status"] = status

    module.handler(event, context)

    texts = [entry.text for entry in around.history() if entry.event == "workflow_failed"]
    assert [text.partition(":")[0] for text in texts] == [status] * told


def test_names_the_error(module, around, event, context):
    around.put(any_ticket())
    around.fail(f"{ID}-1", "KeyError", "John Smith")

    module.handler(event, context)

    [(_, text)] = around.alerts()
    assert "KeyError" in text
    assert "John" not in text


@pytest.mark.parametrize(
    ("ticket", "told"),
    [
        (any_ticket("EXHAUSTED", cause="Engage Tier 3 Support"), "Engage Tier 3 Support"),
        (any_ticket("QUEUED"), "taken it up again"),
    ],
)
def test_no_other_one_follows_where_no_tier_resolved_it(
    module, around, event, context, ticket, told
):
    around.put(ticket, watched=None, attention_at=None)
    around.fail(f"{ID}-1", "EscalationExhausted", "any cause")

    module.handler(event, context)

    [(subject, text)] = around.alerts()
    assert subject == f"Case {NUMBER} is not resolved"
    assert told in text
    assert "watched" not in around.workflow()


def test_an_execution_that_is_followed_already_puts_nothing_off(module, around, event, context):
    around.put(any_ticket(), run=2)
    before = around.workflow()

    module.handler(event, context)

    assert around.workflow() == before


def test_an_execution_of_no_ticket_is_only_logged(module, around, event, context, capsys):
    event["detail"]["executionArn"] = around.start(f"{OTHER}-1", "ABORTED", ticket_id=OTHER)

    module.handler(event, context)

    assert around.alerts() == []
    assert "an execution of no ticket" in capsys.readouterr().out


@pytest.mark.parametrize("operation", ["DescribeExecution", "GetItem", "UpdateItem", "Publish"])
def test_what_cannot_be_told_now_is_told_when_the_event_comes_again(
    module, around, event, context, intercept, operation
):
    around.put(any_ticket())
    intercept(operation, before=fails_with("ThrottlingException"))
    with pytest.raises(TransientError):
        module.handler(event, context)
    assert around.alerts() == []

    module.handler(event, context)

    assert len(around.alerts()) == 1
    assert around.workflow()["attention_at"] == at(minutes=1)
