"""The Dropbox client against a server of another make, over real connections and with faults."""

import time
import tracemalloc
from threading import Thread
from typing import Any

import pytest

from replication.storage import dropbox
from replication.storage.dropbox import Dropbox
from replication.storage.interface import Pause, Throttled
from replication.storage.json_api import connect
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.providers.api_accounts import OneToken, connected, put
from tests.providers.simulators import ACCOUNT, OTHER, simulator, wait_for
from tests.providers.simulators import Dropbox as Account
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

LOCATION = "/Bücher & mehr/Ann"
CONTENT = b"what the customer is to get\n" * 1000
DOCUMENT = BytesDocument(CONTENT)
LONG = LongDocument(5)
ODD = "50% & mehr #1? ; 'a+b' (ä@ö) 日本"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("dropbox", tmp_path_factory.mktemp("dropbox")) as server:
        yield server


@pytest.fixture(scope="module")
def connection(running):
    made = connected(running)
    yield made
    made.close()


@pytest.fixture
def server(running):
    running.clear_faults()
    running.clear_stats()
    yield running
    running.clear_faults()


@pytest.fixture
def purse():
    return Purse()


@pytest.fixture
def opened(server, connection):
    def open_with(meter: Purse, location: str = LOCATION) -> Dropbox:
        return Dropbox(location, server.url, connection, meter)

    return open_with


@pytest.fixture
def storage(opened, purse):
    return opened(purse)


@pytest.fixture
def chunks(monkeypatch):
    """Documents of more than 1 MiB go in chunks of that size."""
    monkeypatch.setattr(dropbox, "LARGEST_REQUEST", PIECE_BYTES)
    monkeypatch.setattr(dropbox, "CHUNK_BYTES", PIECE_BYTES)


@pytest.fixture
def name(request):
    return request.node.name


def arrived(server, path: str) -> str | None:
    return server.files(ACCOUNT["name"]).get(f"{LOCATION[1:]}/{path}")


def begun(opened, name: str, requests: int, document: Any = LONG) -> dict[str, Any]:
    """An upload that went on for so many requests."""
    progress: dict[str, Any] = {}
    with pytest.raises(Pause):
        opened(Purse(limit=requests)).upload(name, document, there=None, progress=progress)
    return progress


# --- folders and lists


def test_makes_a_folder_once_in_any_case(storage, server, name, purse):
    assert storage.create_folder(f"{name}/a")
    assert not storage.create_folder(f"{name}/a")
    assert not storage.create_folder(f"{name}/A")
    assert not storage.create_folder(name)

    assert storage.find(name) == {}
    assert purse.spent == ["create_folder"] * 4 + ["find"]
    assert f"{LOCATION[1:]}/{name}/a" in server.folders(ACCOUNT["name"])


def test_a_folder_that_is_not_there_has_nothing_in_it(storage, name):
    assert storage.find(name) == {}


def test_a_file_in_a_folders_place_is_told(storage, name):
    put(storage, name, DOCUMENT)

    for ask in (
        lambda: storage.create_folder(name),
        lambda: storage.create_folder(f"{name}/below"),
        lambda: put(storage, f"{name}/below", DOCUMENT),
        lambda: storage.find(name),
    ):
        with pytest.raises(StorageRefused, match=r"^NameTaken: "):
            ask()


def test_lists_all_pages(storage, name, monkeypatch, purse):
    monkeypatch.setattr(dropbox, "_ENTRIES_AT_ONCE", 2)
    for number in range(5):
        put(storage, f"{name}/{number}", BytesDocument(str(number).encode()))
    storage.create_folder(f"{name}/folder")
    purse.spent.clear()

    assert sorted(storage.find(name)) == list("01234")
    assert purse.spent == ["find"] * 3


def test_the_root_is_a_location_like_others(opened, name):
    storage = opened(Purse(), "/")

    storage.create_folder(name)
    put(storage, f"{name}.txt", DOCUMENT)

    assert f"{name}.txt" in storage.find("")
    assert storage.find(name) == {}


@pytest.mark.parametrize("odd", [ODD, "a\\b", "end ", "desktop.ini", "~$draft", "..", "\x07 bell"])
def test_names_of_every_kind_arrive_and_are_read_back(storage, name, odd):
    folder = f"{name}/{odd}"
    storage.create_folder(folder)

    assert put(storage, f"{folder}/{odd}", DOCUMENT) == "uploaded"

    [(read, found)] = storage.find(folder).items()
    assert read == odd
    assert put(storage, f"{folder}/{odd}", DOCUMENT, found) == "identical"


@pytest.mark.parametrize("path", ["a//b", "", "a/", "x" * 256, "a/" + "ä" * 256, "\ud800"])
def test_says_which_names_cannot_be(storage, path):
    assert storage.illegal(path)


@pytest.mark.parametrize("path", ["a/b", "x" * 255, "ä" * 255, "..", "a\\b", " "])
def test_says_which_names_can_be_though_written_otherwise(storage, path):
    assert storage.illegal(path) is None


# --- documents


@pytest.mark.parametrize("document", [DOCUMENT, BytesDocument(b"")], ids=["any", "empty"])
def test_puts_a_document_with_one_request_and_knows_it_again(storage, name, purse, document):
    assert put(storage, name, document) == "uploaded"
    assert purse.spent == ["upload"]

    there = storage.find("")[name]
    assert put(storage, name, document, there) == "identical"
    assert storage.same(name, there, document)
    assert not storage.same(name, there, BytesDocument(document.content + b"."))
    assert purse.counts() == {"upload": 1, "find": 1}
    assert put(storage, name, document) == "identical"


@pytest.mark.parametrize(
    "other",
    [CONTENT[::-1], CONTENT + b"more", CONTENT[:100], b""],
    ids=["other", "longer", "beginning", "empty"],
)
@pytest.mark.parametrize("seen", [True, False])
def test_leaves_what_somebody_else_has_put_there(storage, server, name, other, seen):
    theirs = BytesDocument(other)
    put(storage, name, theirs)
    there = storage.find("")[name] if seen else None

    assert put(storage, name, DOCUMENT, there) == "conflict"

    assert arrived(server, name) == theirs.sha256


def test_a_file_whose_name_has_another_case_is_the_same_place(storage, server, name):
    put(storage, name.upper(), DOCUMENT)

    assert put(storage, name, DOCUMENT) == "identical"
    assert put(storage, name, BytesDocument(b"other")) == "conflict"


def test_a_folder_in_a_documents_place_is_told(storage, name, chunks):
    storage.create_folder(name)

    for document in (DOCUMENT, LONG):
        with pytest.raises(StorageRefused, match=r"^NameTaken: "):
            storage.upload(name, document, there=None, progress={})


@pytest.mark.parametrize("mebibytes", [2, 5])
def test_a_long_document_goes_in_chunks(storage, server, name, purse, chunks, mebibytes):
    document = LongDocument(mebibytes)

    assert put(storage, name, document) == "uploaded"

    assert arrived(server, name) == document.sha256
    assert purse.spent == ["upload"] * mebibytes
    assert put(storage, name, document, storage.find("")[name]) == "identical"


def test_a_document_of_exactly_one_request_goes_in_one(storage, name, purse, chunks):
    assert put(storage, name, LongDocument(1)) == "uploaded"

    assert purse.spent == ["upload"]


def test_a_chunk_that_is_not_whole_comes_last(storage, server, name, chunks):
    document = BytesDocument(CONTENT * 100)
    assert document.size % PIECE_BYTES

    assert put(storage, name, document) == "uploaded"

    assert arrived(server, name) == document.sha256


def test_goes_on_with_the_chunks_that_are_there(opened, server, name, chunks):
    progress = begun(opened, name, 3)
    read: list[int] = []
    rest = LongDocument(5, read.append)

    came_of_it = opened(Purse()).upload(name, rest, there=None, progress=progress)

    assert (came_of_it, progress) == ("uploaded", {})
    assert set(read) == {3, 4}
    assert arrived(server, name) == LONG.sha256


@pytest.mark.parametrize("believed", [1, 3])
def test_goes_on_from_where_dropbox_says(opened, server, name, chunks, believed):
    progress = begun(opened, name, 2) | {"offset": believed * PIECE_BYTES}

    assert opened(Purse()).upload(name, LONG, there=None, progress=progress) == "uploaded"

    assert arrived(server, name) == LONG.sha256


def test_a_document_that_lacks_only_its_end_is_finished_from_where_dropbox_says(
    opened, server, name, chunks
):
    progress = begun(opened, name, 2) | {"offset": 5 * PIECE_BYTES}

    assert opened(Purse()).upload(name, LONG, there=None, progress=progress) == "uploaded"

    assert arrived(server, name) == LONG.sha256


def test_begins_again_when_the_session_is_gone(opened, server, name, chunks):
    progress = begun(opened, name, 2) | {"session": "0" * 32}
    storage = opened(Purse())

    with pytest.raises(TransientError, match=r"^UploadExpired: "):
        storage.upload(name, LONG, there=None, progress=progress)

    assert storage.upload(name, LONG, there=None, progress=progress) == "uploaded"


def test_another_document_does_not_go_on_with_the_chunks_of_the_first(opened, server, name, chunks):
    progress = begun(opened, name, 2)
    other = LongDocument(6)

    assert opened(Purse()).upload(name, other, there=None, progress=progress) == "uploaded"

    assert arrived(server, name) == other.sha256


def test_somebody_was_faster_than_the_chunks(opened, server, name, chunks):
    progress = begun(opened, name, 3)
    storage = opened(Purse())
    put(storage, name, DOCUMENT)

    assert storage.upload(name, LONG, there=None, progress=progress) == "conflict"

    assert progress == {}
    assert arrived(server, name) == DOCUMENT.sha256


def test_a_long_document_is_never_in_memory_as_a_whole(storage, server, name, monkeypatch):
    monkeypatch.setattr(dropbox, "LARGEST_REQUEST", 60 * PIECE_BYTES)
    documents = {"one request": LongDocument(60), "chunks": LongDocument(100)}
    storage.find("")
    tracemalloc.start()
    try:
        for kind, document in documents.items():
            assert put(storage, f"{name} {kind}", document) == "uploaded"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * PIECE_BYTES


# --- in trouble


@pytest.mark.parametrize(
    "body",
    [
        '{"error_summary": "too_many_requests/..", "error": {"reason":'
        ' {".tag": "too_many_requests"}, "retry_after": 7}}',
        "Too many requests",
    ],
    ids=["json", "text"],
)
def test_a_throttle_is_told_in_each_form(server, storage, body):
    headers = {"Retry-After": "7"}
    server.set_faults({"action": "status", "status": 429, "headers": headers, "body": body})

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage, "any", DOCUMENT),
    ):
        with pytest.raises(Throttled) as raised:
            ask()
        assert raised.value.retry_after == 7
    assert server.fault_hits() == [3]


@pytest.mark.parametrize("document", [DOCUMENT, LONG], ids=["whole", "in chunks"])
def test_whoever_writes_beside_us_is_waited_for(server, storage, name, chunks, document):
    """Another app holds the account's lock for a second."""
    server.set_faults({"action": "delay", "path": "*by another app", "seconds": 1})
    other = Account(server)
    beside = Thread(target=lambda: other.content("upload", b"any", path="/by another app"))
    beside.start()
    wait_for(lambda: server.fault_hits() == [1])
    progress: dict[str, Any] = {}
    began = time.time()

    with pytest.raises(Pause) as raised:
        storage.upload(name, document, there=None, progress=progress)
    beside.join()

    assert 0 < raised.value.not_before - began < 30
    assert storage.upload(name, document, there=None, progress=progress) == "uploaded"


def test_limits_of_the_account_are_told(storage, server):
    before = server.limits()["limits"]
    server.set_limits({"limits": [{"scope": "account", "units": 1, "seconds": 60}]})
    try:
        storage.find("")
        with pytest.raises(Throttled) as raised:
            storage.find("")
    finally:
        server.set_limits({"limits": before})

    assert raised.value.retry_after > 0


def test_nobody_knows_of_a_folder_whose_reply_is_lost(server, storage, name):
    server.set_faults({"action": "lose_reply", "kind": "create_folder", "times": 1})

    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder(name)

    assert not storage.create_folder(name)


@pytest.mark.parametrize("document", [DOCUMENT, LONG], ids=["whole", "in chunks"])
def test_a_document_whose_reply_is_lost_is_found_to_be_there(
    server, storage, name, chunks, document
):
    server.set_faults({"action": "lose_reply", "kind": "upload", "times": 1})

    assert put(storage, name, document) == "identical"

    assert server.fault_hits() == [1]
    assert arrived(server, name) == document.sha256


@pytest.mark.parametrize("action", ["lose_reply", "refuse", "truncate"])
def test_a_chunk_whose_reply_is_lost_is_not_sent_into_the_wrong_place(
    opened, server, name, chunks, action
):
    progress = begun(opened, name, 2)
    server.set_faults({"action": action, "kind": "other", "times": 1, "keep_bytes": 1000})
    storage = opened(Purse())

    with pytest.raises(TransientError):
        storage.upload(name, LONG, there=None, progress=progress)
    assert progress["offset"] == 2 * PIECE_BYTES

    assert storage.upload(name, LONG, there=None, progress=progress) == "uploaded"
    assert arrived(server, name) == LONG.sha256


@pytest.mark.parametrize("document", [DOCUMENT, LONG], ids=["whole", "in chunks"])
@pytest.mark.parametrize("action", ["refuse", "truncate"])
def test_a_document_that_broke_off_leaves_nothing_and_is_tried_again(
    server, storage, name, chunks, document, action
):
    server.set_faults({"action": action, "kind": "upload", "times": 1, "keep_bytes": 1000})
    progress: dict[str, Any] = {}

    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        storage.upload(name, document, there=None, progress=progress)
    assert arrived(server, name) is None

    assert storage.upload(name, document, there=None, progress=progress) == "uploaded"
    assert arrived(server, name) == document.sha256


def test_nobody_knows_of_a_document_that_cannot_be_compared(server, storage, name):
    server.set_faults(
        {"action": "lose_reply", "kind": "upload", "times": 1},
        {"action": "refuse", "kind": "read", "times": 1},
    )

    with pytest.raises(AmbiguousError, match="cannot be found out"):
        put(storage, name, DOCUMENT)

    assert put(storage, name, DOCUMENT) == "identical"


def test_a_server_that_is_not_there_is_asked_again_later(tmp_path, purse):
    with simulator("dropbox", tmp_path) as running:
        storage = Dropbox("/", running.url, connected(running), purse)
        assert storage.create_folder("before")
        running.kill()

        for ask in (
            lambda: storage.create_folder("any"),
            lambda: storage.find(""),
            lambda: put(storage, "any", DOCUMENT),
        ):
            with pytest.raises(TransientError):
                ask()

        running.start()
        assert not storage.create_folder("before")


def test_a_full_account_is_told(tmp_path, purse, chunks):
    with simulator("dropbox", tmp_path) as running:
        running.add_account(**ACCOUNT, storage_quota=1000)
        storage = Dropbox("/", running.url, connected(running), purse)
        running.add_account(**ACCOUNT, storage_quota=1000)

        for document in (DOCUMENT, LONG):
            with pytest.raises(StorageRefused, match=r"^StorageFull: "):
                storage.upload("any", document, there=None, progress={})


def test_a_token_that_nobody_takes_is_refused_after_one_more_try(server, purse):
    tokens = OneToken("nobody's")
    storage = Dropbox(LOCATION, server.url, connect(tokens), purse)

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.find("")

    assert tokens.refused == ["nobody's"]
    assert purse.spent == ["find"] * 2


def test_an_account_sees_its_own_files_alone(server, storage, name):
    put(storage, name, DOCUMENT)

    assert server.files(OTHER["name"]) == {}
