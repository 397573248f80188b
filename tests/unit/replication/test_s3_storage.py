"""What is asked of S3, and what is made of its answers."""

import base64
import hashlib
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from replication.storage import s3
from replication.storage.interface import Found, Pause, Throttled
from replication.storage.s3 import S3
from replication.storage.s3_requests import Connection
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse
from tests.unit.aws_errors import aws_error, fails_with, raises

BUCKET, PREFIX = "documents-of-dana", "Bücher/2026"
CONTENT = b"what the customer is to get"
DOCUMENT = BytesDocument(CONTENT)
KEY = {"access_key_id": "AKIDDANA", "secret_access_key": "s3cret"}
URL = "https://any.example/documents-of-dana/a.pdf"


@pytest.fixture
def wanted():
    return ()


@pytest.fixture
def objects(cloud):
    cloud.s3.create_bucket(Bucket=BUCKET)
    return cloud.s3


@pytest.fixture
def storage(objects, purse):
    return opened(purse)


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", 5 * PIECE_BYTES)


def opened(meter: Purse, location: str = f"{BUCKET}/{PREFIX}") -> S3:
    return S3(location, Connection(KEY, endpoint=None, region="us-east-1"), meter)


def put(storage: S3, path: str = "a.pdf", document: Any = DOCUMENT, there: Any = None) -> str:
    return storage.upload(path, document, there=there, progress={})


def put_by_others(objects, content: bytes, path: str = "a.pdf", **more) -> None:
    objects.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}", Body=content, **more)


def content(objects, path: str = "a.pdf") -> bytes:
    return objects.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}")["Body"].read()


# --- folders and lists


def test_a_folder_is_an_empty_object_whose_key_ends_like_one(storage, objects, purse):
    assert storage.create_folder("2026-11/in")
    assert not storage.create_folder("2026-11/in")

    assert content(objects, "2026-11/in/") == b""
    assert purse.spent == ["create_folder", "create_folder"]


def test_finds_what_lies_right_in_a_folder(storage, objects):
    storage.create_folder("in")
    put_by_others(objects, b"any", "in/a b.pdf")
    put_by_others(objects, b"any", "in/below/b.pdf")
    put_by_others(objects, b"any", "inside.pdf")

    [(name, found)] = storage.find("in").items()

    assert (name, found.size, found.sha256) == ("a b.pdf", 3, None)
    assert found.etag == f'"{hashlib.md5(b"any").hexdigest()}"'
    assert storage.find("gone") == {}
    assert set(storage.find("")) == {"inside.pdf"}


def test_a_location_may_be_a_bucket_alone(objects, purse):
    storage = opened(purse, BUCKET)

    assert put(storage) == "uploaded"

    assert set(storage.find("")) == {"a.pdf"}


def test_every_page_of_a_list_is_read_and_paid(storage, objects, purse, monkeypatch):
    for number in range(5):
        put_by_others(objects, b"any", f"in/{number}")
    real = storage._client.list_objects_v2
    monkeypatch.setattr(
        storage._client, "list_objects_v2", lambda **arguments: real(**arguments, MaxKeys=2)
    )

    assert set(storage.find("in")) == set("01234")

    assert purse.spent == ["find"] * 3


# --- documents


def test_a_document_arrives_with_its_checksum_and_keeps_it(storage, objects):
    assert put(storage) == "uploaded"

    head = objects.head_object(Bucket=BUCKET, Key=f"{PREFIX}/a.pdf")
    assert content(objects) == CONTENT
    assert head["Metadata"] == {"sha256": DOCUMENT.sha256}


def test_the_server_is_told_what_must_arrive_and_where_nothing_may_be(storage, monkeypatch):
    sent: dict[str, Any] = {}
    real = storage._client.put_object

    def noted(**arguments: Any) -> Any:
        sent.update(arguments)
        return real(**arguments)

    monkeypatch.setattr(storage._client, "put_object", noted)

    put(storage)

    assert bytes.fromhex(DOCUMENT.sha256) == base64.b64decode(sent["ChecksumSHA256"])
    assert sent["IfNoneMatch"] == "*"
    assert "IfMatch" not in sent


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (CONTENT, "identical"),
        (CONTENT[::-1], "conflict"),
        (CONTENT + b".", "conflict"),
        (b"short", "conflict"),
    ],
)
def test_what_is_there_is_compared_and_left(storage, objects, theirs, expected, seen):
    put_by_others(objects, theirs)
    there = storage.find("")["a.pdf"] if seen else None

    assert put(storage, there=there) == expected

    assert content(objects) == theirs


@pytest.mark.parametrize("theirs", [b"", CONTENT[:5]])
def test_the_beginning_of_a_document_is_replaced(storage, objects, theirs):
    put_by_others(objects, theirs)

    assert put(storage) == "uploaded"

    assert content(objects) == CONTENT


def test_the_checksum_that_is_kept_spares_reading(storage, objects, purse):
    put(storage)
    found = storage.find("")["a.pdf"]
    purse.spent.clear()

    assert storage.same("a.pdf", found, DOCUMENT)
    assert not storage.same("a.pdf", found, BytesDocument(CONTENT[::-1]))
    assert not storage.same("a.pdf", found, BytesDocument(CONTENT + b"."))

    assert purse.spent == ["find", "find"]


def test_what_others_have_put_is_read_back(storage, objects, purse):
    put_by_others(objects, CONTENT)
    found = storage.find("")["a.pdf"]
    purse.spent.clear()

    assert storage.same("a.pdf", found, DOCUMENT)

    assert purse.spent == ["find", "verify"]


def test_what_changes_while_it_is_compared_is_tried_again(storage, objects, intercept):
    put_by_others(objects, CONTENT)
    found = storage.find("")["a.pdf"]
    intercept("GetObject", before=lambda: put_by_others(objects, CONTENT[::-1]))

    with pytest.raises(TransientError, match=r"^FileChanged: "):
        storage.same("a.pdf", found, DOCUMENT)


def test_what_is_gone_since_it_was_seen_is_put(storage, objects):
    there = Found(len(CONTENT), None, '"gone"')

    assert not storage.same("a.pdf", there, DOCUMENT)
    assert put(storage, there=there) == "uploaded"


def test_a_document_that_is_not_what_its_checksum_says_is_not_sent(storage, purse):
    class Wrong(BytesDocument):
        sha256 = "0" * 64

    with pytest.raises(TransientError, match=r"^DocumentChanged: "):
        put(storage, document=Wrong(CONTENT))

    assert purse.spent == []


def test_a_document_that_is_shorter_than_it_was_is_not_sent(storage, purse):
    class Shorter(BytesDocument):
        size = len(CONTENT) + 1

    with pytest.raises(TransientError, match=r"^DocumentChanged: "):
        put(storage, document=Shorter(CONTENT))

    assert purse.spent == []


def test_what_has_arrived_broken_is_removed(storage, objects):
    real = storage._client.put_object

    def without_checksum(**arguments: Any) -> Any:
        real(**arguments)
        put_by_others(objects, b"broken")
        return {"ResponseMetadata": {}}

    storage._client.put_object = without_checksum

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)

    assert storage.find("") == {}


def test_what_somebody_has_changed_since_is_left(storage, objects):
    real = storage._client.put_object

    def changed_since(**arguments: Any) -> Any:
        reply = real(**arguments)
        put_by_others(objects, b"other")
        return {"ResponseMetadata": {}, "ETag": reply["ETag"]}

    storage._client.put_object = changed_since

    assert put(storage) == "conflict"
    assert content(objects) == b"other"


# --- long documents

LONG = LongDocument(12)


def test_a_long_document_goes_in_parts(storage, objects, purse, parts):
    assert put(storage, document=LONG) == "uploaded"

    assert hashlib.sha256(content(objects)).hexdigest() == LONG.sha256
    assert purse.counts()["upload"] == 5
    head = objects.head_object(Bucket=BUCKET, Key=f"{PREFIX}/a.pdf")
    assert head["Metadata"] == {"sha256": LONG.sha256}


def test_a_long_document_goes_on_after_a_pause(objects, parts):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(Purse(limit=3)).upload("a.pdf", LONG, there=None, progress=progress)
    assert set(progress) == {"upload_id", "part_bytes", "sha256"}
    read: list[int] = []

    came_of_it = opened(Purse()).upload(
        "a.pdf", LongDocument(12, read.append), there=None, progress=progress
    )

    assert (came_of_it, progress) == ("uploaded", {})
    assert read == [10, 11]


def test_parts_grow_so_that_there_are_not_too_many(storage, parts, monkeypatch):
    monkeypatch.setattr(s3, "MOST_PARTS", 2)
    purse = storage._meter

    assert put(storage, document=LONG) == "uploaded"

    assert purse.counts()["upload"] == 4


def test_parts_are_removed_where_somebody_was_faster(objects, parts):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(Purse(limit=3)).upload("a.pdf", LONG, there=None, progress=progress)
    put_by_others(objects, b"other")
    there = opened(Purse()).find("")["a.pdf"]

    came_of_it = opened(Purse()).upload("a.pdf", LONG, there=there, progress=progress)

    assert (came_of_it, progress) == ("conflict", {})
    assert "Uploads" not in objects.list_multipart_uploads(Bucket=BUCKET)


def test_what_no_s3_takes_is_refused(storage, purse):
    class Huge(BytesDocument):
        size = s3.LARGEST_BYTES + 1

    with pytest.raises(StorageRefused, match=r"^FileTooLarge: "):
        put(storage, document=Huge(CONTENT))

    assert purse.spent == []


# --- payment and failures


def test_nothing_is_sent_that_is_not_paid(objects):
    storage = opened(Purse(limit=0))

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find(""),
        lambda: put(storage),
    ):
        with pytest.raises(Pause):
            ask()

    assert objects.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


ASKS = {
    "create_folder": ("PutObject", lambda storage: storage.create_folder("any")),
    "find": ("ListObjectsV2", lambda storage: storage.find("any")),
    "upload": ("PutObject", put),
    "look": ("HeadObject", lambda storage: storage.same("a", Found(27, None), DOCUMENT)),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("code", "status", "error", "told"),
    [
        ("SlowDown", 503, Throttled, "SlowDown"),
        ("SlowDown", 400, Throttled, "SlowDown"),
        ("ThrottlingException", 400, Throttled, "ThrottlingException"),
        ("ServiceUnavailable", 503, Throttled, "ServiceUnavailable"),
        ("429", 429, Throttled, "429"),
        ("InternalError", 500, TransientError, "InternalError: "),
        ("502", 502, TransientError, "502: "),
        ("RequestTimeout", 400, TransientError, "RequestTimeout: "),
        ("RequestTimeTooSkewed", 403, TransientError, "RequestTimeTooSkewed: "),
        ("ConditionalRequestConflict", 409, TransientError, "ConditionalRequestConflict: "),
        ("AccessDenied", 403, StorageRefused, "CredentialsRefused: "),
        ("InvalidAccessKeyId", 403, StorageRefused, "CredentialsRefused: "),
        ("SignatureDoesNotMatch", 403, StorageRefused, "CredentialsRefused: "),
        ("ExpiredToken", 400, StorageRefused, "CredentialsRefused: "),
        ("403", 403, StorageRefused, "CredentialsRefused: "),
        ("NoSuchBucket", 404, StorageRefused, "BucketMissing: "),
        ("QuotaExceeded", 403, StorageRefused, "StorageFull: "),
        ("PermanentRedirect", 307, StorageRefused, "RegionWrong: "),
        ("NotImplemented", 501, StorageRefused, "NotSupported: "),
        ("InvalidRequest", 400, StorageRefused, "InvalidRequest: "),
        ("a key: Bücher/2026", 400, StorageRefused, "HTTP400: "),
    ],
)
def test_each_error_has_its_meaning(storage, intercept, ask, code, status, error, told):
    operation, do = ASKS[ask]
    intercept(operation, before=fails_with(code, status=status))

    with pytest.raises(error) as raised:
        do(storage)

    assert str(raised.value).startswith(told)
    assert "2026" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_throttle_and_a_quota_are_told(storage, intercept, purse):
    refused = aws_error("SlowDown", status=503)
    headers = {"retry-after": "7", "ratelimit-remaining": "0", "ratelimit-reset": "60"}
    refused.response["ResponseMetadata"]["HTTPHeaders"] = headers
    intercept("ListObjectsV2", before=raises(refused))

    with pytest.raises(Throttled) as raised:
        storage.find("any")

    assert raised.value.retry_after == 7
    assert purse.advice == [(0, 60)]


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
    ],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("ask", ASKS)
def test_a_request_that_was_never_sent_may_be_sent_again(storage, intercept, ask, failure):
    operation, do = ASKS[ask]
    intercept(operation, before=raises(failure))

    with pytest.raises(TransientError, match="the connection to the storage failed") as raised:
        do(storage)

    assert "a.pdf" not in str(raised.value)


@pytest.mark.parametrize(
    "failure",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_lost_reply_leaves_a_folder_in_doubt_and_a_list_not(storage, intercept, failure):
    intercept("PutObject", after=raises(failure))
    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder("any")
    assert not storage.create_folder("any")

    intercept("ListObjectsV2", after=raises(failure))
    with pytest.raises(TransientError):
        storage.find("any")


def test_a_document_whose_reply_is_lost_is_found_to_be_there(storage, intercept, purse):
    intercept("PutObject", after=raises(ReadTimeoutError(endpoint_url=URL)))

    assert put(storage) == "identical"

    assert purse.spent == ["upload", "find"]


def test_a_document_whose_reply_is_lost_may_be_somebody_elses(storage, objects, monkeypatch):
    def somebody_is_faster(**_: Any) -> None:
        put_by_others(objects, b"other")
        raise ReadTimeoutError(endpoint_url=URL)

    monkeypatch.setattr(storage._client, "put_object", somebody_is_faster)

    assert put(storage) == "conflict"


def test_nobody_knows_of_a_document_that_cannot_be_compared(storage, intercept):
    intercept("PutObject", after=raises(ReadTimeoutError(endpoint_url=URL)))
    intercept("HeadObject", before=fails_with("InternalError", status=500))

    with pytest.raises(AmbiguousError, match="cannot be found out: InternalError"):
        put(storage)

    assert put(storage) == "identical"


def test_a_certificate_that_is_not_valid_is_refused(storage, intercept):
    wrong = SSLError(endpoint_url=URL, error="[SSL: CERTIFICATE_VERIFY_FAILED] expired")
    intercept("ListObjectsV2", before=raises(wrong))

    with pytest.raises(StorageRefused, match=r"^CertificateRefused: "):
        storage.find("any")


def test_asks_once_and_not_for_ever(storage):
    config = storage._client.meta.config

    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (5, 60)


# --- names


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/b c/Bücher 50% #1?\\ 日本.pdf", None),
        ("a" * (1023 - len(f"{PREFIX}/".encode())), None),
        ("a" * (1024 - len(f"{PREFIX}/".encode())), "more than"),
        ("ä" * 510, "more than"),
        ("a//b", "empty"),
        ("", "empty"),
        ("a/", "empty"),
        ("a/../b", "`..`"),
        ("./a", "`.`"),
        ("a\nb", "printed"),
        ("a\ud800b", "printed"),
    ],
)
def test_says_why_a_path_cannot_be(storage, purse, path, why):
    said = storage.illegal(path)

    assert said is None if why is None else why in said
    assert purse.spent == []
