"""Documents in S3."""

import pytest
from botocore.exceptions import ClientError

from shared.documents import read_json, write_json
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with


@pytest.fixture
def bucket(cloud):
    return cloud.name("TranscriptsBucket")


@pytest.mark.parametrize("document", [{}, [], {"a": [1, 2.5, None, True]}, ["ü", "\u2028", "\x00"]])
def test_reads_what_it_wrote(bucket, document):
    write_json(bucket, "work/any.json", document)

    assert read_json(bucket, "work/any.json") == document


def test_says_that_a_document_is_json(bucket, cloud):
    write_json(bucket, "work/any.json", {"name": "Jürgen"})

    reply = cloud.s3.get_object(Bucket=bucket, Key="work/any.json")
    assert reply["ContentType"] == "application/json"
    assert reply["Body"].read() == '{"name":"Jürgen"}'.encode()


def test_the_second_write_stands(bucket):
    write_json(bucket, "work/any.json", {"run": 1})
    write_json(bucket, "work/any.json", {"run": 2})

    assert read_json(bucket, "work/any.json") == {"run": 2}


def test_a_missing_document_is_a_permanent_error(bucket):
    with pytest.raises(ClientError, match="NoSuchKey"):
        read_json(bucket, "work/none.json")


@pytest.mark.parametrize(
    ("operation", "use"),
    [
        ("GetObject", lambda bucket: read_json(bucket, "work/any.json")),
        ("PutObject", lambda bucket: write_json(bucket, "work/any.json", {})),
    ],
)
def test_a_busy_bucket_passes(bucket, intercept, operation, use):
    intercept(operation, before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        use(bucket)
