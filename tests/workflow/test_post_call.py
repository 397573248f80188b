"""Every path of `post_call`: the real machine, the real functions, and mocks for what is rare.

What can be started at once is, ahead of the first test; each test waits for its own.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cloud.client import wait_until
from local.cloud.deployment import PARAMETERS
from shared.times import parse_time
from tests import recordings
from tests.cloud import INSTANCE, SECONDS_TO_WAIT, Recording, TestCloud
from tests.processes import busy_processes, function_processes, kill
from tests.workflow.histories import entered
from tests.workflow.machines import Machines
from tests.workflow.post_call import call_input
from tests.workflow.started_calls import UNREADABLE, StartedCalls

MAX_CONCURRENT_CALLS = int(PARAMETERS["MaxConcurrentCalls"])
MANY = 3 * MAX_CONCURRENT_CALLS


@pytest.fixture(scope="module")
def unreadable_message(cloud: TestCloud, calls: StartedCalls) -> Iterator[str]:
    """A message that nobody can read, on its way to the dead-letter queue; its body.

    Its five deliveries take a while, in which other tests run: those that put nothing into the
    queue, for whatever is in it is delivered again after a second, not after six minutes.
    """
    queue = cloud.outputs["RecordingsQueueUrl"]
    body = f"no event at all, {cloud.run}"
    wait_until(lambda: queue_is_empty(cloud), SECONDS_TO_WAIT, "the other tests' events")
    timeout = {"VisibilityTimeout": "1"}
    before = cloud.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[*timeout])
    cloud.sqs.set_queue_attributes(QueueUrl=queue, Attributes=timeout)
    try:
        cloud.sqs.send_message(QueueUrl=queue, MessageBody=body)
        yield body
    finally:
        cloud.sqs.set_queue_attributes(QueueUrl=queue, Attributes=before["Attributes"])


# ------------------------------------------------------------------ recordings nobody can use


@pytest.mark.parametrize("name", UNREADABLE)
def test_puts_an_unreadable_recording_into_quarantine_with_the_reason(
    cloud: TestCloud, calls: StartedCalls, name: str
) -> None:
    recording, (_, content, error) = calls.dropped(name), UNREADABLE[name]

    row = cloud.ended(recording.call_id)

    assert (row["state"], row["error"], row["failed_state"]) == (
        "FAILED",
        error,
        "fetch_recording",
    )
    assert_ends_in_quarantine(cloud, recording, row, content())
    assert_failed_as_its_row_says(cloud, row)


def test_puts_a_too_large_recording_into_quarantine_without_reading_it(
    cloud: TestCloud, machines: Machines
) -> None:
    recording = cloud.put(f"large/{cloud.run}/large.wav", b"as if it were 501 MB")
    given = call_input(recording, size_bytes=501 * 1024 * 1024)

    machines.start("post_call", given)

    row = cloud.ended(recording.call_id)
    assert row["error"] == "RecordingTooLarge"
    assert_ends_in_quarantine(cloud, recording, row, b"as if it were 501 MB")
    assert_failed_as_its_row_says(cloud, row)


def test_fails_without_quarantine_when_the_recording_was_replaced(
    cloud: TestCloud, machines: Machines
) -> None:
    recording = cloud.put(f"replaced/{cloud.run}/call.flac", b"other bytes")

    arn = machines.start("post_call", call_input(recording, etag="0" * 32))

    execution = cloud.execution(arn)
    row = cloud.ended(recording.call_id)
    assert row["error"] == execution["error"] == "RecordingMissing"
    assert entered(cloud, arn)[-3:] == ["Fetch Recording", "Record Failure", "Call Failed"]
    assert cloud.keys(recording.bucket, recording.key) == [recording.key]


def test_fails_without_quarantine_when_a_tag_is_nonsense(cloud: TestCloud) -> None:
    recording = cloud.drop("tagged.flac", recordings.silence(), tagging="agent-channel=7")

    row = cloud.ended(recording.call_id)

    assert (row["state"], row["error"]) == ("FAILED", "RecordingMetadataInvalid")
    assert "agent-channel must be 0 or 1" in row["cause"]
    assert cloud.keys(recording.bucket, recording.key) == [recording.key]
    assert_failed_as_its_row_says(cloud, row)


def test_records_the_reason_even_when_quarantine_fails(
    cloud: TestCloud, machines: Machines
) -> None:
    recording = cloud.put(f"denied/{cloud.run}/call.wav", recordings.no_audio())

    arn = machines.start("post_call", call_input(recording), case="quarantine_is_denied")

    row = cloud.ended(recording.call_id)
    assert (row["error"], row["failed_state"]) == ("RecordingNotAudio", "fetch_recording")
    assert cloud.execution(arn)["error"] == "RecordingNotAudio"
    assert cloud.keys(recording.bucket, recording.key) == [recording.key]


# ------------------------------------------------------------------ recordings that are analysed


def test_analyses_silence_with_an_empty_transcript(cloud: TestCloud, calls: StartedCalls) -> None:
    row = cloud.ended(calls.dropped("silence").call_id)

    assert row["state"] == "ANALYSED"
    assert row["categories"] == []
    assert row["follow_up_reasons"] == []
    assert cloud.analysis(row)["Transcript"] == []
    assert cloud.event("CallAnalysed", row["call_id"])
    assert cloud.heard("FollowUpRequested", row["call_id"]) == []
    assert entered(cloud, row["execution_arn"])[-2:] == ["Needs Follow-up?", "Call Analysed"]


def test_invents_no_roles_for_a_mono_recording(cloud: TestCloud, calls: StartedCalls) -> None:
    row = cloud.ended(calls.dropped("mono").call_id)

    document = cloud.analysis(row)
    assert row["state"] == "ANALYSED"
    assert document["Participants"] == [{"ParticipantRole": "UNKNOWN"}]
    assert document["Transcript"]
    assert {turn["ParticipantRole"] for turn in document["Transcript"]} == {"UNKNOWN"}
    assert not {"agent_sentiment", "customer_sentiment"} & set(row)


def test_requests_a_follow_up_for_an_unhappy_customer_by_pointers_only(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    row = cloud.ended(calls.dropped("angry").call_id)

    event = cloud.event("FollowUpRequested", row["call_id"])
    assert row["state"] == "ANALYSED"
    assert {"cancellation_risk", "supervisor_request"} <= set(row["follow_up_reasons"])
    assert (row["agent"], row["customer_id"]) == ("Chris", "1002")
    assert event["source"] == "aftercall.post_call"
    assert event["detail"]["data"] == {
        "call_id": row["call_id"],
        "analysis_bucket": row["analysis_bucket"],
        "analysis_key": row["analysis_key"],
        "reasons": row["follow_up_reasons"],
    }
    assert cloud.event("CallAnalysed", row["call_id"])["detail"]["data"] == {
        "call_id": row["call_id"],
        "analysis_bucket": row["analysis_bucket"],
        "analysis_key": row["analysis_key"],
    }


def test_no_word_of_the_customer_is_in_an_event_or_a_history(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    row = cloud.ended(calls.dropped("angry").call_id)
    spoken = {"cancel", "contract", "paying", "nothing", "speak", "supervisor", "right"}

    events = [cloud.event(name, row["call_id"]) for name in ("CallAnalysed", "FollowUpRequested")]
    histories = [cloud.history(arn) for arn in family(cloud, row["execution_arn"])]

    assert spoken <= words_of(cloud.original(row))
    assert len(histories) == 2
    told = words_of([events, histories], without=row["follow_up_reasons"])
    assert told & spoken == set()


def test_redacts_account_number_and_email_and_keeps_the_original_apart(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    row = cloud.ended(calls.dropped("personal data").call_id)

    original, redacted = cloud.original(row), cloud.analysis(row)
    digits = "four seven one two nine zero three eight"
    assert row["transcript_bucket"] == cloud.outputs["TranscriptsBucketName"]
    assert row["analysis_bucket"] == cloud.outputs["AnalysesBucketName"]
    assert digits in contents(original)
    assert redacted["ContentMetadata"]["Output"] == "Redacted"
    assert "[PII]" in contents(redacted)
    left = words_of(redacted["Transcript"]) | words_of(redacted["Aftercall"]["summary"])
    assert left & {*digits.split(), "john", "example"} == set()


# ------------------------------------------------------------------ once, whatever happens


def test_ends_as_already_processed_when_the_call_is_analysed(
    cloud: TestCloud, machines: Machines, calls: StartedCalls
) -> None:
    recording = calls.dropped("goodbye")
    before = cloud.ended(recording.call_id)

    arn = machines.start("post_call", call_input(recording))

    assert cloud.execution(arn)["status"] == "SUCCEEDED"
    assert entered(cloud, arn) == ["Prepare Call", "Claim Call", "Call Already Processed"]
    assert cloud.call(recording.call_id) == before
    assert len(cloud.documents(recording.call_id)) == 1


def test_analyses_once_when_the_event_arrives_five_times(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    row = cloud.ended(calls.repeated.call_id)
    wait_until(lambda: queue_is_empty(cloud), SECONDS_TO_WAIT, "all five events are handled")

    executions = executions_of(cloud, calls.repeated.call_id)
    assert row["state"] == "ANALYSED"
    assert len(executions) == 1
    assert len(cloud.documents(calls.repeated.call_id)) == 1
    assert len(cloud.heard("CallAnalysed", calls.repeated.call_id)) == 1


def test_tries_another_time_when_the_recording_comes_again_after_a_failure(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    first = cloud.ended(calls.dropped("headerless").call_id)
    failed_at = parse_time(first["failed_at"])
    wait_until(lambda: datetime.now(UTC) > failed_at + timedelta(seconds=1), 5, "a newer event")

    again = cloud.put(calls.dropped("headerless").key, recordings.raw_samples())

    row = cloud.ended(again.call_id, attempt=2)
    assert again.call_id == first["call_id"]
    assert (row["state"], row["attempt"]) == ("FAILED", 2)
    assert row["execution_arn"].endswith(f"{again.call_id}-2")
    assert len(executions_of(cloud, again.call_id)) == 2


def test_analyses_good_bytes_uploaded_after_a_failure(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    bad = cloud.ended(calls.dropped("truncated").call_id)

    good = cloud.put(calls.dropped("truncated").key, recordings.silence(1.0))

    row = cloud.ended(good.call_id)
    assert row["state"] == "ANALYSED"
    assert row["call_id"] != bad["call_id"]
    assert cloud.call(bad["call_id"]) == bad


def test_an_execution_that_lost_its_call_stores_nothing(
    cloud: TestCloud, calls: StartedCalls
) -> None:
    older, newer = calls.overtaken

    assert cloud.execution(newer.arn)["status"] == "SUCCEEDED"
    lost = cloud.execution(older.arn)
    row = cloud.call(older.call_id)
    assert (lost["status"], lost["error"]) == ("FAILED", "ClaimLost")
    assert entered(cloud, older.arn)[-2:] == ["Store Analysis", "Call Taken Over"]
    assert row is not None
    assert (row["execution_arn"], row["state"]) == (newer.arn, "PROCESSING")
    assert cloud.documents(older.call_id) == []
    assert cloud.heard("CallFailed", older.call_id) == []


def test_many_recordings_at_once_are_analysed_once_each_at_a_bounded_pace(
    cloud: TestCloud,
) -> None:
    machine = cloud.outputs["PostCallStateMachineArn"]
    sounds = [recordings.goodbye(), recordings.silence()]
    dropped = {cloud.drop(f"{n}.flac", sounds[n % 2]).call_id for n in range(MANY)}
    running, processes = [], []

    def all_ended() -> bool:
        statuses = {found["name"]: found["status"] for found in cloud.executions(machine)}
        running.append(list(statuses.values()).count("RUNNING"))
        processes.append(len(list(function_processes(INSTANCE))))
        return dropped <= set(statuses) and not running[-1]

    # Looking takes the emulator's time.
    wait_until(all_ended, SECONDS_TO_WAIT, f"{MANY} calls to end", pause=1)

    rows = [cloud.ended(call_id) for call_id in dropped]
    assert [row["state"] for row in rows] == ["ANALYSED"] * MANY
    assert [len(executions_of(cloud, call_id)) for call_id in dropped] == [1] * MANY
    assert [len(cloud.documents(call_id)) for call_id in dropped] == [1] * MANY
    for call_id in dropped:
        assert cloud.event("CallAnalysed", call_id)
        assert len(cloud.heard("CallAnalysed", call_id)) == 1
    assert 2 <= max(running) <= 2 * MAX_CONCURRENT_CALLS
    assert 1 <= max(processes) <= INSTANCE.max_processes


# ------------------------------------------------------------------ failures of the steps


@pytest.mark.parametrize(
    ("case", "retried", "last"),
    [
        ("everything_is_throttled_once", 10, "Call Analysed"),
        ("every_function_fails_transiently_once", 7, "Call Analysed"),
        ("the_way_of_a_failure_is_throttled_once", 2, "Call Failed"),
        ("the_way_of_a_failure_fails_transiently_once", 2, "Call Failed"),
    ],
)
def test_tries_again_what_may_pass(
    cloud: TestCloud, calls: StartedCalls, case: str, retried: int, last: str
) -> None:
    arn = calls.mocked(case).arn

    execution = cloud.execution(arn)

    failures = [e for e in cloud.history(arn) if e["type"] == "TaskFailed"]
    permanent = 1 if last == "Call Failed" else 0
    assert len(failures) - permanent == retried
    assert entered(cloud, arn)[-1] == last
    assert execution["status"] == ("FAILED" if permanent else "SUCCEEDED")


@pytest.mark.parametrize(
    ("case", "error", "failed_state"),
    [
        ("one_analysis_fails", "KeyError", "analyse_conversation"),
        ("storing_is_denied", "AccessDenied", "store_analysis"),
        ("bus_stays_throttled", "EventBridge.ThrottlingException", "publish_call_analysed"),
        (
            "follow_up_is_refused",
            "EventBridge.AccessDeniedException",
            "publish_follow_up_requested",
        ),
    ],
)
def test_records_which_state_failed_and_why(
    cloud: TestCloud, calls: StartedCalls, case: str, error: str, failed_state: str
) -> None:
    started = calls.mocked(case)

    row = cloud.ended(started.call_id)

    assert (row["state"], row["error"], row["failed_state"]) == ("FAILED", error, failed_state)
    assert row["cause"] == f"{error}, as the test wants it."
    assert_failed_as_its_row_says(cloud, row)


def test_records_a_claim_that_was_refused(cloud: TestCloud, calls: StartedCalls) -> None:
    started = calls.mocked("claim_is_denied")

    row = cloud.ended(started.call_id)

    assert (row["error"], row["failed_state"]) == (
        "DynamoDB.AmazonDynamoDBException",
        "claim_call",
    )
    assert cloud.execution(started.arn)["error"] == row["error"]
    assert cloud.event("CallFailed", started.call_id)["detail"]["data"]["error"] == row["error"]


def test_records_the_error_of_the_nested_execution(cloud: TestCloud, calls: StartedCalls) -> None:
    started = calls.mocked("fetched_nothing")

    row = cloud.ended(started.call_id)

    nested = cloud.execution(family(cloud, started.arn)[1])
    assert nested["status"] == "FAILED"
    assert row["failed_state"] == "transcribe_embedded"
    assert row["error"] == nested["error"] != "States.TaskFailed"
    assert row["cause"] in nested["cause"]
    assert_failed_as_its_row_says(cloud, row)


def test_fails_when_the_speech_engine_is_unknown(cloud: TestCloud, machines: Machines) -> None:
    recording = cloud.put(f"engine/{cloud.run}/call.flac", recordings.silence())

    arn = machines.start("other_engine", call_input(recording))

    row = cloud.ended(recording.call_id)
    assert (row["error"], row["failed_state"]) == ("SpeechEngineUnknown", "which_speech_engine")
    assert cloud.execution(arn)["error"] == "SpeechEngineUnknown"
    assert "Transcribe Embedded" not in entered(cloud, arn)


def test_the_rule_records_what_the_machine_could_not(cloud: TestCloud, calls: StartedCalls) -> None:
    started = calls.mocked("failure_is_not_recorded")

    execution = cloud.execution(started.arn)

    row = cloud.ended(started.call_id)
    assert execution["error"] == row["error"] == "AccessDeniedException"
    assert entered(cloud, started.arn)[-1] == "Failure Not Recorded"
    assert cloud.event("CallFailed", started.call_id)["detail"]["data"]["error"] == row["error"]


@pytest.mark.usefixtures("unreadable_message")  # It is on its way meanwhile.
def test_an_aborted_call_is_recorded_and_may_be_claimed_again(
    cloud: TestCloud, machines: Machines
) -> None:
    recording = cloud.put(f"aborted/{cloud.run}/call.flac", recordings.silence())
    arn = machines.start("post_call", call_input(recording), case="fetching_never_succeeds")
    wait_until(lambda: cloud.call(recording.call_id), SECONDS_TO_WAIT, "the claim")
    wait_until(lambda: "Fetch Recording" in entered(cloud, arn), SECONDS_TO_WAIT, "the fetching")

    cloud.stepfunctions.stop_execution(
        executionArn=arn, error="StoppedByHand", cause="The test stops it."
    )

    row = cloud.ended(recording.call_id)
    assert cloud.execution(arn)["status"] == "ABORTED"
    assert (row["error"], row["cause"]) == ("StoppedByHand", "The test stops it.")
    assert row["failed_state"] == "fetch_recording"
    assert cloud.event("CallFailed", recording.call_id)["detail"]["data"] == {
        "call_id": recording.call_id,
        "error": "StoppedByHand",
    }
    assert "StoppedByHand" in cloud.alert(recording.call_id)
    machines.start("post_call", call_input(recording) | {"attempt": 2})
    row = cloud.ended(recording.call_id, attempt=2)
    assert (row["state"], row["attempt"]) == ("ANALYSED", 2)
    assert not {"error", "cause", "failed_at", "failed_state"} & set(row)


def test_a_call_that_timed_out_is_recorded(cloud: TestCloud, calls: StartedCalls) -> None:
    row = cloud.ended(calls.timed_out.call_id)

    assert cloud.execution(calls.timed_out.arn)["status"] == "TIMED_OUT"
    assert (row["error"], row["failed_state"]) == ("States.Timeout", "fetch_recording")
    event = cloud.event("CallFailed", calls.timed_out.call_id)
    assert event["detail"]["data"]["error"] == row["error"]


def test_tries_again_when_lambda_throttles(cloud: TestCloud, machines: Machines) -> None:
    recording = cloud.put(f"throttled/{cloud.run}/call.txt", recordings.no_audio())
    function = machines.function("post_call", "Quarantine Recording")
    cloud.awslambda.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        arn = machines.start("post_call", call_input(recording))
        wait_until(
            lambda: "Lambda.TooManyRequestsException" in errors_in(cloud.history(arn)),
            SECONDS_TO_WAIT,
            "the throttle",
        )
    finally:
        cloud.awslambda.delete_function_concurrency(FunctionName=function)

    row = cloud.ended(recording.call_id)
    assert row["error"] == "RecordingNotAudio"
    assert_ends_in_quarantine(cloud, recording, row, recordings.no_audio())


def test_transcribes_a_chunk_again_when_its_process_is_killed(
    cloud: TestCloud, machines: Machines
) -> None:
    recording = cloud.put(f"killed/{cloud.run}/call.flac", recordings.clip("Outage", 0, 20))
    parent = machines.start("post_call", call_input(recording))

    def killed() -> bool:
        kill(busy_processes(INSTANCE, "post_call.transcribe_chunk.handler"))
        return any(
            "Runtime.ExitError" in errors_in(cloud.history(arn)) for arn in family(cloud, parent)
        )

    wait_until(killed, SECONDS_TO_WAIT, "a chunk's process to kill")

    row = cloud.ended(recording.call_id)
    assert row["state"] == "ANALYSED"
    assert len(cloud.documents(recording.call_id)) == 1
    assert "internet" in contents(cloud.original(row))


def test_a_message_nobody_can_read_ends_in_the_dead_letter_queue(
    cloud: TestCloud, unreadable_message: str
) -> None:
    dead = cloud.outputs["RecordingsDeadLetterQueueUrl"]

    def found() -> bool:
        reply = cloud.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)
        return unreadable_message in [message["Body"] for message in reply.get("Messages", [])]

    assert wait_until(found, 60, "the dead letter")
    assert queue_is_empty(cloud)


# ------------------------------------------------------------------ what the tests ask


def assert_ends_in_quarantine(
    cloud: TestCloud, recording: Recording, row: dict[str, Any], content: bytes
) -> None:
    """The bytes moved, with the reason beside them."""
    target = "quarantine/" + recording.key.removeprefix("recordings/")
    kept = cloud.s3.get_object(Bucket=recording.bucket, Key=target)["Body"].read()
    assert kept == content
    assert cloud.document(recording.bucket, f"{target}.reason.json") == {
        "call_id": recording.call_id,
        "error": row["error"],
        "cause": row["cause"],
    }
    assert cloud.keys(recording.bucket, recording.key) == []


def assert_failed_as_its_row_says(cloud: TestCloud, row: dict[str, Any]) -> None:
    """The execution, the event, the alert and the row tell the same; nothing was stored."""
    execution = cloud.execution(row["execution_arn"])
    assert (execution["status"], execution["error"], execution["cause"]) == (
        "FAILED",
        row["error"],
        row["cause"],
    )
    assert row["cause"]
    assert cloud.event("CallFailed", row["call_id"])["detail"]["data"] == {
        "call_id": row["call_id"],
        "error": row["error"],
    }
    assert f"failed with {row['error']}" in cloud.alert(row["call_id"])
    assert cloud.documents(row["call_id"]) == []


def errors_in(history: list[dict[str, Any]]) -> list[str]:
    """The errors of tasks and functions, in order."""
    return [
        details["error"]
        for event in history
        for name, details in event.items()
        if name.endswith("FailedEventDetails") and "error" in details
    ]


def family(cloud: TestCloud, arn: str) -> list[str]:
    """An execution and the one that it started for the transcript, where it did."""
    nested = cloud.outputs["TranscribeEmbeddedStateMachineArn"]
    name = arn.rpartition(":")[2]
    children = [e["executionArn"] for e in cloud.executions(nested) if e["name"] == name]
    return [arn, *children]


def executions_of(cloud: TestCloud, call_id: str) -> list[str]:
    """The executions that the front door started for a call."""
    machine = cloud.outputs["PostCallStateMachineArn"]
    return [
        execution["executionArn"]
        for execution in cloud.executions(machine)
        if execution["name"].startswith(call_id)
    ]


def queue_is_empty(cloud: TestCloud) -> bool:
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    counts = cloud.sqs.get_queue_attributes(
        QueueUrl=cloud.outputs["RecordingsQueueUrl"], AttributeNames=names
    )["Attributes"]
    return all(count == "0" for count in counts.values())


def contents(document: dict[str, Any]) -> str:
    return " ".join(turn["Content"] for turn in document["Transcript"])


def words_of(anything: Any, *, without: list[str] | None = None) -> set[str]:
    """The words in a value, but for those values that are to be there."""
    text = json.dumps(anything, default=str).lower()
    for value in without or []:
        text = text.replace(f'"{value}"', "").replace(f'\\"{value}\\"', "")
    return set(re.findall("[a-z]+", text))
