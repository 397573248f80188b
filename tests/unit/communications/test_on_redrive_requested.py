"""Starting what a person asked for: all at once, or as a canary."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import any_failed

MODULE = "communications.on_redrive_requested"
RUN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
CANARY = "CommunicationsCanaryStateMachine"


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def test_starts_all_batches_of_a_run(module, around, event, context):
    around.put(*(any_failed(communication_id=f"c{number}") for number in range(25)))
    around.put_run(RUN)

    module.handler(event, context)

    run = around.redrive_items(RUN)["run"]
    assert sorted(around.executions()) == [f"{RUN}-1", f"{RUN}-2"]
    assert (run["state"], run["communications"]) == ("RUNNING", 25)
    assert run["started_by"] == "sarah.k"


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"channel": "sms"}, "c2"),
        ({"error_class": "permanent"}, "c3"),
        ({"template": "case_update"}, "c4"),
        ({"customer_id": "1001"}, "c5"),
        ({"error": "Any", "error_class": "transient"}, "c6"),
        ({"template": "-", "error": "Own"}, "c7"),
    ],
)
def test_takes_only_what_was_selected(module, around, event, context, selection, chosen):
    around.put(
        any_failed(communication_id="c1"),
        any_failed(communication_id="c2", channel="sms", recipient="+12025550101"),
        any_failed(communication_id="c3", error_class="permanent"),
        any_failed(communication_id="c4", template="case_update", error="Own"),
        any_failed(communication_id="c5", customer_id="1001"),
        any_failed(communication_id="c6", error="Any"),
        any_failed(communication_id="c7", error="Own"),
    )
    around.put_run(RUN, selection=selection)

    module.handler(event, context)

    [given] = around.executions().values()
    assert [one["communication_id"] for one in given["communications"]] == [chosen]


def test_what_was_selected_may_be_permanent_but_not_exhausted(module, around, event, context):
    around.put(
        any_failed(communication_id="c1", error_class="permanent", redrives=3),
        any_failed(communication_id="c2", error_class="permanent", redrives=2),
    )
    around.put_run(RUN, selection={"error_class": "permanent"})

    module.handler(event, context)

    [given] = around.executions().values()
    assert [one["communication_id"] for one in given["communications"]] == ["c2"]


def test_a_run_that_finds_nothing_has_finished(module, around, event, context):
    around.put_run(RUN)

    module.handler(event, context)

    assert around.redrive_items(RUN)["run"]["state"] == "FINISHED"
    assert around.executions() == {}


def test_starts_the_same_executions_when_the_event_arrives_twice(module, around, event, context):
    around.put(any_failed())
    around.put_run(RUN)
    module.handler(event, context)
    around.put(any_failed(communication_id="later"))

    module.handler(event, context)

    assert list(around.executions()) == [f"{RUN}-1"]
    assert around.redrive_items(RUN)["run"]["communications"] == 1


def test_starts_what_it_could_not_when_the_event_comes_again(
    module, around, event, context, intercept
):
    around.put(any_failed())
    around.put_run(RUN)
    intercept("StartExecution", before=fails_with("ThrottlingException"))
    with pytest.raises(Exception, match="ThrottlingException"):
        module.handler(event, context)

    module.handler(event, context)

    assert list(around.executions()) == [f"{RUN}-1"]


def test_plans_a_stage_whole_or_not_at_all(module, around, event, context, intercept):
    around.put(*(any_failed(communication_id=f"c{number:02}") for number in range(25)))
    around.put_run(RUN)
    intercept("TransactWriteItems", before=lambda: around.put_batch(RUN, 2))

    with pytest.raises(TransientError, match="Conflict"):
        module.handler(event, context)

    assert sorted(around.redrive_items(RUN)) == ["batch#00002", "run"]
    assert around.executions() == {}


def test_starts_a_canary_once(module, around, event, context):
    around.put(any_failed())
    around.put_run(RUN, canary=True)

    module.handler(event, context)
    module.handler(event, context)

    assert around.executions(CANARY) == {RUN: {"run_id": RUN}}
    assert around.executions() == {}
    assert list(around.redrive_items(RUN)) == ["run"]
    assert around.redrive_items(RUN)["run"]["state"] == "RUNNING"


@pytest.mark.parametrize("canary", [True, False])
def test_a_run_is_running_before_anything_is_started(
    module, around, event, context, intercept, canary
):
    around.put(any_failed())
    around.put_run(RUN, canary=canary)
    found = []
    intercept("StartExecution", before=lambda: found.append(around.redrive_items(RUN)["run"]))

    module.handler(event, context)

    assert [run["state"] for run in found] == ["RUNNING"]


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("state", ["FINISHED", "STOPPED", "FAILED"])
def test_a_run_that_ends_at_once_has_ended(
    module, around, event, context, intercept, state, canary
):
    around.put(any_failed())
    around.put_run(RUN, canary=canary)
    intercept("StartExecution", after=lambda: around.put_run(RUN, canary=canary, state=state))

    module.handler(event, context)

    assert around.redrive_items(RUN)["run"]["state"] == state


def test_starts_a_canary_that_it_could_not_when_the_event_comes_again(
    module, around, event, context, intercept
):
    around.put_run(RUN, canary=True)
    intercept("StartExecution", before=fails_with("ThrottlingException"))
    with pytest.raises(Exception, match="ThrottlingException"):
        module.handler(event, context)

    module.handler(event, context)

    assert list(around.executions(CANARY)) == [RUN]


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("state", ["FINISHED", "STOPPED", "FAILED"])
def test_starts_nothing_that_has_ended(module, around, event, context, state, canary):
    around.put(any_failed())
    around.put_run(RUN, state=state, canary=canary)

    module.handler(event, context)

    assert around.executions() == around.executions(CANARY) == {}
    assert around.redrive_items(RUN)["run"]["state"] == state


def test_starts_nothing_that_nobody_asked_for(module, around, event, context, capsys):
    around.put(any_failed())

    module.handler(event, context)

    assert around.executions() == {}
    assert "redrive not started" in capsys.readouterr().out
