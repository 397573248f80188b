"""What is written of a failed call, by its owner and by others."""

import json

import pytest

from shared.errors import TransientError
from shared.times import now, parse_time
from tests.unit.aws_errors import fails_with, reply_is_lost

from .calls import UPLOAD, put_call, query, row_of

MODULE = "post_call.record_failure"
OTHER = "arn:aws:states:us-east-1:123456789012:execution:aftercall-PostCallStateMachine:other"


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


@pytest.fixture
def module(step):
    return step(MODULE)


def test_writes_state_error_and_cause_of_its_own_call(module, event, cloud, context):
    put_call(cloud, event["call_id"], event["execution_arn"])
    before = now()

    output = module.handler(event, context)

    row = row_of(cloud, event["call_id"])
    assert row["state"] == "FAILED"
    assert row["failed_state"] == "fetch_recording"
    assert row["error"] == output["error"] == "RecordingTruncated"
    assert row["cause"] == output["cause"]
    assert output["cause"].startswith("the header promises 20.0 s")
    assert parse_time(row["failed_at"]) >= before


def test_a_failed_call_is_found_by_its_day(module, event, cloud, context):
    module.handler(event, context)

    [found] = query(cloud, "by_day", "day", "2026-03-02")

    assert (found["call_id"], found["state"]) == (event["call_id"], "FAILED")


def test_writes_a_call_that_nobody_could_claim(module, event, cloud, context):
    module.handler(event, context)

    row = row_of(cloud, event["call_id"])
    assert (row["state"], row["attempt"]) == ("FAILED", 1)
    assert row["execution_arn"] == event["execution_arn"]
    assert row["recording_key"] == event["recording"]["key"]
    assert {name: row[name] for name in UPLOAD} == UPLOAD


def test_tells_nobody_so_that_one_place_tells_of_every_failure(module, event, cloud, context):
    published = cloud.watch_bus()

    output = module.handler(event, context)

    assert set(output) == {"error", "cause"}
    assert published() == []


def test_writes_a_later_attempt_that_could_not_claim_over_the_failure_before(
    module, event, cloud, context
):
    put_call(cloud, event["call_id"], OTHER, state="FAILED", attempt=1, error="Old")

    module.handler(event | {"attempt": 2}, context)

    row = row_of(cloud, event["call_id"])
    assert (row["attempt"], row["error"]) == (2, "RecordingTruncated")
    assert row["execution_arn"] == event["execution_arn"]


@pytest.mark.parametrize("state", ["PROCESSING", "ANALYSED", "FAILED"])
def test_leaves_a_call_alone_that_a_later_attempt_owns(module, event, cloud, context, state):
    put_call(cloud, event["call_id"], OTHER, state=state, attempt=2)
    before = row_of(cloud, event["call_id"])

    output = module.handler(event, context)

    assert row_of(cloud, event["call_id"]) == before
    assert output["error"] == "RecordingTruncated"


@pytest.mark.parametrize("state", ["PROCESSING", "ANALYSED"])
def test_leaves_a_call_alone_that_an_earlier_attempt_still_holds(
    module, event, cloud, context, state
):
    put_call(cloud, event["call_id"], OTHER, state=state, attempt=1)

    module.handler(event | {"attempt": 2}, context)

    assert row_of(cloud, event["call_id"])["execution_arn"] == OTHER


def test_keeps_what_an_earlier_analysis_left(module, event, cloud, context):
    put_call(cloud, event["call_id"], event["execution_arn"], analysis_version=1, categories=["A"])

    module.handler(event, context)

    row = row_of(cloud, event["call_id"])
    assert (row["state"], row["analysis_version"], row["categories"]) == ("FAILED", 1, ["A"])


def test_says_the_same_error_when_it_runs_twice(module, event, cloud, context, intercept):
    intercept("UpdateItem", after=reply_is_lost)
    with pytest.raises(TransientError):
        module.handler(event, context)

    output = module.handler(event, context)

    assert output["error"] == row_of(cloud, event["call_id"])["error"] == "RecordingTruncated"


def test_takes_the_reason_for_the_quarantine_when_quarantining_fails_too(
    module, event, cloud, context
):
    event["failed"] = {
        "quarantine_recording": {"Error": "ClientError", "Cause": "denied"},
        "fetch_recording": {"Error": "RecordingEmpty", "Cause": "no bytes"},
    }

    output = module.handler(event, context)

    assert (output["error"], output["cause"]) == ("RecordingEmpty", "no bytes")


def test_gives_the_childs_own_error_and_cause(module, event, cloud, context):
    grandchild = {"Error": "TransientError", "Cause": json.dumps({"errorMessage": "SlowDown: x"})}
    child = {"Error": "States.TaskFailed", "Cause": json.dumps(grandchild)}
    event["failed"] = {
        "transcribe_embedded": {"Error": "States.TaskFailed", "Cause": json.dumps(child)}
    }

    output = module.handler(event, context)

    assert (output["error"], output["cause"]) == ("TransientError", "SlowDown: x")
    assert row_of(cloud, event["call_id"])["failed_state"] == "transcribe_embedded"


def test_cuts_a_long_cause(module, event, cloud, context):
    event["failed"] = {"store_analysis": {"Error": "Any", "Cause": "x" * 32_768}}

    output = module.handler(event, context)

    assert len(output["cause"]) == len(row_of(cloud, event["call_id"])["cause"]) == 4000


def test_takes_a_failure_without_a_cause(module, event, cloud, context):
    event["failed"] = {"store_analysis": {"Error": "States.Timeout"}}

    output = module.handler(event, context)

    assert (output["error"], output["cause"]) == ("States.Timeout", "")


def test_asks_for_another_try_when_the_table_is_busy(module, event, context, intercept):
    intercept("UpdateItem", before=fails_with("ProvisionedThroughputExceededException"))

    with pytest.raises(TransientError):
        module.handler(event, context)


def test_logs_error_and_state_and_neither_cause_nor_key(module, event, context, capsys):
    event["failed"] = {"store_analysis": {"Error": "Any", "Cause": "Peter Miller said"}}

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert '"failed_state":"store_analysis"' in logged
    assert "Miller" not in logged
    assert "SarahK" not in logged
