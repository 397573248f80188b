"""What failed, where and why: in the ticket's history; and when it is tried again."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import any_ticket, at

MODULE = "tickets.record_failure"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def test_writes_the_failure_into_the_history_and_gives_it_back(module, around, event, context):
    around.put(any_ticket())

    output = module.handler(event, context)

    assert output == {"error": "TransientError", "cause": "ThrottlingException: GetItem"}
    [entry] = around.history()
    assert (entry.event, entry.by, entry.before) == ("workflow_failed", "workflow", "review_case")
    assert entry.text == "TransientError: ThrottlingException: GetItem"
    assert around.get() == any_ticket(version=2)


@pytest.mark.parametrize(("restarts", "minutes"), [(0, 1), (3, 8)])
def test_has_the_schedule_start_another_execution_later_each_time(
    module, around, event, context, restarts, minutes
):
    around.put(any_ticket(), restarts=restarts)

    module.handler(event, context)

    workflow = around.workflow()
    assert workflow["attention_at"] == at(minutes=minutes)
    assert (workflow["run"], workflow["restarts"]) == (1, restarts)


def test_the_failure_of_an_older_execution_is_none_of_the_ticket_s(module, around, event, context):
    ticket = around.put(any_ticket(), run=2)
    before = around.workflow()

    output = module.handler(event, context)

    assert output["error"] == "TransientError"
    assert around.get() == ticket
    assert around.workflow() == before


def test_keeps_a_long_cause_short(module, around, event, context):
    around.put(any_ticket())
    failed = {"close_case": {"Error": "KeyError", "Cause": "x" * 30_000}}

    output = module.handler(event | {"failed": failed}, context)

    assert len(output["cause"]) <= 4000
    assert len(around.history()[0].text) <= 1000


def test_takes_an_error_without_a_cause(module, around, event, context):
    around.put(any_ticket())
    failed = {"open_case": {"Error": "States.Timeout"}}

    output = module.handler(event | {"failed": failed}, context)

    assert output == {"error": "States.Timeout", "cause": ""}


def test_what_cannot_be_recorded_now_is_retried(module, around, event, context, intercept):
    around.put(any_ticket())
    intercept("TransactWriteItems", before=fails_with("ThrottlingException"))
    with pytest.raises(TransientError):
        module.handler(event, context)

    module.handler(event, context)

    assert around.events() == ["workflow_failed"]


def test_logs_the_error_s_name_and_not_its_cause(module, around, event, context, capsys):
    around.put(any_ticket())
    failed = {"open_case": {"Error": "ValueError", "Cause": "John Smith is no number"}}

    module.handler(event | {"failed": failed}, context)

    logged = capsys.readouterr().out
    assert '"error":"ValueError"' in logged
    assert "John" not in logged
