"""The S3 client against a server of another make, over real connections and with faults."""

import tracemalloc
from typing import Any

import pytest
import urllib3.connection

from replication.storage import s3
from replication.storage.interface import Pause, Throttled
from replication.storage.s3 import S3
from replication.storage.s3_requests import Connection
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.providers.simulators import ACCOUNT, s3_client, simulator
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

BUCKET, PREFIX = "documents-of-ann", "Bücher & mehr"
CONTENT = b"what the customer is to get\n" * 1000
DOCUMENT = BytesDocument(CONTENT)
LONG = LongDocument(4)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("s3", tmp_path_factory.mktemp("s3"), chunk_minimum=10) as server:
        s3_client(server).create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def server(running):
    yield running
    running.clear_faults()


@pytest.fixture
def purse():
    return Purse()


@pytest.fixture
def storage(server, purse):
    return opened(server, purse)


@pytest.fixture
def parts(monkeypatch):
    """Documents of more than 1 MiB go in parts of that size."""
    monkeypatch.setattr(s3, "PART_BYTES", PIECE_BYTES)


@pytest.fixture
def name(request):
    return request.node.name


def opened(server, meter, location: str = f"{BUCKET}/{PREFIX}") -> S3:
    credentials = {"access_key_id": ACCOUNT["access_key_id"], "secret_access_key": "unchecked"}
    return S3(location, Connection(credentials, endpoint=server.url, region=None), meter)


def put(storage: S3, path: str, document: Any = DOCUMENT, there: Any = None) -> str:
    progress: dict[str, Any] = {}
    came_of_it = storage.upload(path, document, there=there, progress=progress)
    assert progress == {}
    return came_of_it


def arrived(server, path: str) -> str | None:
    return server.files(ACCOUNT["name"]).get(f"{BUCKET}/{PREFIX}/{path}")


def uploads(server) -> list[Any]:
    return s3_client(server).list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def test_makes_a_folder_once(storage, name, purse):
    assert storage.create_folder(name)
    assert not storage.create_folder(name)

    assert storage.find(name) == {}
    assert purse.spent == ["create_folder", "create_folder", "find"]


def test_names_of_every_kind_arrive_as_they_are(storage, server, name):
    odd = "50% & mehr #1? ; 'a+b' (ä@ö) 日本"
    storage.create_folder(name)

    assert put(storage, f"{name}/{odd}") == "uploaded"

    assert set(storage.find(name)) == {odd}
    assert arrived(server, f"{name}/{odd}") == DOCUMENT.sha256


@pytest.mark.parametrize("document", [DOCUMENT, BytesDocument(b"")], ids=["any", "empty"])
def test_puts_a_document_with_one_request_and_knows_it_again(storage, name, purse, document):
    assert put(storage, name, document) == "uploaded"
    assert purse.spent == ["upload"]

    there = storage.find("")[name]
    assert put(storage, name, document, there) == "identical"
    assert storage.same(name, there, document)
    assert not storage.same(name, there, BytesDocument(document.content + b"."))
    assert put(storage, name, document) == "identical"


@pytest.mark.parametrize("other", [CONTENT[::-1], CONTENT + b"more", b"short"])
@pytest.mark.parametrize("seen", [True, False])
def test_leaves_what_somebody_else_has_put_there(storage, server, name, other, seen):
    theirs = BytesDocument(other)
    put(storage, name, theirs)
    there = storage.find("")[name] if seen else None

    assert put(storage, name, there=there) == "conflict"

    assert arrived(server, name) == theirs.sha256


def test_replaces_the_documents_beginning(storage, server, name):
    put(storage, name, BytesDocument(CONTENT[:100]))

    assert put(storage, name) == "uploaded"

    assert arrived(server, name) == DOCUMENT.sha256


def test_compares_what_others_have_put_by_reading_it(storage, server, name, purse):
    key = f"{PREFIX}/{name}"
    s3_client(server).put_object(Bucket=BUCKET, Key=key, Body=CONTENT)

    assert put(storage, name) == "identical"

    assert purse.counts()["verify"] == 1


def test_a_long_document_goes_in_parts(storage, server, name, purse, parts):
    assert put(storage, name, LONG) == "uploaded"

    assert arrived(server, name) == LONG.sha256
    assert purse.counts() == {"upload": 6}
    purse.spent.clear()
    assert put(storage, name, LONG, storage.find("")[name]) == "identical"
    assert "verify" not in purse.spent


def test_goes_on_with_the_parts_that_are_there(server, name, parts):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(server, Purse(limit=3)).upload(name, LONG, there=None, progress=progress)
    read: list[int] = []
    rest = LongDocument(4, read.append)

    came_of_it = opened(server, Purse()).upload(name, rest, there=None, progress=progress)

    assert (came_of_it, progress) == ("uploaded", {})
    assert read == [2, 3]
    assert arrived(server, name) == LONG.sha256


def test_begins_again_when_the_parts_are_gone(server, name, parts, purse):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(server, Purse(limit=3)).upload(name, LONG, there=None, progress=progress)
    storage = opened(server, purse)
    storage.give_up(name, progress)

    with pytest.raises(TransientError, match=r"^UploadExpired: "):
        storage.upload(name, LONG, there=None, progress=progress)

    assert storage.upload(name, LONG, there=None, progress=progress) == "uploaded"


def test_somebody_was_faster_than_the_parts(server, name, parts):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(server, Purse(limit=3)).upload(name, LONG, there=None, progress=progress)
    storage = opened(server, Purse())
    put(storage, name)

    assert storage.upload(name, LONG, there=None, progress=progress) == "conflict"

    assert progress == {}
    assert uploads(server) == []
    assert arrived(server, name) == DOCUMENT.sha256


def test_another_document_does_not_go_on_with_the_parts_of_the_first(server, name, parts):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(server, Purse(limit=3)).upload(name, LONG, there=None, progress=progress)
    other = LongDocument(5)

    storage = opened(server, Purse())

    assert storage.upload(name, other, there=None, progress=progress) == "uploaded"
    assert arrived(server, name) == other.sha256
    assert uploads(server) == []


# --- in trouble


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttle_is_told(server, storage, status):
    server.set_faults({"action": "status", "status": status, "headers": {"Retry-After": "7"}})

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage, "any"),
    ):
        with pytest.raises(Throttled) as raised:
            ask()
        assert raised.value.retry_after == 7


def test_a_throttled_request_is_sent_once(server, storage):
    server.set_faults({"action": "status", "status": 503})

    with pytest.raises(Throttled):
        put(storage, "any")

    assert server.fault_hits() == [1]


def test_a_server_that_is_not_there_is_asked_again_later(tmp_path, purse):
    with simulator("s3", tmp_path) as running:
        s3_client(running).create_bucket(Bucket=BUCKET)
        storage = opened(running, purse)
        assert storage.create_folder("before")
        running.kill()

        for ask in (
            lambda: storage.create_folder("any"),
            lambda: storage.find(""),
            lambda: put(storage, "any"),
        ):
            with pytest.raises(TransientError):
                ask()

        running.start()
        assert not storage.create_folder("before")


def test_nobody_knows_of_a_folder_whose_reply_is_lost(server, storage, name):
    server.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})

    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder(name)

    assert not storage.create_folder(name)


@pytest.mark.parametrize(
    ("document", "method"), [(DOCUMENT, "PUT"), (LONG, "POST")], ids=["whole", "in parts"]
)
def test_a_document_whose_reply_is_lost_is_found_to_be_there(
    server, storage, name, parts, document, method
):
    rule = {"action": "lose_reply", "method": method, "times": 1}
    if method == "POST":
        progress: dict[str, Any] = {}
        with pytest.raises(Pause):
            opened(server, Purse(limit=5)).upload(name, document, there=None, progress=progress)
        server.set_faults(rule)
        came_of_it = storage.upload(name, document, there=None, progress=progress)
    else:
        server.set_faults(rule)
        came_of_it = put(storage, name, document)

    assert came_of_it == "identical"
    assert server.fault_hits() == [1]
    assert arrived(server, name) == document.sha256


def test_a_list_whose_reply_is_lost_is_asked_for_again(server, storage):
    server.set_faults({"action": "lose_reply", "method": "GET", "times": 1})

    with pytest.raises(TransientError):
        storage.find("")


def test_a_document_that_was_not_put_is_tried_again(server, storage, name):
    server.set_faults({"action": "refuse", "method": "PUT", "times": 1})

    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        put(storage, name)

    assert put(storage, name) == "uploaded"


def test_nobody_knows_of_a_document_that_cannot_be_compared(server, storage, name):
    server.set_faults(
        {"action": "lose_reply", "method": "PUT", "times": 1},
        {"action": "refuse", "method": "HEAD", "times": 1},
    )

    with pytest.raises(AmbiguousError, match="cannot be found out"):
        put(storage, name)

    assert put(storage, name) == "identical"


def test_a_bucket_that_is_not_there_is_refused(server, purse):
    storage = opened(server, purse, "no-such-bucket")

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage, "any"),
    ):
        with pytest.raises(StorageRefused, match=r"^(BucketMissing|CredentialsRefused): "):
            ask()


def test_a_key_that_nobody_has_is_refused(server, purse):
    credentials = {"access_key_id": "AKIDNOBODY", "secret_access_key": "unchecked"}
    storage = S3(BUCKET, Connection(credentials, endpoint=server.url, region=None), purse)

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.find("")


def test_one_connection_serves_many_requests(monkeypatch, storage, name):
    made: list[object] = []
    connect = urllib3.connection.HTTPConnection.connect

    def noted(connection: urllib3.connection.HTTPConnection) -> None:
        made.append(connection)
        connect(connection)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", noted)

    for number in range(5):
        put(storage, f"{name}/{number}")
        storage.find(name)

    assert len(made) == 1


def test_a_long_document_is_never_in_memory_as_a_whole(storage, server, name):
    document = LongDocument(200)
    storage.find("")
    tracemalloc.start()
    try:
        assert put(storage, name, document) == "uploaded"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert arrived(server, name) == document.sha256
    assert peak < s3.PART_BYTES + 6 * PIECE_BYTES
