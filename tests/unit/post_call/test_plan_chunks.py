"""Cutting a recording into chunks, and what is left of it for the steps that follow."""

import io

import numpy as np
import pytest
import soundfile

from shared.errors import RecordingMissing, TransientError
from tests.unit.aws_errors import fails_with, raises
from tests.unit.template import REPOSITORY

from .calls import any_recording_document, work_document

MODULE = "post_call.plan_chunks"
SAMPLES = REPOSITORY / "samples"


def stored_recording(cloud, event, fetched: dict, content: bytes, **described) -> dict:
    """Put a recording and its document as Fetch Recording does; gives the recording."""
    recording = fetched["recording"]
    reply = cloud.s3.put_object(Bucket=recording["bucket"], Key=recording["key"], Body=content)
    recording |= {"version_id": reply["VersionId"], "etag": reply["ETag"].strip('"')}
    document = any_recording_document(event, object=recording, **described)
    cloud.put_json(work_document(event, "recording.json"), document)
    return recording


@pytest.fixture
def fetched(event_of):
    return event_of("post_call.fetch_recording")


@pytest.fixture
def event(event_of, cloud, fetched):
    """The event of a sample's first twenty seconds."""
    event = event_of(MODULE)
    name = fetched["recording"]["key"].removeprefix("recordings/")
    frames, rate = soundfile.read(SAMPLES / name, stop=20 * 16_000, dtype="int16")
    stored_recording(cloud, event, fetched, flac(frames, rate))
    return event


def flac(frames: np.ndarray, rate: int = 16_000) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, frames, rate, format="FLAC")
    return content.getvalue()


def test_leaves_audio_and_spans_of_every_chunk_that_it_numbers(step, event, cloud, context):
    output = step(MODULE).handler(event, context)

    plan = cloud.read_json(work_document(event, "plan.json"))
    assert output == {"chunks": list(range(len(plan["chunk_channels"])))}
    assert set(plan["chunk_channels"]) == {0, 1}
    for number in output["chunks"]:
        spans = cloud.read_json(work_document(event, f"chunks/{number}.spans.json"))["spans"]
        audio = cloud.s3.get_object(
            Bucket=event["work"]["bucket"],
            Key=work_document(event, f"chunks/{number}.flac")["key"],
        )["Body"].read()
        with soundfile.SoundFile(io.BytesIO(audio)) as sound:
            assert (sound.channels, sound.samplerate) == (1, 16_000)
            assert sound.frames == sum(end - begin for begin, end in spans) * 16


@pytest.mark.parametrize(
    ("agent_channel", "roles"), [(0, ["AGENT", "CUSTOMER"]), (1, ["CUSTOMER", "AGENT"])]
)
def test_knows_the_agent_by_the_channel(step, event, cloud, context, fetched, agent_channel, roles):
    document = any_recording_document(
        event, object=fetched["recording"], agent_channel=agent_channel
    )
    cloud.put_json(work_document(event, "recording.json"), document)

    step(MODULE).handler(event, context)

    plan = cloud.read_json(work_document(event, "plan.json"))
    assert [channel["role"] for channel in plan["channels"]] == roles


def test_invents_no_roles_on_one_channel(step):
    assert step(MODULE).channel_roles(1, 0) == ["UNKNOWN"]


def test_plans_no_chunk_of_a_silent_recording(step, event, cloud, context, fetched):
    stored_recording(cloud, event, fetched, flac(np.zeros((32_000, 2), "int16")))

    output = step(MODULE).handler(event, context)

    assert output == {"chunks": []}
    plan = cloud.read_json(work_document(event, "plan.json"))
    assert [channel["speech"] for channel in plan["channels"]] == [[], []]


def test_leaves_the_same_documents_when_it_runs_twice(step, event, cloud, context):
    module = step(MODULE)
    first = module.handler(event, context)
    plan = cloud.read_json(work_document(event, "plan.json"))
    keys = cloud.keys("TranscriptsBucket")

    second = module.handler(event, context)

    assert first == second
    assert cloud.read_json(work_document(event, "plan.json")) == plan
    assert cloud.keys("TranscriptsBucket") == keys


def test_leaves_no_plan_when_it_dies_between_two_chunks(step, event, cloud, context, intercept):
    intercept("PutObject", before=raises(MemoryError()), nth=3)

    with pytest.raises(MemoryError):
        step(MODULE).handler(event, context)

    assert work_document(event, "plan.json")["key"] not in cloud.keys("TranscriptsBucket")


def test_names_the_error_of_a_recording_that_was_replaced(step, event, cloud, context, fetched):
    replaced = fetched["recording"] | {"etag": "0" * 32}
    document = any_recording_document(event, object=replaced)
    cloud.put_json(work_document(event, "recording.json"), document)

    with pytest.raises(RecordingMissing):
        step(MODULE).handler(event, context)


def test_asks_for_another_try_when_s3_slows_down(step, event, context, intercept):
    intercept("PutObject", before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        step(MODULE).handler(event, context)
