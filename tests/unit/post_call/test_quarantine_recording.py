"""Moving a recording away, step by step and interrupted."""

import json

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises, reply_is_lost

MODULE = "post_call.quarantine_recording"
CONTENT = b"not what it says"


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def event(event_of, cloud):
    """The event of a recording that is there."""
    return uploaded(cloud, event_of(MODULE))


def uploaded(cloud, event: dict, content: bytes = CONTENT) -> dict:
    recording = event["recording"]
    reply = cloud.s3.put_object(
        Bucket=recording["bucket"],
        Key=recording["key"],
        Body=content,
        Metadata={"agent": "SarahK"},
        Tagging="customer-id=1001",
    )
    recording |= {"version_id": reply["VersionId"], "etag": reply["ETag"].strip('"')}
    return event


def target_of(event: dict) -> str:
    return event["recording"]["key"].replace("recordings/", "quarantine/", 1)


def content_of(cloud, event: dict, key: str) -> bytes:
    bucket = event["recording"]["bucket"]
    return cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_moves_the_recording_and_leaves_the_reason_beside_it(module, event, cloud, context):
    output = module.handler(event, context)

    target = target_of(event)
    bucket = event["recording"]["bucket"]
    assert output == {"quarantined": {"bucket": bucket, "key": target}}
    assert cloud.keys("RecordingsBucket") == [target, f"{target}.reason.json"]
    assert content_of(cloud, event, target) == CONTENT
    assert json.loads(content_of(cloud, event, f"{target}.reason.json")) == {
        "call_id": event["call_id"],
        "error": "RecordingTruncated",
        "cause": json.loads(event["failure"]["Cause"])["errorMessage"],
    }


@pytest.mark.parametrize("megabytes", [0, 9], ids=["small", "larger than a part of an upload"])
def test_keeps_metadata_and_tags(module, event, cloud, context, megabytes):
    uploaded(cloud, event, bytes(megabytes * 2**20))

    module.handler(event, context)

    moved = {"Bucket": event["recording"]["bucket"], "Key": target_of(event)}
    assert cloud.s3.head_object(**moved)["Metadata"] == {"agent": "SarahK"}
    tags = cloud.s3.get_object_tagging(**moved)["TagSet"]
    assert tags == [{"Key": "customer-id", "Value": "1001"}]


def test_leaves_no_readable_version_under_the_old_key(module, event, cloud, context):
    module.handler(event, context)

    versions = cloud.s3.list_object_versions(
        Bucket=event["recording"]["bucket"], Prefix="recordings/"
    )
    assert "Versions" not in versions


def test_says_the_same_when_it_runs_twice(module, event, cloud, context):
    first = module.handler(event, context)

    second = module.handler(event, context)

    assert first == second
    assert content_of(cloud, event, target_of(event)) == CONTENT


def test_deletes_nothing_when_an_earlier_run_has_moved_it_already(
    module, event, context, intercept
):
    module.handler(event, context)
    intercept("DeleteObject", before=raises(AssertionError("a second deletion")))

    module.handler(event, context)


def test_finishes_what_a_crash_between_copy_and_deletion_left(
    module, event, cloud, context, intercept
):
    intercept("DeleteObject", before=raises(MemoryError()))
    with pytest.raises(MemoryError):
        module.handler(event, context)
    assert content_of(cloud, event, event["recording"]["key"]) == CONTENT

    module.handler(event, context)

    assert cloud.keys("RecordingsBucket") == [target_of(event), f"{target_of(event)}.reason.json"]
    assert content_of(cloud, event, target_of(event)) == CONTENT


def test_finishes_when_the_reply_of_the_deletion_was_lost(module, event, cloud, context, intercept):
    intercept("DeleteObject", after=reply_is_lost)
    with pytest.raises(TransientError):
        module.handler(event, context)

    output = module.handler(event, context)

    assert output["quarantined"]["key"] == target_of(event)
    assert content_of(cloud, event, target_of(event)) == CONTENT


def test_leaves_a_newer_version_where_it_is(module, event, cloud, context):
    recording = event["recording"]
    cloud.s3.put_object(Bucket=recording["bucket"], Key=recording["key"], Body=b"newer")

    module.handler(event, context)
    module.handler(event, context)

    assert content_of(cloud, event, recording["key"]) == b"newer"
    assert content_of(cloud, event, target_of(event)) == CONTENT


def test_moves_the_object_of_a_bucket_that_keeps_no_versions(module, event, cloud, context):
    event["recording"]["version_id"] = ""

    module.handler(event, context)

    assert cloud.keys("RecordingsBucket") == [target_of(event), f"{target_of(event)}.reason.json"]
    assert content_of(cloud, event, target_of(event)) == CONTENT


def test_leaves_other_bytes_where_they_are_when_the_bucket_keeps_no_versions(
    module, event, cloud, context
):
    recording = event["recording"]
    recording["version_id"] = ""
    cloud.s3.put_object(Bucket=recording["bucket"], Key=recording["key"], Body=b"newer")

    with pytest.raises(ClientError):
        module.handler(event, context)

    assert content_of(cloud, event, recording["key"]) == b"newer"
    assert target_of(event) not in cloud.keys("RecordingsBucket")


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion"])
def test_keeps_what_was_moved_when_the_source_changed_meanwhile(
    module, event, cloud, context, intercept, code
):
    module.handler(event, context)
    uploaded(cloud, event)
    intercept("CopyObject", before=fails_with(code))
    intercept("DeleteObject", before=raises(AssertionError("not what was copied")))

    output = module.handler(event, context)

    assert output["quarantined"]["key"] == target_of(event)
    assert content_of(cloud, event, target_of(event)) == CONTENT


def test_does_not_pretend_to_have_moved_what_was_never_there(module, event_of, cloud, context):
    with pytest.raises(ClientError):
        module.handler(event_of(MODULE), context)


def test_deletes_nothing_when_the_copy_fails(module, event, cloud, context, intercept):
    intercept("CopyObject", before=raises(aws_error("AccessDenied", status=403)))

    with pytest.raises(ClientError, match="AccessDenied"):
        module.handler(event, context)

    assert content_of(cloud, event, event["recording"]["key"]) == CONTENT


def test_asks_for_another_try_when_the_copy_is_throttled(module, event, context, intercept):
    intercept("CopyObject", before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        module.handler(event, context)


def test_logs_neither_name_nor_key(module, event, context, capsys):
    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "recording quarantined" in logged
    assert "SarahK" not in logged
