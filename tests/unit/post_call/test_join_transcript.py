"""Words of chunks to one transcript."""

import json

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .calls import any_recording_document, work_document

MODULE = "post_call.join_transcript"


def any_words(text: str, begin: int) -> list[dict]:
    return [
        {
            "content": content,
            "begin_ms": begin + 300 * place,
            "end_ms": begin + 300 * place + 300,
            "confidence": 0.9,
        }
        for place, content in enumerate(text.split())
    ]


def leave_chunks(cloud, event, *chunks: tuple[int, list[dict]], roles=("AGENT", "CUSTOMER")):
    """What the steps before left: a recording, a plan, and the words of each channel's chunk."""
    cloud.put_json(work_document(event, "recording.json"), any_recording_document(event))
    channels = [{"role": role, "speech": [[0, 9000]], "loudness": [60.0] * 9} for role in roles]
    plan = {"channels": channels, "chunk_channels": [channel for channel, _ in chunks]}
    cloud.put_json(work_document(event, "plan.json"), plan)
    for number, (_, words) in enumerate(chunks):
        cloud.put_json(work_document(event, f"chunks/{number}.words.json"), words)


@pytest.fixture
def event(event_of, cloud):
    event = event_of(MODULE)
    leave_chunks(
        cloud,
        event,
        (0, any_words("how can i help you", 0)),
        (0, any_words("of course mister miller", 5000)),
        (1, any_words("my bill is wrong", 2500)),
    )
    return event


def test_puts_the_words_of_all_chunks_in_the_order_of_the_conversation(step, event, cloud, context):
    output = step(MODULE).handler(event, context)

    assert output == {"transcript": work_document(event, "transcript.json")}
    transcript = cloud.read_json(output["transcript"])
    assert [(turn["ParticipantRole"], turn["Content"]) for turn in transcript["Transcript"]] == [
        ("AGENT", "How can I help you."),
        ("CUSTOMER", "My bill is wrong."),
        ("AGENT", "Of course mister miller."),
    ]
    assert transcript["JobName"] == event["call_id"]
    assert transcript["Aftercall"]["duration_ms"] == 69_748
    assert set(transcript["Aftercall"]["speech"]) == {"AGENT", "CUSTOMER"}


def test_makes_a_transcript_of_a_call_in_which_nobody_speaks(step, event, cloud, context):
    leave_chunks(cloud, event)

    output = step(MODULE).handler(event, context)

    assert cloud.read_json(output["transcript"])["Transcript"] == []


def test_invents_no_roles_on_one_channel(step, event, cloud, context):
    leave_chunks(cloud, event, (0, any_words("hello", 0)), roles=("UNKNOWN",))

    transcript = cloud.read_json(step(MODULE).handler(event, context)["transcript"])

    assert transcript["Participants"] == [{"ParticipantRole": "UNKNOWN"}]
    assert [turn["ParticipantRole"] for turn in transcript["Transcript"]] == ["UNKNOWN"]


def test_makes_no_transcript_while_a_chunk_is_missing(step, event, cloud, context):
    missing = work_document(event, "chunks/1.words.json")
    cloud.s3.delete_object(Bucket=missing["bucket"], Key=missing["key"])

    with pytest.raises(Exception, match="NoSuchKey"):
        step(MODULE).handler(event, context)

    assert work_document(event, "transcript.json")["key"] not in cloud.keys("TranscriptsBucket")


def test_makes_the_same_transcript_when_it_runs_twice(step, event, cloud, context):
    module = step(MODULE)
    first = cloud.read_json(module.handler(event, context)["transcript"])

    second = cloud.read_json(module.handler(event, context)["transcript"])

    assert first == second


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_asks_for_another_try_when_s3_slows_down(step, event, context, intercept, operation):
    intercept(operation, before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        step(MODULE).handler(event, context)


def test_neither_output_nor_log_has_a_word_that_was_said(step, event, context, capsys):
    output = step(MODULE).handler(event, context)

    logged = capsys.readouterr().out
    assert '"turns":3' in logged
    assert "miller" not in (logged + json.dumps(output)).lower()
