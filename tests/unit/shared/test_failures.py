"""What is made of an error and its cause."""

import json

import pytest

from shared.failures import CAUSE_LIMIT, plain_cause, root_failure


def task_failed(cause: object) -> dict[str, str]:
    return {
        "Error": "States.TaskFailed",
        "Cause": cause if isinstance(cause, str) else json.dumps(cause),
    }


def test_follows_nested_executions_to_the_error_that_began_it():
    real = {"Error": "RecordingMissing", "Cause": "gone"}

    found = root_failure(task_failed(task_failed(task_failed(real))))

    assert found == real


def test_leaves_every_other_error_as_it_is():
    failure = {"Error": "States.Timeout", "Cause": json.dumps({"Error": "Another"})}

    assert root_failure(failure) == failure


@pytest.mark.parametrize("cause", ["no JSON", "[]", "null", "{}", '{"Error": 3}', "7"])
def test_stops_where_the_cause_describes_no_execution(cause):
    assert root_failure(task_failed(cause)) == task_failed(cause)


@pytest.mark.parametrize("missing", [{}, {"Cause": None}])
def test_a_child_without_a_cause_has_an_empty_one(missing):
    child = {"Error": "States.Timeout", "Status": "TIMED_OUT"} | missing

    assert root_failure(task_failed(child)) == {"Error": "States.Timeout", "Cause": ""}


def test_gives_a_lambdas_message_without_its_stack():
    cause = json.dumps({"errorMessage": "what went wrong", "stackTrace": ["secret"]})

    assert plain_cause({"Error": "Any", "Cause": cause}) == "what went wrong"


@pytest.mark.parametrize("cause", ["plain", '{"errorMessage": null}', '{"errorMessage": 3}', "{"])
def test_gives_every_other_cause_as_it_is(cause):
    assert plain_cause({"Error": "Any", "Cause": cause}) == cause


def test_cuts_messages_and_causes_at_the_limit():
    message = json.dumps({"errorMessage": "x" * CAUSE_LIMIT + "y"})

    assert plain_cause({"Error": "Any", "Cause": message}) == "x" * CAUSE_LIMIT
    assert plain_cause({"Error": "Any", "Cause": "x" * CAUSE_LIMIT + "y"}) == "x" * CAUSE_LIMIT
