"""Starting a failed call again: what is started, and what is left alone."""

import json

import pytest
from botocore.exceptions import ClientError

from shared.errors import CallNotFailed, TransientError
from shared.times import parse_time
from tests.unit.aws_errors import fails_with

from .calls import FAR_AHEAD, LONG_AGO, put_call, row_of

MODULE = "post_call.redrive_call"


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def first(event, cloud):
    """What the first attempt was given; it was started and has failed."""
    return failed_attempt(cloud, event["call_id"], 1)


def failed_attempt(cloud, call_id: str, attempt: int, **row) -> dict:
    """An attempt that Step Functions knows, and the row that it left."""
    given = {
        "call_id": call_id,
        "attempt": attempt,
        "recording": {
            "bucket": cloud.name("RecordingsBucket"),
            "key": "recordings/AGENT_SarahK.flac",
            "etag": "0" * 32,
            "size_bytes": 1000 + attempt,
            "version_id": f"version {attempt}",
        },
        "created_at": "2026-03-02T09:16:02Z",
        "started_at": "2026-03-02T09:16:04Z",
        "lease_expires_at": LONG_AGO,
    }
    arn = cloud.stepfunctions.start_execution(
        stateMachineArn=cloud.arn("PostCallStateMachine"),
        name=call_id if attempt == 1 else f"{call_id}-{attempt}",
        input=json.dumps(given),
    )["executionArn"]
    put_call(cloud, call_id, arn, **({"state": "FAILED", "attempt": attempt} | row))
    return given


def started(cloud) -> dict[str, dict]:
    """Inputs by the names of their executions."""
    machine = cloud.arn("PostCallStateMachine")
    described = [
        cloud.stepfunctions.describe_execution(executionArn=one["executionArn"])
        for one in cloud.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    ]
    return {one["name"]: json.loads(one["input"]) for one in described}


def test_starts_the_next_attempt_on_the_same_recording(module, event, first, cloud, context):
    output = module.handler(event, context)

    second = started(cloud)[f"{event['call_id']}-2"]
    assert output == {"call_id": event["call_id"], "attempt": 2}
    assert second["attempt"] == 2
    for name in ("call_id", "recording", "created_at"):
        assert second[name] == first[name]
    assert second["started_at"] > first["started_at"]
    assert second["lease_expires_at"] > LONG_AGO


def test_goes_on_from_the_last_attempt_and_its_upload(module, event, first, cloud, context):
    last = failed_attempt(cloud, event["call_id"], 2)

    output = module.handler(event, context)

    assert output["attempt"] == 3
    assert started(cloud)[f"{event['call_id']}-3"]["recording"] == last["recording"]


def test_starts_a_call_again_whose_lease_has_run_out(module, event, cloud, context):
    vanished = {"state": "PROCESSING", "lease_expires_at": LONG_AGO}
    failed_attempt(cloud, event["call_id"], 1, **vanished)

    assert module.handler(event, context)["attempt"] == 2


@pytest.mark.parametrize(
    "row",
    [
        {"state": "PROCESSING", "lease_expires_at": FAR_AHEAD},
        {"state": "ANALYSED"},
        {"state": "ANALYSED", "lease_expires_at": LONG_AGO},
    ],
)
def test_leaves_alone_what_is_processed_or_analysed(module, event, cloud, context, row):
    failed_attempt(cloud, event["call_id"], 1, **row)
    before = row_of(cloud, event["call_id"])

    with pytest.raises(CallNotFailed, match=f"The call is {row['state']}"):
        module.handler(event, context)

    assert set(started(cloud)) == {event["call_id"]}
    assert row_of(cloud, event["call_id"]) == before


def test_knows_no_call_that_is_not_there(module, event, cloud, context):
    with pytest.raises(CallNotFailed, match="no call with this id"):
        module.handler(event, context)

    assert started(cloud) == {}


def test_starts_one_attempt_when_it_is_asked_twice(
    module, event, first, cloud, context, monkeypatch
):
    module.handler(event, context)
    monkeypatch.setattr("post_call.attempts.now", lambda: parse_time("2030-01-01T00:00:00Z"))

    with pytest.raises(CallNotFailed, match="Attempt 2 of this call was started already"):
        module.handler(event, context)

    assert len(started(cloud)) == 2


def test_does_not_write_the_row_which_the_attempt_claims_itself(
    module, event, first, cloud, context
):
    before = row_of(cloud, event["call_id"])

    module.handler(event, context)

    assert row_of(cloud, event["call_id"]) == before


def test_says_so_when_step_functions_has_forgotten_the_last_attempt(module, event, cloud, context):
    arn = cloud.arn("PostCallStateMachine").replace("stateMachine", "execution") + ":forgotten"
    put_call(cloud, event["call_id"], arn, state="FAILED")

    with pytest.raises(ClientError, match="ExecutionDoesNotExist"):
        module.handler(event, context)

    assert started(cloud) == {}


@pytest.mark.parametrize("operation", ["GetItem", "DescribeExecution", "StartExecution"])
def test_asks_for_another_try_when_aws_is_busy(module, event, first, context, intercept, operation):
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match="ThrottlingException"):
        module.handler(event, context)


def test_logs_call_and_attempt_and_no_key(module, event, first, context, capsys):
    module.handler(event, context)

    logged = capsys.readouterr().out
    assert '"attempt":2' in logged
    assert event["call_id"] in logged
    assert "SarahK" not in logged
