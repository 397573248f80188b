"""What every client of a JSON API does, against the simulators of Google Drive and Microsoft."""

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import urllib3.connection

from replication.storage import drive, graph
from replication.storage.interface import Pause, Throttled
from replication.storage.names import QUOTE
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.providers.api_accounts import CONTENT, DOCUMENT, USER, Tokens, arrived, opened, put
from tests.providers.simulators import simulator
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

PARTS = {"drive": 4 * 256 * 1024, "graph": 4 * 320 * 1024}
"""Sizes of parts in these tests."""

ODD = "Bücher 50% & mehr #1 + 'a\\b' (ä@ö) 日本"
"""A name that needs encoding in a URL, in a query, or in both."""

ALIKE = f"{QUOTE}full\N{FULLWIDTH QUESTION MARK}width"
"""A name that has what others are written with."""


@pytest.fixture(scope="module", params=["drive", "graph"])
def each(request, tmp_path_factory):
    with simulator(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def server(each, monkeypatch):
    """A provider, to which documents of more than 1 MiB go in parts of about that size."""
    for module in (drive, graph):
        monkeypatch.setattr(module, "AT_ONCE_BYTES", PIECE_BYTES)
        monkeypatch.setattr(module, "PART_BYTES", PARTS[each.profile])
    yield each
    each.clear_faults()


@pytest.fixture
def purse():
    return Purse()


@pytest.fixture
def storage(server, purse):
    return opened(server, purse)


@pytest.fixture
def folder(storage, purse, request):
    """A folder of the test's own."""
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    assert storage.create_folder(name)
    purse.spent.clear()
    return name


# --- folders and what is in them


def test_makes_a_folder_once(storage, folder, server):
    assert storage.create_folder(f"{folder}/2026-11")
    assert not storage.create_folder(f"{folder}/2026-11")
    assert not opened(server).create_folder(f"{folder}/2026-11")

    assert [path for path in server.folders(USER) if path.startswith(f"{folder}/")] == [
        f"{folder}/2026-11"
    ]


def test_begins_again_where_the_folder_above_is_gone(storage, folder):
    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        storage.create_folder(f"{folder}/gone/2026-11")


def test_finds_nothing_in_a_folder_that_is_not_there(storage, folder):
    assert storage.find(f"{folder}/gone") == {}
    assert storage.find(folder) == {}


def test_finds_the_files_of_a_folder_and_not_those_below(storage, folder):
    storage.create_folder(f"{folder}/below")
    put(storage, f"{folder}/a.pdf")
    put(storage, f"{folder}/below/b.pdf")

    [(name, found)] = storage.find(folder).items()

    assert (name, found.size) == ("a.pdf", len(CONTENT))
    assert storage.same(f"{folder}/a.pdf", found, DOCUMENT)
    assert not storage.same(f"{folder}/a.pdf", found, BytesDocument(CONTENT[::-1]))
    assert not storage.same(f"{folder}/a.pdf", found, BytesDocument(CONTENT + b"."))


def test_finds_all_files_of_a_folder_however_many_pages(storage, folder, monkeypatch, purse):
    monkeypatch.setattr(drive, "PAGE_FILES", 2)
    monkeypatch.setattr(graph, "PAGE_ITEMS", 2)
    for number in range(5):
        put(storage, f"{folder}/{number}")
    purse.spent.clear()

    assert set(storage.find(folder)) == {"0", "1", "2", "3", "4"}

    assert purse.spent == ["find"] * 3


def test_finds_what_lies_at_the_account_s_location_itself(storage, folder):
    put(storage, f"at the root of {folder}")

    assert f"at the root of {folder}" in storage.find("")


def test_a_location_that_is_not_there_is_told(server):
    missing = {"drive": "1gone", "graph": f"{server.drive_id(USER)}/gone"}[server.profile]
    storage = opened(server, location=missing)

    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        storage.create_folder("any")
    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        put(storage, "any")


@pytest.mark.parametrize(
    "name",
    [ODD, ALIKE, 'what? *: <x> | "y"', " begins and ends. ", "CON", "..", "_vti_x", "'"],
)
def test_names_of_every_kind_are_found_as_they_were_meant(server, storage, folder, name):
    assert storage.illegal(f"{folder}/{name}/{name}") is None
    assert storage.create_folder(f"{folder}/{name}")
    assert not storage.create_folder(f"{folder}/{name}")

    assert put(storage, f"{folder}/{name}/{name}") == "uploaded"

    found = opened(server).find(f"{folder}/{name}")
    assert set(found) == {name}
    assert put(storage, f"{folder}/{name}/{name}", there=found[name]) == "identical"


# --- documents


def test_puts_a_document(storage, folder, server):
    assert put(storage, f"{folder}/a.pdf") == "uploaded"

    assert arrived(server, f"{folder}/a.pdf") == DOCUMENT.sha256


SIZES = [0, 1, PIECE_BYTES, PIECE_BYTES + 1, "a part", "two parts", "more"]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_puts_documents_of_every_size(storage, folder, server, size):
    part = PARTS[server.profile]
    sizes = {"a part": part, "two parts": 2 * part, "more": 3 * part + 7}
    document = BytesDocument(bytes(range(256)) * (sizes.get(size, size) // 256 + 1))
    document.content = document.content[: sizes.get(size, size)]
    progress: dict[str, Any] = {}

    came_of_it = storage.upload(f"{folder}/any", document, there=None, progress=progress)

    assert (came_of_it, progress) == ("uploaded", {})
    assert arrived(server, f"{folder}/any") == document.sha256
    [there] = storage.find(folder).values()
    assert put(storage, f"{folder}/any", document, there) == "identical"


@pytest.mark.parametrize(
    "other", [CONTENT[::-1], CONTENT + b"more", CONTENT[:9], b""], ids=["same", "more", "less", "0"]
)
@pytest.mark.parametrize("seen", [True, False], ids=["seen", "not seen"])
def test_leaves_what_somebody_else_has_put_there(storage, folder, server, other, seen):
    theirs = BytesDocument(other)
    put(storage, f"{folder}/a.pdf", theirs)
    there = storage.find(folder)["a.pdf"] if seen else None

    assert put(storage, f"{folder}/a.pdf", there=there) == "conflict"

    assert arrived(server, f"{folder}/a.pdf") == theirs.sha256
    assert len(server.files(USER)) == len({*server.files(USER)})
    assert set(storage.find(folder)) == {"a.pdf"}


def test_the_same_document_is_found_to_be_there_although_nothing_was_seen(storage, folder, purse):
    put(storage, f"{folder}/a.pdf")
    put(storage, f"{folder}/long", LongDocument(3))
    purse.spent.clear()

    assert put(storage, f"{folder}/a.pdf") == "identical"
    assert put(storage, f"{folder}/long", LongDocument(3)) == "identical"


def test_what_is_gone_since_it_was_seen_is_put(storage, folder, server):
    other = BytesDocument(b"gone")
    put(storage, f"{folder}/other", other)
    there = storage.find(folder)["other"]

    assert put(storage, f"{folder}/a.pdf", there=there) == "conflict"
    assert put(storage, f"{folder}/a.pdf") == "uploaded"


def test_one_connection_serves_many_requests(monkeypatch, storage, folder):
    made: list[object] = []
    connect = urllib3.connection.HTTPConnection.connect

    def noted(connection: urllib3.connection.HTTPConnection) -> None:
        made.append(connection)
        connect(connection)

    put(storage, f"{folder}/first")  # Its token comes over a connection of its own.
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", noted)

    for number in range(3):
        put(storage, f"{folder}/{number}")
        put(storage, f"{folder}/long {number}", LongDocument(3))
        storage.find(folder)
        storage.create_folder(f"{folder}/below-{number}")
        storage.create_folder(f"{folder}/below-{number}")

    assert made == []


def test_a_long_document_is_never_in_memory_as_a_whole(each, folder):
    document = LongDocument(200)
    storage = opened(each)
    storage.find("")
    tracemalloc.start()
    try:
        assert put(storage, f"{folder}/long", document) == "uploaded"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert arrived(each, f"{folder}/long") == document.sha256
    assert peak < 6 * PIECE_BYTES


# --- uploads that are interrupted

LONG = LongDocument(6)


def begun(server, path: str, parts: int = 2) -> dict[str, Any]:
    """An upload that was paused behind some parts, as the next step is given it."""
    progress: dict[str, Any] = {}
    purse = Purse()
    purse.limit = None
    storage = opened(server, purse)

    def stop_behind(number: int) -> None:
        if number >= parts * PARTS[server.profile] // PIECE_BYTES:
            purse.limit = len(purse.spent)

    with pytest.raises(Pause):
        storage.upload(path, LongDocument(6, stop_behind), there=None, progress=progress)
    assert progress
    return progress


def test_goes_on_in_another_process(server, folder):
    progress = begun(server, f"{folder}/long")
    read: list[int] = []

    came_of_it = opened(server).upload(
        f"{folder}/long", LongDocument(6, read.append), there=None, progress=progress
    )

    assert (came_of_it, progress) == ("uploaded", {})
    assert arrived(server, f"{folder}/long") == LONG.sha256
    assert 0 not in read[: len(read) // 2]


def test_begins_again_where_the_progress_is_lost(server, folder):
    begun(server, f"{folder}/long")

    assert put(opened(server), f"{folder}/long", LONG) == "uploaded"

    assert arrived(server, f"{folder}/long") == LONG.sha256


def test_another_document_does_not_go_on_with_the_parts_of_the_first(server, folder):
    progress = begun(server, f"{folder}/long")
    other = LongDocument(5)

    came_of_it = opened(server).upload(f"{folder}/long", other, there=None, progress=progress)

    assert came_of_it == "uploaded"
    assert arrived(server, f"{folder}/long") == other.sha256


def test_somebody_elses_file_is_left_while_a_long_one_is_under_way(server, storage, folder):
    progress = begun(server, f"{folder}/long")
    put(opened(server), f"{folder}/long")

    came_of_it = storage.upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert (came_of_it, progress) == ("conflict", {})
    assert arrived(server, f"{folder}/long") == DOCUMENT.sha256
    assert set(storage.find(folder)) == {"long"}


@pytest.mark.parametrize("kept", [0, 300_000])
def test_a_part_that_broke_off_is_sent_again(server, storage, folder, kept):
    server.set_faults(
        {"action": "truncate", "method": "PUT", "path": "*/long", "keep_bytes": kept, "times": 1}
    )
    progress: dict[str, Any] = {}
    with pytest.raises(TransientError):
        storage.upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"

    assert arrived(server, f"{folder}/long") == LONG.sha256


def test_begins_again_when_the_provider_has_given_the_upload_up(server, folder):
    progress = begun(server, f"{folder}/long")
    progress["url"] += "gone"
    storage = opened(server)
    if server.profile == "drive":
        with pytest.raises(TransientError, match=r"^UploadExpired: "):
            storage.upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"

    assert arrived(server, f"{folder}/long") == LONG.sha256


def test_a_token_may_end_in_the_midst_of_a_long_upload(server, folder):
    tokens = Tokens(server)

    def expire(number: int) -> None:
        if number == 3:
            server.expire_tokens(USER)

    storage = opened(server, tokens=tokens)
    assert put(storage, f"{folder}/long", LongDocument(6, expire)) == "uploaded"
    assert tokens.given == 1

    assert set(storage.find(folder)) == {"long"}
    assert tokens.given == 2


def test_a_document_is_sent_again_with_a_new_token(server, folder):
    tokens = Tokens(server)
    storage = opened(server, tokens=tokens)
    storage.find(folder)
    server.expire_tokens(USER)

    assert put(storage, f"{folder}/a.pdf") == "uploaded"

    assert arrived(server, f"{folder}/a.pdf") == DOCUMENT.sha256


def test_a_token_that_was_revoked_is_told(server, folder, storage):
    server.revoke_tokens(USER)

    for ask in (
        lambda: storage.create_folder(f"{folder}/any"),
        lambda: storage.find(folder),
        lambda: put(storage, f"{folder}/any"),
    ):
        with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
            ask()


# --- replies that are lost

CREATES = {"method": "POST", "kind": "create_folder"}


def test_a_folder_whose_reply_is_lost_is_there_once(server, storage, folder):
    server.set_faults({"action": "lose_reply", **CREATES, "times": 1})

    try:
        storage.create_folder(f"{folder}/2026-11")
    except AmbiguousError:
        assert not storage.create_folder(f"{folder}/2026-11")

    assert [path for path in server.folders(USER) if path.startswith(f"{folder}/")] == [
        f"{folder}/2026-11"
    ]


@pytest.mark.parametrize("size", [len(CONTENT), 0, 3 * PIECE_BYTES])
def test_a_document_whose_reply_is_lost_is_there_once(server, storage, folder, size):
    document = BytesDocument(CONTENT) if size == len(CONTENT) else BytesDocument(bytes(size))
    whole = server.profile == "graph" and size <= PIECE_BYTES
    part = PARTS[server.profile]
    rule: dict[str, Any] = {"action": "lose_reply", "kind": "upload", "path": f"{folder}/*"}
    if size > PIECE_BYTES:  # Of the last part only.
        lost = -(-size // part)
        before = [{"action": "delay", **{k: v for k, v in rule.items() if k != "action"},
                   "method": "PUT", "times": lost - 1}]  # fmt: skip
        server.set_faults(*before, {**rule, "method": "PUT", "times": 1})
    else:
        server.set_faults({**rule, "method": "PUT" if whole else "POST", "times": 1})

    came_of_it = put(storage, f"{folder}/a.pdf", document)

    assert came_of_it in ("uploaded", "identical")
    assert server.fault_hits()[-1] == 1
    assert [path for path in server.files(USER) if path.startswith(f"{folder}/")] == [
        f"{folder}/a.pdf"
    ]


def test_a_document_that_did_not_arrive_is_tried_again(server, storage, folder):
    server.set_faults({"action": "refuse", "kind": "upload", "path": f"{folder}/*", "times": 1})
    progress: dict[str, Any] = {}
    path = f"{folder}/a.pdf"

    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        storage.upload(path, DOCUMENT, there=None, progress=progress)

    assert storage.upload(path, DOCUMENT, there=None, progress=progress) == "uploaded"
    assert progress == {}


def test_a_list_whose_reply_is_lost_is_asked_for_again(server, storage, folder):
    server.set_faults({"action": "lose_reply", "kind": "find", "times": 1})

    with pytest.raises(TransientError):
        storage.find(folder)

    assert storage.find(folder) == {}


def test_a_server_that_is_not_there_is_asked_again_later(each, tmp_path):
    with simulator(each.profile, tmp_path) as running:
        storage = opened(running)
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


# --- refusals


def test_a_full_account_is_told(server, storage, folder):
    server.add_account(USER, storage_quota=1000)
    try:
        for document in (DOCUMENT, LONG):
            with pytest.raises(StorageRefused, match=r"^StorageFull: "):
                put(storage, f"{folder}/any", document)
    finally:
        server.add_account(USER)


def test_a_throttle_ends_the_upload_and_it_goes_on_behind_it(server, storage, folder):
    server.set_faults(
        {"action": "delay", "method": "PUT", "path": f"{folder}/long", "times": 2},
        {"action": "status", "status": 429, "method": "PUT", "path": f"{folder}/long", "times": 1},
    )
    progress: dict[str, Any] = {}
    with pytest.raises(Throttled):
        storage.upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"

    assert arrived(server, f"{folder}/long") == LONG.sha256


# --- everything at once


def test_goes_on_after_the_provider_was_restarted(each, tmp_path, monkeypatch):
    for module in (drive, graph):
        monkeypatch.setattr(module, "PART_BYTES", PARTS[each.profile])
    with simulator(each.profile, tmp_path) as running:
        progress: dict[str, Any] = {}
        storage = opened(running)
        restarted: list[int] = []

        def restart(number: int) -> None:
            if number == 4 and not restarted:
                restarted.append(number)
                running.restart()

        with pytest.raises(TransientError):
            storage.upload("long", LongDocument(8, restart), there=None, progress=progress)
        read: list[int] = []
        rest = LongDocument(8, read.append)

        assert storage.upload("long", rest, there=None, progress=progress) == "uploaded"

        assert arrived(running, "long") == rest.sha256
        assert 0 not in read[: len(read) // 2]


def test_two_that_send_the_same_document_leave_one(server, folder):
    """As where a step goes on whose worker was taken for dead."""
    tokens = Tokens(server)
    tokens.token()
    path, progress = f"{folder}/long", begun(server, f"{folder}/long")

    def send(own: dict[str, Any]) -> str:
        for _ in range(20):
            with suppress(AmbiguousError, TransientError):
                return opened(server, tokens=tokens).upload(path, LONG, there=None, progress=own)
        raise AssertionError("it never succeeds")

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(send, [dict(progress), dict(progress)]))

    assert set(outcomes) <= {"uploaded", "identical"}
    assert [one for one in server.files(USER) if one.startswith(folder)] == [path]
    assert arrived(server, path) == LONG.sha256


TROUBLE: tuple[dict[str, Any], ...] = (
    {"action": "lose_reply", "share": 0.12},
    {"action": "refuse", "share": 0.06},
    {"action": "status", "status": 503, "share": 0.04},
    {"action": "status", "status": 429, "share": 0.04},
)


@pytest.mark.parametrize("lost", [False, True], ids=["progress kept", "progress lost"])
def test_a_tree_arrives_once_whatever_goes_wrong(server, folder, lost):
    sizes = {"a.pdf": 10, "b.pdf": 0, "c.pdf": 300_000, "d.bin": 3_000_000, "e.bin": 1_400_000}
    documents = {
        f"{folder}/{below}/{name}": BytesDocument(bytes([index]) * size)
        for index, below in enumerate(("one", "two"))
        for name, size in sizes.items()
    }
    tokens = Tokens(server)
    tokens.token()
    cut = {"action": "truncate", "method": "PUT", "path": "*.bin", "keep_bytes": 9, "share": 0.2}
    # Microsoft ignores what has come of a request that broke off.
    server.set_faults(*[cut] * (server.profile == "drive"), *TROUBLE)

    for below in (f"{folder}/one", f"{folder}/two"):
        until_done(server, tokens, lambda storage, _, path=below: storage.create_folder(path))
    for path, document in documents.items():
        came_of_it = until_done(
            server,
            tokens,
            lambda storage, progress, path=path, document=document: storage.upload(
                path, document, there=None, progress=progress
            ),
            lost=lost,
        )
        assert came_of_it in ("uploaded", "identical")

    assert all(server.fault_hits())
    server.clear_faults()
    tree = {path: one for path, one in server.tree()[USER].items() if path.startswith(folder)}
    assert {path for path, one in tree.items() if not one["sha256"]} == {
        folder,
        f"{folder}/one",
        f"{folder}/two",
    }
    assert {path: one["sha256"] for path, one in tree.items() if one["sha256"]} == {
        path: document.sha256 for path, document in documents.items()
    }


def until_done(server: Any, tokens: Tokens, action: Any, *, lost: bool = False) -> Any:
    """Try it as steps do, each in a process of its own, until it succeeds."""
    progress: dict[str, Any] = {}
    for _ in range(60):
        try:
            return action(opened(server, tokens=tokens), {} if lost else progress)
        except (AmbiguousError, Throttled, TransientError):
            continue
    raise AssertionError("it never succeeds")
