"""S3 as its API reference describes it, asked by boto3 and by hand."""

import base64
import hashlib
import http.client
import zlib

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.providers.simulators import OTHER, s3_client, simulator

_CREDENTIAL = "Credential=AKIDANN/20261101/us-east-1/s3/aws4_request"
_SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 {_CREDENTIAL}, SignedHeaders=host, Signature=0"}


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


_SHA256 = encoded(hashlib.sha256(b"content").digest())


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("s3", tmp_path_factory.mktemp("s3"), chunk_minimum=10) as started:
        yield started


@pytest.fixture(scope="module")
def client(running):
    return s3_client(running)


@pytest.fixture
def bucket(client, running):
    """A bucket of one test."""
    name = f"bucket-{len(client.list_buckets()['Buckets'])}"
    client.create_bucket(Bucket=name)
    return name


class Refusal:
    """What a call is refused with."""

    def __enter__(self):
        self._raises = pytest.raises(ClientError)
        self._info = self._raises.__enter__()
        return self

    def __exit__(self, *error):
        return self._raises.__exit__(*error)

    @property
    def code(self):
        return self._info.value.response["Error"]["Code"]

    @property
    def status(self):
        return self._info.value.response["ResponseMetadata"]["HTTPStatusCode"]


def ask(running, method, path, body=None, **headers):
    """A request that no SDK would make; headers with `_` for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {**_SIGNED, **named})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply, text


def test_knows_accounts_by_their_access_keys(running, client, bucket):
    stranger = s3_client(running, {"access_key_id": "AKIDNOBODY"})
    with Refusal() as unknown:
        stranger.list_objects_v2(Bucket=bucket)
    with Refusal() as foreign:
        s3_client(running, OTHER).list_objects_v2(Bucket=bucket)
    with Refusal() as taken:
        s3_client(running, OTHER).create_bucket(Bucket=bucket)
    with Refusal() as absent:
        client.list_objects_v2(Bucket="of-nobody")

    assert (unknown.code, unknown.status) == ("InvalidAccessKeyId", 403)
    assert (foreign.code, foreign.status) == ("AccessDenied", 403)
    assert (taken.code, taken.status) == ("BucketAlreadyExists", 409)
    assert (absent.code, absent.status) == ("NoSuchBucket", 404)
    assert client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    link = client.generate_presigned_url("head_bucket", {"Bucket": bucket}).removeprefix(
        running.url
    )
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.request("HEAD", link)
    assert connection.getresponse().status == 200
    connection.close()


def test_stores_an_object_and_gives_it_back(running, client, bucket):
    key = "2026-11/Übersicht #1 & more.pdf"

    put = client.put_object(
        Bucket=bucket, Key=key, Body=b"content", ChecksumAlgorithm="SHA256", Metadata={"k": "v"}
    )
    got = client.get_object(Bucket=bucket, Key=key)
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")

    md5 = hashlib.md5(b"content").hexdigest()
    assert (put["ETag"], put["ChecksumSHA256"]) == (f'"{md5}"', _SHA256)
    assert got["Body"].read() == b"content"
    assert (got["ETag"], got["Metadata"], got["ContentLength"]) == (put["ETag"], {"k": "v"}, 7)
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (_SHA256, "FULL_OBJECT")
    assert running.tree()["ann"][f"{bucket}/{key}"]["size"] == 7
    part = client.get_object(Bucket=bucket, Key=key, Range="bytes=1-3")
    assert (part["Body"].read(), part["ContentRange"]) == (b"ont", "bytes 1-3/7")


def test_says_which_key_or_range_is_not_there(client, bucket):
    client.put_object(Bucket=bucket, Key="key", Body=b"content")
    with Refusal() as key:
        client.get_object(Bucket=bucket, Key="none")
    with Refusal() as head:
        client.head_object(Bucket=bucket, Key="none")
    with Refusal() as part:
        client.get_object(Bucket=bucket, Key="key", Range="bytes=7-")

    assert (key.code, key.status) == ("NoSuchKey", 404)
    assert head.status == 404
    assert (part.code, part.status) == ("InvalidRange", 416)


def test_puts_nothing_where_something_is_if_asked_to(client, bucket):
    client.put_object(Bucket=bucket, Key="key", Body=b"content", IfNoneMatch="*")
    with Refusal() as refused:
        client.put_object(Bucket=bucket, Key="key", Body=b"other", IfNoneMatch="*")

    assert (refused.code, refused.status) == ("PreconditionFailed", 412)
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"


@pytest.mark.parametrize(
    ("checksum", "code"),
    [
        ({"x_amz_checksum_sha256": encoded(bytes(32))}, "BadDigest"),
        ({"x_amz_checksum_crc32": encoded(bytes(4))}, "BadDigest"),
        ({"Content_MD5": encoded(bytes(16))}, "BadDigest"),
        ({"x_amz_content_sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
    ],
)
def test_stores_nothing_that_is_not_what_was_said(running, bucket, checksum, code):
    reply, text = ask(running, "PUT", f"/{bucket}/key", b"content", **checksum)

    assert reply.status == 400
    assert f"<Code>{code}</Code>".encode() in text
    assert not [path for path in running.files("ann") if path.startswith(f"{bucket}/")]


def framed(pieces, *trailers, signed):
    """A body as SDKs send it that sign each chunk, or have a checksum behind them."""
    sign = b";chunk-signature=" + b"0" * 64 if signed else b""
    chunks = [b"%x%s\r\n%s\r\n" % (len(piece), sign, piece) for piece in pieces]
    ends = b"".join(trailer.encode() + b"\r\n" for trailer in trailers)
    return b"".join(chunks) + b"0%s\r\n%s\r\n" % (sign, ends)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("sha256", hashlib.sha256(b"content" * 50_000).digest()),
        ("crc32", zlib.crc32(b"content" * 50_000).to_bytes(4, "big")),
    ],
)
def test_takes_content_in_frames_with_a_checksum_behind_it(
    running, client, bucket, signed, name, digest
):
    content = b"content" * 50_000
    kind = (
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
        if signed
        else "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    )
    headers = {
        "Content_Encoding": "aws-chunked",
        "x_amz_content_sha256": kind,
        "x_amz_decoded_content_length": str(len(content)),
        "x_amz_trailer": f"x-amz-checksum-{name}",
    }
    pieces = [content[:65_536], content[65_536:300_000], content[300_000:]]
    right = framed(pieces, f"x-amz-checksum-{name}:{encoded(digest)}", signed=signed)
    wrong = framed(pieces, f"x-amz-checksum-{name}:{encoded(bytes(len(digest)))}", signed=signed)
    short = framed(pieces[:2], f"x-amz-checksum-{name}:{encoded(digest)}", signed=signed)

    reply, _ = ask(running, "PUT", f"/{bucket}/right", right, **headers)
    assert (reply.status, reply.headers[f"x-amz-checksum-{name}"]) == (200, encoded(digest))
    assert client.get_object(Bucket=bucket, Key="right")["Body"].read() == content
    assert b"BadDigest" in ask(running, "PUT", f"/{bucket}/wrong", wrong, **headers)[1]
    assert b"IncompleteBody" in ask(running, "PUT", f"/{bucket}/short", short, **headers)[1]
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
def test_lists_all_keys_page_by_page(client, bucket, operation):
    keys = ["a", "b/1", "b/2", "b/c/3", "b0", "ü & <x>", "z/"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")

    def listed(**query):
        pages = client.get_paginator(operation).paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 2}, **query
        )
        found = [
            entry.get("Key") or entry["Prefix"]
            for page in pages
            for entry in page.get("Contents", []) + page.get("CommonPrefixes", [])
        ]
        return sorted(found)

    assert listed() == sorted(keys)
    assert listed(Prefix="b") == ["b/1", "b/2", "b/c/3", "b0"]
    assert listed(Delimiter="/") == ["a", "b/", "b0", "z/", "ü & <x>"]
    assert listed(Prefix="b/", Delimiter="/") == ["b/1", "b/2", "b/c/"]
    assert listed(Prefix="none") == []


def test_lists_from_a_key_on(client, bucket):
    for key in ("a", "b", "c"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")

    page = client.list_objects_v2(Bucket=bucket, StartAfter="a", MaxKeys=1)

    assert [entry["Key"] for entry in page["Contents"]] == ["b"]
    assert (page["IsTruncated"], page["KeyCount"]) == (True, 1)


def test_deletes_objects_and_then_their_bucket(client, bucket):
    client.put_object(Bucket=bucket, Key="a", Body=b"x")
    client.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    with Refusal() as refused:
        client.delete_bucket(Bucket=bucket)
    client.delete_object(Bucket=bucket, Key="a")
    client.delete_object(Bucket=bucket, Key="a")

    assert refused.code == "BucketNotEmpty"
    assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x"
    client.delete_object(Bucket=bucket, Key="a/b")
    client.delete_bucket(Bucket=bucket)
    with Refusal():
        client.head_bucket(Bucket=bucket)
    client.create_bucket(Bucket=bucket)  # The tests count buckets.


def test_copies_an_object(client, bucket):
    client.put_object(Bucket=bucket, Key="a b", Body=b"content", Metadata={"k": "v"})

    client.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a b"})

    assert client.get_object(Bucket=bucket, Key="c")["Metadata"] == {"k": "v"}


@pytest.fixture
def upload(client, bucket):
    begun = client.create_multipart_upload(
        Bucket=bucket, Key="big", ChecksumAlgorithm="SHA256", Metadata={"k": "v"}
    )
    return {"Bucket": bucket, "Key": "big", "UploadId": begun["UploadId"]}


def parts(*uploaded):
    named = [
        {"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}
        for number, part in uploaded
    ]
    return {"MultipartUpload": {"Parts": named}}


def put_part(client, upload, number, content):
    return number, client.upload_part(
        **upload, PartNumber=number, Body=content, ChecksumAlgorithm="SHA256"
    )


def test_puts_an_object_together_from_parts(running, client, bucket, upload):
    second = put_part(client, upload, 3, b"b" * 5)
    first = put_part(client, upload, 1, b"a" * 10)
    put_part(client, upload, 2, b"unused")
    listed = client.list_parts(**upload, MaxParts=2)
    [begun] = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [part["Size"] for part in listed["Parts"]] == [10, 6]
    assert (listed["IsTruncated"], listed["NextPartNumberMarker"]) == (True, 2)
    assert (begun["Key"], begun["UploadId"]) == ("big", upload["UploadId"])
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0

    made = client.complete_multipart_upload(**upload, **parts(first, second), IfNoneMatch="*")

    digests = [hashlib.sha256(content).digest() for content in (b"a" * 10, b"b" * 5)]
    checksum = encoded(hashlib.sha256(b"".join(digests)).digest()) + "-2"
    md5s = [hashlib.md5(content).digest() for content in (b"a" * 10, b"b" * 5)]
    assert made["ETag"] == f'"{hashlib.md5(b"".join(md5s)).hexdigest()}-2"'
    assert made["ChecksumSHA256"] == checksum
    got = client.get_object(Bucket=bucket, Key="big")
    assert (got["Body"].read(), got["Metadata"]) == (b"a" * 10 + b"b" * 5, {"k": "v"})
    head = client.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (checksum, "COMPOSITE")
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    with Refusal() as refused:
        client.complete_multipart_upload(**upload, **parts(first, second))
    assert (refused.code, refused.status) == ("NoSuchUpload", 404)


def test_refuses_parts_that_make_no_object(client, bucket, upload):
    small = put_part(client, upload, 1, b"a" * 9)
    last = put_part(client, upload, 2, b"b")
    other = (2, {**last[1], "ETag": small[1]["ETag"]})
    codes = []
    for given in (parts(small, last), parts(last, small), parts(small, other), {}):
        with Refusal() as refused:
            client.complete_multipart_upload(**upload, **given)
        codes.append(refused.code)

    assert codes == ["EntityTooSmall", "InvalidPartOrder", "InvalidPart", "MalformedXML"]


def test_forgets_an_upload_that_is_aborted(client, upload):
    put_part(client, upload, 1, b"a" * 10)

    client.abort_multipart_upload(**upload)

    with Refusal() as refused:
        put_part(client, upload, 2, b"b")
    assert refused.code == "NoSuchUpload"


def test_boto3_moves_a_large_file(client, bucket, tmp_path):
    content = hashlib.shake_256(b"any").digest(20_000_000)
    (tmp_path / "file").write_bytes(content)
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=1, multipart_chunksize=6_000_000)

    client.upload_file(str(tmp_path / "file"), bucket, "file", Config=config)
    client.download_file(bucket, "file", str(tmp_path / "back"))

    assert client.head_object(Bucket=bucket, Key="file")["ETag"].endswith('-4"')
    assert (tmp_path / "back").read_bytes() == content


def test_has_no_more_room_than_the_quota_allows(running):
    running.add_account("small", access_key_id="AKIDSMALL", storage_quota=100)
    client = s3_client(running, {"access_key_id": "AKIDSMALL"})
    client.create_bucket(Bucket="small")
    client.put_object(Bucket="small", Key="a", Body=b"x" * 100)
    with Refusal() as refused:
        client.put_object(Bucket="small", Key="b", Body=b"x")

    assert refused.code == "QuotaExceeded"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "?acl", 501, "NotImplemented"),
        ("PATCH", "/key", 501, ""),
        ("GET", "?max-keys=many", 400, ""),
        ("PUT", "/" + "k" * 1025, 400, "KeyTooLongError"),
    ],
)
def test_says_what_it_does_not_do(running, bucket, method, path, status, code):
    reply, text = ask(running, method, f"/{bucket}{path}")

    assert reply.status == status
    assert code.encode() in text
