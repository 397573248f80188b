"""What Fetch Recording leaves of a recording, and what it refuses."""

import hashlib

import pytest

from shared.errors import (
    RecordingEmpty,
    RecordingMetadataInvalid,
    RecordingMissing,
    RecordingTooLarge,
    RecordingTooLong,
    RecordingTruncated,
    TransientError,
)
from tests.unit.aws_errors import fails_with
from tests.unit.template import REPOSITORY

from .calls import work_document

MODULE = "post_call.fetch_recording"
SAMPLES = REPOSITORY / "samples"


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def upload(cloud, event, content: bytes | None = None, **arguments) -> dict:
    """Put the recording, and point the event at its version."""
    recording = event["recording"]
    name = recording["key"].removeprefix("recordings/")
    body = (SAMPLES / name).read_bytes() if content is None else content
    reply = cloud.s3.put_object(
        Bucket=recording["bucket"], Key=recording["key"], Body=body, **arguments
    )
    recording |= {
        "version_id": reply["VersionId"],
        "etag": reply["ETag"].strip('"'),
        "size_bytes": len(body),
    }
    return event


def test_leaves_what_a_sample_says_of_itself(step, event, cloud, context):
    upload(cloud, event)

    output = step(MODULE).handler(event, context)

    assert output == {"document": work_document(event, "recording.json")}
    document = cloud.read_json(output["document"])
    name = event["recording"]["key"].removeprefix("recordings/")
    assert document["sha256"] == hashlib.sha256((SAMPLES / name).read_bytes()).hexdigest()
    assert document["object"] == event["recording"]
    assert document["created_at"] == "2026-03-02T09:14:05Z"
    assert document["metadata"] == {
        "agent": "SarahK",
        "customer_id": "1001",
        "guid": "7f3a01",
        "started_at": "2026-03-02T09:14:05Z",
    }
    assert (document["agent_channel"], document["audio"]["channels"]) == (0, 2)


def test_gives_the_same_document_when_it_runs_twice(step, event, cloud, context):
    module = step(MODULE)
    first = cloud.read_json(module.handler(upload(cloud, event), context)["document"])

    second = cloud.read_json(module.handler(event, context)["document"])

    assert first == second


def test_takes_tags_over_metadata_over_the_name(step, event, cloud, context):
    upload(
        cloud,
        event,
        Metadata={"agent": "from metadata", "customer-id": "from metadata"},
        Tagging="customer-id=from-tags&agent-channel=1",
    )

    document = cloud.read_json(step(MODULE).handler(event, context)["document"])

    assert document["metadata"]["agent"] == "from metadata"
    assert document["metadata"]["customer_id"] == "from-tags"
    assert document["metadata"]["guid"] == "7f3a01"
    assert document["agent_channel"] == 1


def test_takes_the_time_of_arrival_where_nobody_says_when_the_call_was(step, event, cloud, context):
    sample = SAMPLES / event["recording"]["key"].removeprefix("recordings/")
    event["recording"]["key"] = "recordings/call.flac"
    upload(cloud, event, sample.read_bytes())

    document = cloud.read_json(step(MODULE).handler(event, context)["document"])

    assert document["created_at"] == event["created_at"]
    assert document["metadata"] == {}


def test_reads_names_by_the_patterns_and_the_time_zone_of_the_parameters(
    step, event, cloud, context
):
    module = step(
        MODULE,
        RECORDING_NAME_PATTERNS='["GUID_(?P<agent>[^_]+)", "DT_(?P<started_at>[^_]+)"]',
        RECORDING_TIME_ZONE="Europe/Berlin",
    )

    document = cloud.read_json(module.handler(upload(cloud, event), context)["document"])

    assert document["metadata"] == {"agent": "7f3a01", "started_at": "2026-03-02T08:14:05Z"}


def test_refuses_by_size_before_it_reads_a_byte(step, event, context):
    module = step(MODULE, MAX_RECORDING_MEGABYTES="1")

    with pytest.raises(RecordingTooLarge, match="MaxRecordingMegabytes"):
        module.handler(event | {"recording": event["recording"] | {"size_bytes": 2**21}}, context)
    with pytest.raises(RecordingEmpty):
        module.handler(event | {"recording": event["recording"] | {"size_bytes": 0}}, context)


def test_refuses_a_recording_longer_than_the_parameter(step, event, cloud, context):
    with pytest.raises(RecordingTooLong):
        step(MODULE, MAX_RECORDING_MINUTES="1").handler(upload(cloud, event), context)


def test_leaves_nothing_of_a_truncated_recording(step, event, cloud, context):
    [broken] = (SAMPLES / "broken").glob("*_truncated.wav")
    event["recording"]["key"] = f"recordings/{broken.name}"
    upload(cloud, event, broken.read_bytes())

    with pytest.raises(RecordingTruncated):
        step(MODULE).handler(event, context)

    assert cloud.keys("TranscriptsBucket") == []


def test_tells_that_a_name_has_no_such_date(step, event, cloud, context):
    sample = SAMPLES / event["recording"]["key"].removeprefix("recordings/")
    event["recording"]["key"] = "recordings/AGENT_SarahK_DT_2026-13-02T09-14-05.flac"
    upload(cloud, event, sample.read_bytes())

    with pytest.raises(RecordingMetadataInvalid, match="2026-13-02") as raised:
        step(MODULE).handler(event, context)

    assert "SarahK" not in str(raised.value)


def test_reads_the_version_of_the_event_and_not_a_newer_one(step, event, cloud, context):
    upload(cloud, event)
    cloud.s3.put_object(
        Bucket=event["recording"]["bucket"], Key=event["recording"]["key"], Body=b"newer"
    )

    document = cloud.read_json(step(MODULE).handler(event, context)["document"])

    assert document["audio"]["format"] == "FLAC"


def test_names_the_error_of_a_recording_that_is_gone(step, event, context):
    with pytest.raises(RecordingMissing, match="upload it again"):
        step(MODULE).handler(event, context)


def test_asks_for_another_try_when_s3_slows_down(step, event, context, intercept):
    intercept("GetObject", before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        step(MODULE).handler(event, context)


def test_logs_neither_name_nor_key(step, event, cloud, context, capsys):
    step(MODULE).handler(upload(cloud, event), context)

    logged = capsys.readouterr().out
    assert "recording fetched" in logged
    assert event["call_id"] in logged
    assert "SarahK" not in logged
