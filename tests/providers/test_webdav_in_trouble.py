"""The WebDAV client when a server throttles, breaks off, loses replies or is not there at all."""

import time
import tracemalloc
from collections import UserDict
from typing import Any

import pytest

from replication.storage import webdav
from replication.storage.interface import Pause, Throttled
from replication.storage.webdav import WebDav
from replication.storage.webdav_requests import connect
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.providers.simulators import ACCOUNT, simulator
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

CONTENT = b"what the customer is to get\n" * 1000
DOCUMENT = BytesDocument(CONTENT)
USER = ACCOUNT["name"]


class _AllHeed(UserDict[str, bool]):
    def get(self, host: str, default: Any = None) -> bool:
        return True


@pytest.fixture(autouse=True)
def _servers_are_known(monkeypatch):
    """What a server heeds is found out elsewhere."""
    monkeypatch.setattr(webdav, "heeds_conditions", _AllHeed())


@pytest.fixture(scope="module", params=["webdav", "nextcloud"])
def each(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with simulator(request.param, folder, chunk_minimum=10) as running:
        yield running


@pytest.fixture(scope="module")
def nextcloud(tmp_path_factory):
    with simulator("nextcloud", tmp_path_factory.mktemp("cloud"), chunk_minimum=10) as running:
        yield running


@pytest.fixture
def server(each):
    yield each
    each.clear_faults()


@pytest.fixture
def cloud(nextcloud, monkeypatch):
    """Nextcloud, to which documents of more than 1 MiB go in chunks of that size."""
    monkeypatch.setattr(webdav, "CHUNK_BYTES", PIECE_BYTES)
    yield nextcloud
    nextcloud.clear_faults()


@pytest.fixture
def purse():
    return Purse()


def opened(server, meter) -> WebDav:
    session = connect({"username": USER, "password": ACCOUNT["password"]})
    return WebDav(server.files_url(USER), session, meter)


@pytest.fixture
def storage(server, purse):
    return opened(server, purse)


@pytest.fixture
def name(request):
    return request.node.name.replace("[", "-").replace("]", "")


def put(storage: WebDav, path: str, document: Any = DOCUMENT, there: Any = None) -> str:
    return storage.upload(path, document, there=there, progress={})


def arrived(server, path: str) -> str | None:
    return server.files(USER).get(path)


# --- requests that are refused


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, None), ({"Retry-After": "7"}, 7), ({"Retry-After": "soon"}, None)],
    ids=["no time", "seconds", "nonsense"],
)
def test_a_throttle_says_how_long_to_wait(server, storage, status, headers, expected):
    server.set_faults({"action": "status", "status": status, "headers": headers})

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage, "any"),
    ):
        with pytest.raises(Throttled) as raised:
            ask()
        assert raised.value.retry_after == expected
        assert raised.value.code == f"HTTP{status}"


def test_a_throttle_may_name_the_time_to_wait_for(server, storage):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    server.set_faults({"action": "status", "status": 429, "headers": {"Retry-After": date}})

    with pytest.raises(Throttled) as raised:
        storage.find("")

    assert 25 < raised.value.retry_after <= 31


@pytest.mark.parametrize(
    ("status", "headers", "error", "code"),
    [
        (503, {"X-Nextcloud-Maintenance-Mode": "1"}, TransientError, "Maintenance"),
        (423, {}, TransientError, "Locked"),
        (500, {}, TransientError, "HTTP500"),
        (502, {}, TransientError, "HTTP502"),
        (409, {}, TransientError, "FolderMissing"),
        (401, {}, StorageRefused, "CredentialsRefused"),
        (403, {}, StorageRefused, "CredentialsRefused"),
        (413, {}, StorageRefused, "FileTooLarge"),
        (507, {}, StorageRefused, "StorageFull"),
        (418, {}, StorageRefused, "HTTP418"),
    ],
)
def test_each_status_has_its_meaning(server, storage, status, headers, error, code):
    server.set_faults({"action": "status", "status": status, "headers": headers})

    with pytest.raises(error, match=f"^{code}: "):
        put(storage, "any")


def test_a_server_that_is_not_there_is_asked_again_later(tmp_path, purse):
    with simulator("webdav", tmp_path) as running:
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
        assert put(storage, "any") == "uploaded"


# --- replies that are lost


def test_nobody_knows_of_a_folder_whose_reply_is_lost(server, storage, name):
    server.set_faults({"action": "lose_reply", "method": "MKCOL", "times": 1})

    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder(name)

    assert not storage.create_folder(name)


def test_a_list_whose_reply_is_lost_is_asked_for_again(server, storage):
    server.set_faults({"action": "lose_reply", "method": "PROPFIND", "times": 1})

    with pytest.raises(TransientError):
        storage.find("")

    storage.find("")


def test_a_document_whose_reply_is_lost_is_found_to_be_there(server, storage, name, purse):
    server.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})

    assert put(storage, name) == "identical"

    assert arrived(server, name) == DOCUMENT.sha256
    assert purse.counts()["upload"] == 1


def test_a_document_that_was_not_put_is_tried_again(server, storage, name):
    server.set_faults({"action": "refuse", "method": "PUT", "times": 1})

    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        put(storage, name)

    assert put(storage, name) == "uploaded"


@pytest.mark.parametrize("kept", [0, 5000])
def test_what_broke_off_is_replaced_by_the_next_try(server, storage, name, kept):
    server.set_faults({"action": "truncate", "method": "PUT", "keep_bytes": kept, "times": 1})

    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        put(storage, name)

    assert put(storage, name) == "uploaded"
    assert arrived(server, name) == DOCUMENT.sha256


def test_nobody_knows_of_a_document_that_cannot_be_compared(server, storage, name):
    server.set_faults(
        {"action": "lose_reply", "method": "PUT", "times": 1},
        {"action": "refuse", "method": "PROPFIND", "times": 1},
    )

    with pytest.raises(AmbiguousError, match="cannot be found out"):
        put(storage, name)

    assert put(storage, name) == "identical"


def test_a_throttle_after_a_lost_reply_is_one(server, storage, name):
    server.set_faults(
        {"action": "lose_reply", "method": "PUT", "times": 1},
        {"action": "status", "status": 429, "method": "PROPFIND", "times": 1},
    )

    with pytest.raises(Throttled):
        put(storage, name)

    assert put(storage, name) == "identical"


def test_a_pause_before_the_verification_does_not_send_it_twice(each, name):
    progress: dict[str, Any] = {}
    if "nextcloud" in each.profile:
        pytest.skip("Nextcloud says in its reply what has arrived")
    with pytest.raises(Pause):
        opened(each, Purse(limit=1)).upload(name, DOCUMENT, there=None, progress=progress)
    purse = Purse()

    came_of_it = opened(each, purse).upload(name, DOCUMENT, there=None, progress=progress)

    assert (came_of_it, progress) == ("uploaded", {})
    assert purse.spent == ["verify"]


# --- Nextcloud's chunks

LONG = LongDocument(4)


def test_goes_on_with_the_chunks_that_are_there_although_the_progress_is_lost(cloud, name):
    with pytest.raises(Pause):
        opened(cloud, Purse(limit=3)).upload(name, LONG, there=None, progress={})
    read: list[int] = []
    rest = LongDocument(4, read.append)

    assert put(opened(cloud, Purse()), name, rest) == "uploaded"

    assert read == [2, 3]
    assert arrived(cloud, name) == LONG.sha256


def test_somebody_elses_file_is_left_and_the_chunks_are_removed(cloud, name):
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(cloud, Purse(limit=3)).upload(name, LONG, there=None, progress=progress)
    storage = opened(cloud, Purse())
    chunks = f"{storage._chunks_url}/{progress['chunks']}/"
    assert len(storage._entries(chunks, "1")) > 1
    put(storage, name)

    assert storage.upload(name, LONG, there=None, progress=progress) == "conflict"

    assert arrived(cloud, name) == DOCUMENT.sha256
    assert progress == {}
    assert storage._entries(chunks, "1") == []


def test_the_beginning_of_a_long_document_is_replaced(cloud, name):
    storage = opened(cloud, Purse())
    with LONG.read(0, 100_000) as pieces:
        put(storage, name, BytesDocument(b"".join(pieces)))
    there = storage.find("")[name]

    assert put(storage, name, LONG, there) == "uploaded"

    assert arrived(cloud, name) == LONG.sha256


# --- memory


@pytest.mark.parametrize("each", ["webdav"], indirect=True)
def test_a_long_document_is_never_in_memory_as_a_whole(each, name):
    document = LongDocument(50)
    storage = opened(each, Purse())
    storage.find("")
    tracemalloc.start()
    try:
        assert put(storage, name, document) == "uploaded"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert arrived(each, name) == document.sha256
    assert peak < 6 * PIECE_BYTES
