"""Documents in a bucket of our own, as they are read to be sent elsewhere."""

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from replication.documents import PIECE_BYTES, StoredDocument
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

BUCKET = "our-documents"
CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def wanted():
    return ()


@pytest.fixture
def objects(cloud):
    cloud.s3.create_bucket(Bucket=BUCKET)
    return cloud.s3


def keep(objects, content: bytes = CONTENT, **more) -> StoredDocument:
    objects.put_object(Bucket=BUCKET, Key="any.pdf", Body=content, **more)
    return StoredDocument(BUCKET, "any.pdf")


def read(document: StoredDocument, start: int, length: int) -> list[bytes]:
    with document.read(start, length) as pieces:
        return list(pieces)


def test_reads_a_part_in_pieces(objects):
    document = keep(objects)

    pieces = read(document, 7, PIECE_BYTES + 9)

    assert b"".join(pieces) == CONTENT[7 : PIECE_BYTES + 16]
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert document.size == len(CONTENT)


def test_reads_nothing_of_an_empty_document(objects, intercept):
    document = keep(objects, b"")
    intercept("GetObject", before=fails_with("InvalidRange", status=416))

    assert read(document, 0, 0) == []
    assert document.sha256 == hashlib.sha256().hexdigest()


def test_takes_the_checksum_that_s3_has_compared(objects, intercept):
    told = base64.b64encode(bytes.fromhex(SHA256)).decode()
    document = keep(
        objects, ChecksumAlgorithm="SHA256", ChecksumSHA256=told, Metadata={"sha256": "0" * 64}
    )
    intercept("GetObject", before=fails_with("AccessDenied", status=403))

    assert document.sha256 == SHA256


def test_takes_the_checksum_that_is_noted(objects, intercept):
    document = keep(objects, Metadata={"sha256": SHA256})
    intercept("GetObject", before=fails_with("AccessDenied", status=403))

    assert document.sha256 == SHA256


@pytest.mark.parametrize("noted", [{}, {"sha256": "unknown"}])
def test_works_the_checksum_out_once(objects, intercept, noted):
    document = keep(objects, Metadata=noted)

    assert document.sha256 == SHA256
    intercept("GetObject", before=fails_with("AccessDenied", status=403))
    assert document.sha256 == SHA256


def test_a_document_that_is_replaced_is_no_more_the_same(objects):
    document = keep(objects)
    objects.put_object(Bucket=BUCKET, Key="any.pdf", Body=CONTENT[::-1])

    with pytest.raises(TransientError, match=r"^DocumentChanged: "):
        read(document, 0, 10)


def test_a_document_that_is_removed_is_missing(objects):
    document = keep(objects)
    objects.delete_object(Bucket=BUCKET, Key="any.pdf")

    with pytest.raises(TransientError, match=r"^DocumentMissing: "):
        read(document, 0, 10)
    with pytest.raises(TransientError, match=r"^DocumentMissing: "):
        StoredDocument(BUCKET, "any.pdf")


def test_a_part_that_is_not_there_is_a_change(objects):
    document = keep(objects)

    with pytest.raises(TransientError, match=r"^DocumentChanged: "):
        read(document, len(CONTENT) - 5, 10)


@pytest.mark.parametrize("before", [fails_with("SlowDown", status=503), reply_is_lost])
def test_asks_for_another_try_when_s3_is_busy(objects, intercept, before):
    document = keep(objects)
    intercept("GetObject", before=before)

    with pytest.raises(TransientError):
        read(document, 0, 10)


def test_a_stream_that_breaks_off_is_tried_again(objects, monkeypatch):
    document = keep(objects)

    def broken(*_):
        raise ReadTimeoutError(endpoint_url="https://any.example")
        yield

    monkeypatch.setattr("botocore.response.StreamingBody.iter_chunks", broken)

    with pytest.raises(TransientError, match=r"^ReadTimeoutError: "):
        read(document, 0, 10)


def test_a_denied_document_stays_denied(objects, intercept):
    intercept("HeadObject", before=fails_with("403", status=403))

    with pytest.raises(ClientError):
        keep(objects)


def test_an_error_of_whoever_reads_is_theirs(objects):
    document = keep(objects)

    with pytest.raises(ReadTimeoutError), document.read(0, 10):
        raise ReadTimeoutError(endpoint_url="https://any.example")
