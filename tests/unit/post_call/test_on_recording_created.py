"""Events of recordings: what starts a call, what waits, and what is left alone."""

import json

import pytest
from botocore.exceptions import ClientError
from moto.backends import get_backend

from shared.times import parse_time
from tests.unit.aws_errors import fails_with, reply_is_lost
from tests.unit.template import ACCOUNT, REGION

from .calls import LONG_AGO, put_call

MODULE = "post_call.on_recording_created"


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def message(event: dict, number: int = 0, **changed_object: object) -> dict:
    """One of an event's messages, with a body of its own."""
    record = json.loads(json.dumps(event["Records"][0]))
    body = json.loads(record["body"])
    time = changed_object.pop("time", body["time"])
    body["detail"]["object"] |= changed_object
    return record | {"messageId": f"message-{number}", "body": json.dumps(body | {"time": time})}


def without_version(event: dict) -> dict:
    """The event's message as a bucket sends it that keeps no versions."""
    record = message(event)
    body = json.loads(record["body"])
    del body["detail"]["object"]["version-id"]
    return record | {"body": json.dumps(body)}


def other_calls(event: dict, count: int) -> list[dict]:
    return [message(event, number, etag=f"{number:032x}") for number in range(count)]


def executions(cloud) -> list[dict]:
    arn = cloud.arn("PostCallStateMachine")
    return cloud.stepfunctions.list_executions(stateMachineArn=arn)["executions"]


def inputs(cloud) -> list[dict]:
    described = [
        cloud.stepfunctions.describe_execution(executionArn=one["executionArn"])
        for one in executions(cloud)
    ]
    given = [json.loads(execution["input"]) for execution in described]
    return sorted(given, key=lambda one: one["attempt"])


def end_executions(cloud, status: str) -> None:
    machine = get_backend("stepfunctions")[ACCOUNT][REGION].describe_state_machine(
        cloud.arn("PostCallStateMachine")
    )
    for execution in machine.executions:
        execution.status = status


def waiting(cloud) -> list[dict]:
    """The deferred messages, whatever their delay."""
    queue = get_backend("sqs")[ACCOUNT][REGION].queues[cloud.name("RecordingsQueue")]
    return list(queue._messages)


def failed_ids(result: dict) -> list[str]:
    return [item["itemIdentifier"] for item in result["batchItemFailures"]]


def test_starts_an_execution_with_the_input_that_the_machine_takes(
    module, event, event_of, cloud, context
):
    result = module.handler(event, context)

    [given] = inputs(cloud)
    [execution] = executions(cloud)
    assert result == {"batchItemFailures": []}
    assert execution["name"] == given["call_id"]
    assert given["recording"] == event_of("post_call.fetch_recording")["recording"]
    assert given["call_id"] == event_of("post_call.fetch_recording")["call_id"]
    assert (given["attempt"], given["created_at"]) == (1, "2026-03-02T09:16:02Z")
    assert given["started_at"] < given["lease_expires_at"]


def test_gives_an_empty_version_where_the_bucket_keeps_none(module, event, cloud, context):
    module.handler({"Records": [without_version(event)]}, context)

    assert inputs(cloud)[0]["recording"]["version_id"] == ""


def test_starts_one_execution_when_the_event_arrives_twice_while_it_runs(
    module, event, cloud, context
):
    module.handler(event, context)

    result = module.handler(event, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 1


def test_starts_one_execution_when_one_batch_holds_the_event_twice(module, event, cloud, context):
    event["Records"].append(message(event, 1))

    result = module.handler(event, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 1


def test_starts_nothing_for_a_call_that_is_analysed(module, event, cloud, context):
    fail_first_attempt(module, event, cloud, context, state="ANALYSED")

    result = module.handler({"Records": [message(event, time="2026-03-09T00:00:00Z")]}, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 1


def fail_first_attempt(module, event, cloud, context, **row) -> str:
    """The event's call has ended badly; gives its id."""
    module.handler(event, context)
    call_id = inputs(cloud)[0]["call_id"]
    end_executions(cloud, "FAILED")
    put_call(cloud, call_id, "any-arn", **({"state": "FAILED"} | row))
    return str(call_id)


@pytest.mark.parametrize(
    ("changed", "attempts"),
    [
        ({}, [1]),
        ({"version-id": "another"}, [1, 2]),
        ({"time": "2026-03-02T09:16:03Z"}, [1, 2]),
        ({"time": "2026-03-02T09:16:01Z"}, [1, 2]),
    ],
    ids=["the same upload", "another version", "a later upload", "an earlier upload"],
)
def test_tries_a_failed_call_again_for_another_upload_alone(
    module, event, cloud, context, changed, attempts
):
    call_id = fail_first_attempt(module, event, cloud, context)

    result = module.handler({"Records": [message(event, **changed)]}, context)

    assert result == {"batchItemFailures": []}
    assert [given["attempt"] for given in inputs(cloud)] == attempts
    names = sorted(execution["name"] for execution in executions(cloud))
    assert names == [call_id, f"{call_id}-2"][: len(attempts)]


def test_the_same_upload_is_told_by_its_time_where_the_bucket_keeps_no_versions(
    module, event, cloud, context
):
    event = {"Records": [without_version(event)]}
    fail_first_attempt(module, event, cloud, context, recording_version_id="")

    module.handler(event, context)
    assert len(executions(cloud)) == 1

    module.handler({"Records": [message(event, time="2026-03-02T09:16:03Z")]}, context)
    assert len(executions(cloud)) == 2


def test_the_next_attempt_gets_the_upload_that_asked_for_it(module, event, cloud, context):
    fail_first_attempt(module, event, cloud, context)
    uploaded = message(event, **{"version-id": "another", "time": "2026-03-03T00:00:00Z"})

    module.handler({"Records": [uploaded]}, context)

    second = inputs(cloud)[1]
    assert second["recording"]["version_id"] == "another"
    assert second["created_at"] == "2026-03-03T00:00:00Z"


@pytest.mark.parametrize("changed", [{}, {"version-id": "another"}])
def test_any_event_starts_a_call_again_whose_lease_has_run_out(
    module, event, cloud, context, changed
):
    vanished = {"state": "PROCESSING", "lease_expires_at": LONG_AGO}
    fail_first_attempt(module, event, cloud, context, **vanished)

    module.handler({"Records": [message(event, **changed)]}, context)

    assert [given["attempt"] for given in inputs(cloud)] == [1, 2]


def test_no_event_starts_a_call_again_that_is_being_processed(module, event, cloud, context):
    fail_first_attempt(module, event, cloud, context, state="PROCESSING")

    result = module.handler({"Records": [message(event, **{"version-id": "another"})]}, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 1


def test_a_call_that_nobody_recorded_is_a_duplicate(module, event, cloud, context, capsys):
    module.handler(event, context)
    end_executions(cloud, "FAILED")

    module.handler(event, context)

    assert len(executions(cloud)) == 1
    assert '"DuplicateEvent":[1.0]' in capsys.readouterr().out


def test_starts_the_second_attempt_once_when_its_event_arrives_twice(
    module, event, cloud, context, capsys, monkeypatch
):
    fail_first_attempt(module, event, cloud, context)
    again = {"Records": [message(event, **{"version-id": "another"})]}
    module.handler(again, context)
    capsys.readouterr()
    monkeypatch.setattr("post_call.attempts.now", lambda: parse_time("2030-01-01T00:00:00Z"))

    result = module.handler(again, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 2
    assert '"DuplicateEvent":[1.0]' in capsys.readouterr().out


def test_keeps_keys_apart_that_differ_in_a_separator(module, event, cloud, context):
    keys = ["recordings/a/b.wav", "recordings/a-b.wav", "recordings/a_b.wav", "recordings/a b.wav"]
    records = [message(event, number, key=key) for number, key in enumerate(keys)]

    module.handler({"Records": records}, context)

    assert sorted(given["recording"]["key"] for given in inputs(cloud)) == sorted(keys)


def test_starts_another_call_for_other_bytes_under_the_same_key(module, event, cloud, context):
    records = [message(event, 1, etag="0" * 32), message(event, 2, etag="1" * 32)]

    module.handler({"Records": records}, context)

    assert len(executions(cloud)) == 2


def test_passes_over_the_marker_of_a_folder(module, event, cloud, context):
    result = module.handler(
        {"Records": [message(event, key="recordings/monday/", size=0)]}, context
    )

    assert result == {"batchItemFailures": []}
    assert executions(cloud) == []


@pytest.mark.parametrize("body", ["no JSON", "{}", "null", '{"detail": {"object": {}}}'])
def test_fails_only_the_message_that_it_cannot_read(module, event, cloud, context, body):
    broken = message(event, 1) | {"body": body}
    records = [message(event, 0, etag="0" * 32), broken, message(event, 2, etag="2" * 32)]

    result = module.handler({"Records": records}, context)

    assert failed_ids(result) == ["message-1"]
    assert len(executions(cloud)) == 2


def test_logs_and_counts_the_message_that_fails_beside_others(module, event, context, capsys):
    records = [message(event), message(event, 1) | {"body": "{}"}]

    module.handler({"Records": records}, context)

    logged = capsys.readouterr().out
    assert '"message":"batch item failed"' in logged
    assert '"error":"ValidationError"' in logged
    assert '"BatchItemFailed":[1.0]' in logged


def test_tells_nobody_the_key_of_a_message_that_it_cannot_read(module, event, context, capsys):
    body = {"detail": {"object": {"key": "Peter_Miller.wav"}}}
    broken = message(event) | {"body": json.dumps(body)}

    with pytest.raises(Exception, match="All records failed") as raised:
        module.handler({"Records": [broken]}, context)

    assert "Miller" not in str(raised.value)
    assert "Miller" not in capsys.readouterr().out


def test_sends_messages_back_with_a_delay_when_no_slot_is_free(step, event, cloud, context):
    module = step(MODULE, MAX_CONCURRENT_CALLS="2")
    records = other_calls(event, 5)

    result = module.handler({"Records": records}, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 2
    sent = waiting(cloud)
    assert [one.body for one in sent] == [record["body"] for record in records[2:]]
    shortest, longest = module.DEFER_SECONDS
    assert all(shortest * 1000 <= one.delayed_until - one.sent_timestamp for one in sent)
    assert all(one.delayed_until - one.sent_timestamp <= longest * 1000 + 1000 for one in sent)


def test_counts_what_runs_already_and_not_what_has_ended(step, event, cloud, context):
    module = step(MODULE, MAX_CONCURRENT_CALLS="2")
    first, second, third, fourth = other_calls(event, 4)
    module.handler({"Records": [first, second]}, context)

    module.handler({"Records": [third]}, context)
    end_executions(cloud, "SUCCEEDED")
    module.handler({"Records": [fourth]}, context)

    assert len(executions(cloud)) == 3
    assert [one.body for one in waiting(cloud)] == [third["body"]]


def test_every_message_waits_while_step_functions_does_not_say_what_runs(
    module, event, cloud, context, intercept
):
    records = other_calls(event, 3)
    intercept("ListExecutions", before=fails_with("ThrottlingException"))

    result = module.handler({"Records": records}, context)

    assert result == {"batchItemFailures": []}
    assert executions(cloud) == []
    assert [one.body for one in waiting(cloud)] == [record["body"] for record in records]


def test_fails_the_batch_when_it_may_not_ask_what_runs(module, event, cloud, context, intercept):
    intercept("ListExecutions", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDeniedException"):
        module.handler(event, context)

    assert executions(cloud) == []
    assert waiting(cloud) == []


def test_only_the_message_waits_whose_start_was_throttled(module, event, cloud, context, intercept):
    records = other_calls(event, 3)
    intercept("StartExecution", before=fails_with("ThrottlingException"), nth=2)

    result = module.handler({"Records": records}, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 2
    [deferred] = waiting(cloud)
    shortest, _ = module.DEFER_SECONDS
    assert deferred.body == records[1]["body"]
    assert deferred.delayed_until - deferred.sent_timestamp >= shortest * 1000


def test_starts_nothing_twice_when_the_reply_of_a_start_was_lost(
    module, event, cloud, context, intercept
):
    intercept("StartExecution", after=reply_is_lost)
    module.handler(event, context)
    [deferred] = waiting(cloud)

    result = module.handler({"Records": [message(event) | {"body": deferred.body}]}, context)

    assert result == {"batchItemFailures": []}
    assert len(executions(cloud)) == 1


def test_fails_only_the_message_whose_start_was_refused(module, event, cloud, context, intercept):
    intercept("StartExecution", before=fails_with("AccessDeniedException"), nth=2)

    result = module.handler({"Records": other_calls(event, 3)}, context)

    assert failed_ids(result) == ["message-1"]
    assert len(executions(cloud)) == 2
    assert waiting(cloud) == []


def test_fails_the_message_that_it_cannot_send_back(step, event, context, intercept):
    module = step(MODULE, MAX_CONCURRENT_CALLS="1")
    intercept("SendMessage", before=fails_with("InternalError", status=500))

    result = module.handler({"Records": other_calls(event, 2)}, context)

    assert failed_ids(result) == ["message-1"]


def test_logs_no_key(module, event, context, capsys):
    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "call started" in logged
    assert "SarahK" not in logged
