"""Starting attempts: under which name, with what, and when a call may be tried again."""

import importlib
import json

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from shared.times import format_time, now, parse_time
from tests import asl
from tests.unit.aws_errors import fails_with

from .calls import FAR_AHEAD, LONG_AGO

CALL = "c1"
CREATED_AT = "2026-03-02T09:16:02Z"


@pytest.fixture
def attempts(step):
    step("post_call.redrive_call")
    return importlib.import_module("post_call.attempts")


@pytest.fixture
def recording(event_of):
    return event_of("post_call.fetch_recording")["recording"]


@pytest.fixture
def start(attempts, cloud, recording):
    def start_attempt(attempt: int = 1) -> bool:
        machine = cloud.arn("PostCallStateMachine")
        return attempts.start_attempt(machine, CALL, attempt, recording, CREATED_AT)

    return start_attempt


def executions(cloud) -> dict[str, dict]:
    """Inputs by the names of their executions."""
    machine = cloud.arn("PostCallStateMachine")
    listed = cloud.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    arns = {one["name"]: one["executionArn"] for one in listed}
    return {
        name: json.loads(cloud.stepfunctions.describe_execution(executionArn=arn)["input"])
        for name, arn in arns.items()
    }


def test_an_attempt_is_named_by_call_and_number(start, cloud):
    assert [start(1), start(2), start(3)] == [True, True, True]

    assert {name: given["attempt"] for name, given in executions(cloud).items()} == {
        "c1": 1,
        "c1-2": 2,
        "c1-3": 3,
    }


def test_an_attempt_is_started_once(start, attempts, cloud, monkeypatch):
    start(2)
    monkeypatch.setattr(attempts, "now", lambda: parse_time("2030-01-01T00:00:00Z"))

    assert start(2) is False

    assert set(executions(cloud)) == {"c1-2"}


def test_an_attempt_gets_all_that_the_machine_takes(start, cloud, recording):
    before = format_time(now())

    start(2)

    given = executions(cloud)["c1-2"]
    taken = asl.machines()["post_call"]["States"]["Prepare Call"]["Parameters"]
    assert {f"$.{name}" for name in given} <= set(map(str, taken.values()))
    assert (given["call_id"], given["created_at"]) == (CALL, CREATED_AT)
    assert given["recording"] == recording
    assert before <= given["started_at"] <= format_time(now())


def test_a_lease_outlives_the_execution_that_holds_it(start, cloud):
    start(1)

    given = executions(cloud)["c1"]
    lease = parse_time(given["lease_expires_at"]) - parse_time(given["started_at"])
    assert lease.total_seconds() > asl.machines()["post_call"]["TimeoutSeconds"]


def test_asks_for_another_try_when_a_start_is_throttled(start, intercept):
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match="ThrottlingException"):
        start(1)


def test_a_refused_start_is_no_attempt_that_was_started_before(start, intercept):
    intercept("StartExecution", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDeniedException"):
        start(1)


@pytest.mark.parametrize(
    ("state", "lease_expires_at", "may"),
    [
        ("FAILED", FAR_AHEAD, True),
        ("FAILED", None, True),
        ("PROCESSING", LONG_AGO, True),
        ("PROCESSING", FAR_AHEAD, False),
        ("ANALYSED", LONG_AGO, False),
    ],
)
def test_what_failed_or_vanished_may_be_tried_again(attempts, state, lease_expires_at, may):
    call = {"state": state, "lease_expires_at": lease_expires_at}

    assert attempts.may_be_tried_again(call) is may


def test_a_call_without_a_lease_that_failed_before_its_claim_may_be_tried_again(attempts):
    assert attempts.may_be_tried_again({"state": "FAILED"})


def test_an_attempt_may_claim_what_may_be_tried_again(attempts, recording, monkeypatch):
    """The machine claims what is younger than `started_at`; both must mean the same moment."""
    moment = parse_time("2026-03-02T16:16:05Z")
    monkeypatch.setattr(attempts, "now", lambda: moment)
    call = {"state": "PROCESSING", "lease_expires_at": LONG_AGO}

    given = attempts.execution_input(CALL, 2, recording, CREATED_AT, moment)

    assert attempts.may_be_tried_again(call)
    assert call["lease_expires_at"] < given["started_at"]
