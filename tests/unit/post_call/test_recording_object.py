"""Reading exactly the version of an object that an event spoke of."""

import hashlib

import pytest
from botocore.exceptions import ClientError

from post_call import recording_object
from shared.errors import RecordingMissing, TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

CONTENT = b"any bytes" * 300_000


@pytest.fixture
def recording(cloud):
    bucket = cloud.name("RecordingsBucket")
    reply = cloud.s3.put_object(
        Bucket=bucket,
        Key="recordings/a.wav",
        Body=CONTENT,
        Metadata={"agent": "SarahK"},
        Tagging="customer-id=1001",
    )
    return {
        "bucket": bucket,
        "key": "recordings/a.wav",
        "etag": reply["ETag"].strip('"'),
        "size_bytes": len(CONTENT),
        "version_id": reply["VersionId"],
    }


def replace(cloud, recording) -> None:
    cloud.s3.put_object(Bucket=recording["bucket"], Key=recording["key"], Body=b"newer")


def test_writes_the_bytes_and_tells_their_hash_and_metadata(recording, tmp_path):
    downloaded = recording_object.download(recording, tmp_path / "r")

    assert (tmp_path / "r").read_bytes() == CONTENT
    assert downloaded == {
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "user_metadata": {"agent": "SarahK"},
    }


def test_reads_the_version_of_the_event_after_a_newer_one_came(recording, cloud, tmp_path):
    replace(cloud, recording)

    recording_object.download(recording, tmp_path / "r")

    assert (tmp_path / "r").read_bytes() == CONTENT
    assert recording_object.read_tags(recording) == {"customer-id": "1001"}


def test_refuses_other_bytes_where_the_event_names_no_version(recording, cloud, tmp_path):
    recording["version_id"] = ""
    replace(cloud, recording)

    with pytest.raises(RecordingMissing):
        recording_object.download(recording, tmp_path / "r")


def test_reads_the_newest_where_the_event_names_no_version(recording, tmp_path):
    recording["version_id"] = ""

    recording_object.download(recording, tmp_path / "r")

    assert (tmp_path / "r").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "changed", [{"version_id": "3HL4kqtJvjVBH40Nrjfkd2QkPr1mTqAx"}, {"key": "recordings/b.wav"}]
)
def test_names_the_error_of_a_version_that_is_gone(recording, tmp_path, changed):
    with pytest.raises(RecordingMissing, match="upload it again"):
        recording_object.download(recording | changed, tmp_path / "r")


def test_does_not_take_a_denied_object_for_a_missing_one(recording, tmp_path, intercept):
    intercept("GetObject", before=fails_with("AccessDenied", status=403))

    with pytest.raises(ClientError, match="AccessDenied"):
        recording_object.download(recording, tmp_path / "r")


def test_asks_for_another_try_when_the_connection_breaks(recording, tmp_path, intercept):
    intercept("GetObject", after=reply_is_lost)

    with pytest.raises(TransientError, match="ConnectionClosedError"):
        recording_object.download(recording, tmp_path / "r")


def test_an_event_without_a_version_asks_for_none(recording):
    assert recording_object.version_argument(recording) == {"VersionId": recording["version_id"]}
    assert recording_object.version_argument(recording | {"version_id": ""}) == {}
