"""Ends of executions: what the machine could not record, and what everybody is told."""

import json

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises

from .calls import LONG_AGO, UPLOAD, put_call, query, row_of

MODULE = "post_call.on_execution_ended"
OTHER = "arn:aws:states:us-east-1:123456789012:execution:aftercall-PostCallStateMachine:other"
TIMED_OUT = [
    {"id": 9, "type": "ExecutionTimedOut", "executionTimedOutEventDetails": {}},
    {
        "id": 8,
        "type": "TaskStateEntered",
        "stateEnteredEventDetails": {"name": "Transcribe Embedded"},
    },
]


def failed_with(error: str, cause: str) -> list[dict]:
    details = {"error": error, "cause": cause}
    return [{"id": 9, "type": "ExecutionFailed", "executionFailedEventDetails": details}]


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def execution(event, cloud, module, monkeypatch):
    """What Step Functions knows of the event's execution; tests change it."""
    detail = json.loads(event["Records"][0]["body"])["detail"]
    known = {
        "arn": detail["executionArn"],
        "input": json.loads(detail["input"]),
        "history": TIMED_OUT,
    }

    class StepFunctions:
        def describe_execution(self, executionArn):  # noqa: N803
            assert executionArn == known["arn"]
            return {"input": json.dumps(known["input"])}

        def get_execution_history(self, executionArn, reverseOrder, maxResults):  # noqa: N803
            assert (executionArn, reverseOrder) == (known["arn"], True)
            return {"events": known["history"][:maxResults]}

    monkeypatch.setattr(module, "stepfunctions", StepFunctions)
    monkeypatch.setattr("shared.executions.stepfunctions", StepFunctions)
    return known


@pytest.fixture
def call_id(execution):
    return execution["input"]["call_id"]


def test_marks_the_call_that_the_execution_still_held(
    module, event, execution, call_id, cloud, context
):
    put_call(cloud, call_id, execution["arn"])

    result = module.handler(event, context)

    row = row_of(cloud, call_id)
    assert result == {"batchItemFailures": []}
    assert (row["state"], row["error"]) == ("FAILED", "States.Timeout")
    assert row["failed_state"] == "transcribe_embedded"
    assert {name: row[name] for name in UPLOAD} == UPLOAD


def test_tells_the_other_domains_once(module, event, execution, call_id, cloud, context):
    put_call(cloud, call_id, execution["arn"])
    published = cloud.watch_bus()

    module.handler(event, context)

    [told] = published()
    assert (told["source"], told["detail-type"]) == ("aftercall.post_call", "CallFailed")
    assert told["detail"]["event_id"] == f"{call_id}-CallFailed"
    assert told["detail"]["data"] == {"call_id": call_id, "error": "States.Timeout"}


def test_a_call_that_timed_out_is_found_by_its_day(
    module, event, execution, call_id, cloud, context
):
    put_call(cloud, call_id, execution["arn"])

    module.handler(event, context)

    [found] = query(cloud, "by_day", "day", "2026-03-02")
    assert found["call_id"] == call_id


def test_records_an_execution_that_ended_before_it_claimed_its_call(
    module, event, execution, call_id, cloud, context
):
    published = cloud.watch_bus()

    module.handler(event, context)

    row = row_of(cloud, call_id)
    assert (row["state"], row["attempt"]) == ("FAILED", 1)
    assert row["execution_arn"] == execution["arn"]
    assert len(published()) == 1


@pytest.mark.parametrize(
    "lost",
    [{"state": "FAILED", "error": "Old"}, {"state": "PROCESSING", "lease_expires_at": LONG_AGO}],
    ids=["after one that failed", "after one that vanished"],
)
def test_records_a_later_attempt_that_ended_before_it_claimed_its_call(
    module, event, execution, call_id, cloud, context, lost
):
    put_call(cloud, call_id, OTHER, **lost)
    execution["input"]["attempt"] = 2
    published = cloud.watch_bus()

    module.handler(event, context)

    row = row_of(cloud, call_id)
    assert (row["state"], row["attempt"]) == ("FAILED", 2)
    assert (row["error"], row["execution_arn"]) == ("States.Timeout", execution["arn"])
    assert len(published()) == 1


def test_tells_again_what_an_earlier_run_recorded_and_could_not_tell(
    module, event, execution, call_id, cloud, context, intercept
):
    put_call(cloud, call_id, execution["arn"])
    published = cloud.watch_bus()
    intercept("PutEvents", before=raises(aws_error("InternalException", status=500)))
    with pytest.raises(Exception, match="All records failed"):
        module.handler(event, context)
    assert published() == []

    module.handler(event, context)

    assert [told["detail"]["event_id"] for told in published()] == [f"{call_id}-CallFailed"]


def test_tells_what_the_machine_recorded_and_leaves_it_as_it_is(
    module, event, execution, call_id, cloud, context
):
    recorded = {"error": "RecordingEmpty", "cause": "no bytes", "failed_state": "fetch_recording"}
    failed_at = "2026-03-02T09:20:00Z"
    put_call(cloud, call_id, execution["arn"], state="FAILED", failed_at=failed_at, **recorded)
    execution["history"] = failed_with("RecordingEmpty", "no bytes")
    before = row_of(cloud, call_id)
    published = cloud.watch_bus()

    module.handler(event, context)

    assert row_of(cloud, call_id) == before
    [told] = published()
    assert told["detail"]["data"] == {"call_id": call_id, "error": "RecordingEmpty"}
    assert told["detail"]["occurred_at"] == failed_at


def test_an_event_that_comes_twice_tells_the_same_twice(
    module, event, execution, call_id, cloud, context
):
    put_call(cloud, call_id, execution["arn"])
    published = cloud.watch_bus()

    module.handler(event, context)
    module.handler(event, context)

    first, second = published()
    assert first["detail"] == second["detail"]


def test_names_an_event_by_its_attempt(module, event, execution, call_id, cloud, context):
    record = event["Records"][0]
    name = f"{call_id}-2"
    record["body"] = record["body"].replace(f'"name":"{call_id}"', f'"name":"{name}"')
    put_call(cloud, call_id, execution["arn"], attempt=2)
    published = cloud.watch_bus()

    module.handler(event, context)

    assert [told["detail"]["event_id"] for told in published()] == [f"{name}-CallFailed"]


def test_counts_a_failed_call_when_it_has_told_of_it(
    module, event, execution, call_id, cloud, context, capsys
):
    put_call(cloud, call_id, OTHER, attempt=2)
    module.handler(event, context)
    assert '"CallFailed"' not in capsys.readouterr().out

    put_call(cloud, call_id, execution["arn"])
    module.handler(event, context)

    assert '"CallFailed":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize(
    "row",
    [
        {"state": "ANALYSED", "execution_arn": OTHER, "attempt": 2},
        {"state": "PROCESSING", "execution_arn": OTHER, "attempt": 2},
        {"state": "FAILED", "execution_arn": OTHER, "attempt": 2},
    ],
)
def test_tells_nothing_of_a_call_that_is_somebody_elses(
    module, event, execution, call_id, cloud, context, row
):
    put_call(cloud, **({"call_id": call_id, "execution_arn": execution["arn"]} | row))
    before = row_of(cloud, call_id)
    published = cloud.watch_bus()

    result = module.handler(event, context)

    assert result == {"batchItemFailures": []}
    assert row_of(cloud, call_id) == before
    assert published() == []


def test_an_analysed_call_whose_events_were_never_sent_has_failed_and_can_be_tried_again(
    module, event, execution, call_id, cloud, context
):
    put_call(cloud, call_id, execution["arn"], state="ANALYSED")
    published = cloud.watch_bus()

    module.handler(event, context)

    assert row_of(cloud, call_id)["state"] == "FAILED"
    assert len(published()) == 1


def test_gives_the_message_of_a_lambda_and_the_error_of_a_child(
    module, event, execution, call_id, cloud, context
):
    message = json.dumps({"errorMessage": "what went wrong", "stackTrace": ["x"]})
    child = json.dumps({"Error": "SpeechEngineMissing", "Cause": message})
    execution["history"] = failed_with("States.TaskFailed", child)
    put_call(cloud, call_id, execution["arn"])

    module.handler(event, context)

    row = row_of(cloud, call_id)
    assert (row["error"], row["cause"]) == ("SpeechEngineMissing", "what went wrong")


def test_cuts_a_long_cause(module, event, execution, call_id, cloud, context):
    execution["history"] = failed_with("Any", "x" * 32_768)
    put_call(cloud, call_id, execution["arn"])

    module.handler(event, context)

    assert len(row_of(cloud, call_id)["cause"]) == 4000


def test_comes_back_to_an_end_that_the_history_does_not_show_yet(
    module, event, execution, call_id, cloud, context
):
    event["Records"][0]["body"] = event["Records"][0]["body"].replace("TIMED_OUT", "FAILED")
    execution["history"] = TIMED_OUT[1:]
    put_call(cloud, call_id, execution["arn"])

    with pytest.raises(Exception, match="All records failed"):
        module.handler(event, context)

    assert row_of(cloud, call_id)["state"] == "PROCESSING"


def test_records_a_timeout_that_the_history_does_not_show_yet(
    module, event, execution, call_id, cloud, context
):
    execution["history"] = TIMED_OUT[1:]
    put_call(cloud, call_id, execution["arn"])

    module.handler(event, context)

    row = row_of(cloud, call_id)
    assert (row["error"], row["failed_state"]) == ("States.Timeout", "transcribe_embedded")


def test_fails_only_the_message_that_it_cannot_read(
    module, event, execution, call_id, cloud, context
):
    put_call(cloud, call_id, execution["arn"])
    broken = event["Records"][0] | {"messageId": "broken", "body": "{}"}

    result = module.handler({"Records": [broken, *event["Records"]]}, context)

    assert result == {"batchItemFailures": [{"itemIdentifier": "broken"}]}
    assert row_of(cloud, call_id)["state"] == "FAILED"


def test_asks_step_functions_by_the_arn_of_the_event(step, event, cloud, context, intercept):
    module = step(MODULE)
    intercept("DescribeExecution", before=fails_with("ThrottlingException"))

    with pytest.raises(Exception, match="All records failed") as raised:
        module.handler(event, context)

    assert TransientError.__name__ in str(raised.value)


def test_logs_neither_cause_nor_key(module, event, execution, call_id, cloud, context, capsys):
    execution["history"] = failed_with("Any", "Peter Miller said")
    put_call(cloud, call_id, execution["arn"])

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert '"error":"Any"' in logged
    assert "Miller" not in logged
    assert "SarahK" not in logged
