"""What failed, where and why: on the batch, or on the run."""

import json

import pytest

MODULE = "communications.record_failure"
RUN = "scheduled-53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"


@pytest.fixture
def module(step):
    return step(MODULE)


def test_writes_the_failure_on_the_batch_and_gives_it_back(module, around, event_of, context):
    around.put_run(RUN, state="RUNNING")
    around.put_batch(RUN, 1)

    output = module.handler(event_of(MODULE), context)

    batch = around.redrive_items(RUN)["batch#00001"]
    assert output == {"error": "TransientError", "cause": "ThrottlingException: GetItem"}
    assert (batch["state"], batch["error"]) == ("FAILED", "TransientError")
    assert (batch["failed_state"], batch["cause"]) == ("collect_outcomes", output["cause"])
    assert batch["finished_at"]


@pytest.mark.parametrize(("other", "state"), [("RUNNING", "RUNNING"), ("FINISHED", "FAILED")])
def test_the_failure_of_its_last_batch_ends_a_run(module, around, event_of, context, other, state):
    around.put_run(RUN, state="RUNNING")
    around.put_batch(RUN, 1)
    around.put_batch(RUN, 2, state=other)

    module.handler(event_of(MODULE), context)

    assert around.redrive_items(RUN)["run"]["state"] == state


@pytest.mark.parametrize("batch", [1, None])
def test_leaves_an_end_that_is_recorded(module, around, event_of, context, batch):
    around.put_run(RUN, state="STOPPED", canary=True)
    around.put_batch(RUN, 1, state="FINISHED")
    before = around.redrive_items(RUN)

    module.handler(event_of(MODULE) | {"batch": batch}, context)

    assert around.redrive_items(RUN) == before


def test_writes_the_failure_of_a_canary_on_its_run(module, around, event_of, context):
    around.put_run(RUN, state="RUNNING", canary=True)

    module.handler(event_of(MODULE) | {"batch": None}, context)

    items = around.redrive_items(RUN)
    assert list(items) == ["run"]
    assert (items["run"]["state"], items["run"]["failed_state"]) == ("FAILED", "collect_outcomes")
    assert items["run"]["started_by"] == "sarah.k"


def test_names_the_error_of_the_nested_execution(module, around, event_of, context):
    child = json.dumps({"Error": "States.Timeout", "Cause": "any cause"})
    failed = {"redrive_batch": {"Error": "States.TaskFailed", "Cause": child}}

    output = module.handler(event_of(MODULE) | {"failed": failed}, context)

    assert output == {"error": "States.Timeout", "cause": "any cause"}


def test_takes_an_error_without_a_cause(module, event_of, context):
    failed = {"collect_outcomes": {"Error": "States.Timeout"}}

    output = module.handler(event_of(MODULE) | {"failed": failed}, context)

    assert output == {"error": "States.Timeout", "cause": ""}
