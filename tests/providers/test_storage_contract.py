"""What `Storage` promises of every provider, at simulators: over real connections, with faults.

What is one provider's own is in the test that is named after it.
"""

import tracemalloc
from contextlib import nullcontext
from typing import Any

import pytest
import urllib3.connection

from replication.storage.interface import Pause, Throttled
from replication.storage.names import QUOTE
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.providers.accounts import (
    CONTENT,
    DOCUMENT,
    LONG,
    OAUTH,
    PROVIDERS,
    USER,
    Account,
    OneToken,
    put,
)
from tests.providers.simulators import ACCOUNT, OTHER, unlimited
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

EMPTY = BytesDocument(b"")
SHORT_AND_LONG = pytest.mark.parametrize("document", [DOCUMENT, LONG], ids=["short", "long"])


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


def only(*providers: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("provider", providers)


def asks(storage: Any, path: str) -> list[Any]:
    """One of each kind."""
    return [
        lambda: storage.create_folder(path),
        lambda: storage.find(path.rpartition("/")[0]),
        lambda: put(storage, path),
    ]


# --- folders, and what is in them


def test_makes_a_folder_once(account, storage, folder):
    assert storage.create_folder(f"{folder}/2026-11")
    assert storage.create_folder(f"{folder}/2026-11/a")
    assert not storage.create_folder(f"{folder}/2026-11")
    assert not account.open().create_folder(f"{folder}/2026-11/a")

    assert account.folders(folder) == {f"{folder}/2026-11", f"{folder}/2026-11/a"}


@only("box", "drive", "graph", "nextcloud")
def test_begins_again_where_the_folder_above_a_folder_is_gone(storage, folder):
    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        storage.create_folder(f"{folder}/gone/2026-11")


@only("box", "drive", "nextcloud")
def test_begins_again_where_the_folder_above_a_document_is_gone(storage, folder):
    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        put(storage, f"{folder}/gone/any")


def test_finds_nothing_in_a_folder_that_is_empty_or_not_there(storage, folder):
    assert storage.find(folder) == {}
    assert storage.find(f"{folder}/gone") == {}


def test_finds_the_files_of_a_folder_and_not_those_below(storage, folder):
    storage.create_folder(f"{folder}/below")
    put(storage, f"{folder}/a.pdf")
    put(storage, f"{folder}/below/b.pdf")

    [(name, found)] = storage.find(folder).items()

    assert (name, found.size) == ("a.pdf", len(CONTENT))


@only(*OAUTH)
def test_finds_all_files_of_a_folder_however_many_pages(
    account, storage, folder, monkeypatch, purse
):
    monkeypatch.setattr(account.provider.module, account.provider.page, 2)
    for number in range(5):
        put(storage, f"{folder}/{number}")
    purse.spent.clear()

    assert set(storage.find(folder)) == set("01234")
    assert purse.spent == ["find"] * 3


@pytest.mark.parametrize("place", ["location", "root"])
def test_a_location_is_any_folder_and_the_root(account, folder, place):
    storage = account.open(location=getattr(account, place))

    storage.create_folder(f"{place}-{folder}")
    put(storage, f"{place}-{folder}.pdf")

    assert f"{place}-{folder}.pdf" in storage.find("")
    assert storage.find(f"{place}-{folder}") == {}
    assert (f"{place}-{folder}.pdf" in account.files()) == (place == "location")


@only("box", "drive", "graph")
def test_a_location_that_is_not_there_is_told(account, provider):
    gone = {"box": "999999", "drive": "1gone", "graph": f"{account.root}/gone"}
    storage = account.open(location=gone[provider])

    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        storage.create_folder("any")
    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        put(storage, "any")
    with pytest.raises((StorageRefused, TransientError), match=r"^(Location|Folder)Missing: "):
        storage.create_folder("any/below")
    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        storage.find("")


@only("dropbox", "box", "graph", "nextcloud")
def test_a_file_in_a_folders_place_is_told(storage, folder):
    put(storage, f"{folder}/2026-11")

    with pytest.raises(StorageRefused, match=r"^NameTaken: "):
        storage.create_folder(f"{folder}/2026-11")


@only("dropbox", "box")
@SHORT_AND_LONG
def test_a_folder_in_a_documents_place_is_told(storage, folder, parts, document):
    storage.create_folder(f"{folder}/a.pdf")

    with pytest.raises(StorageRefused, match=r"^NameTaken: "):
        storage.upload(f"{folder}/a.pdf", document, there=None, progress={})


@only("dropbox", "box", "graph")
def test_a_name_is_taken_whatever_its_capital_letters(storage, folder):
    storage.create_folder(f"{folder}/Below")
    put(storage, f"{folder}/A.pdf")

    assert not storage.create_folder(f"{folder}/below")
    assert put(storage, f"{folder}/a.pdf") == "identical"
    assert put(storage, f"{folder}/a.PDF", BytesDocument(b"other")) == "conflict"
    assert set(storage.find(folder)) == {"A.pdf"}


# --- names


@only(*OAUTH)
@pytest.mark.parametrize(
    "name",
    [
        "Bücher 50% & mehr #1? ; + 'a\\b' (ä@ö) 日本",
        f"{QUOTE}full\N{FULLWIDTH QUESTION MARK}width",  # What others are written with.
        'what? *: <x> | "y"',
        " begins and ends. ",
        "end ",
        "..",
        "CON",
        "_vti_x",
        "desktop.ini",
        "~$draft",
        "'",
        "\x07 bell",
    ],
)
def test_names_of_every_kind_are_found_as_they_were_meant(account, storage, folder, name):
    assert storage.illegal(f"{folder}/{name}/{name}") is None
    assert storage.create_folder(f"{folder}/{name}")
    assert not storage.create_folder(f"{folder}/{name}")

    assert put(storage, f"{folder}/{name}/{name}") == "uploaded"

    found = account.open().find(f"{folder}/{name}")
    assert set(found) == {name}
    assert put(storage, f"{folder}/{name}/{name}", there=found[name]) == "identical"


@only(*OAUTH)
def test_says_which_names_cannot_be_and_asks_nobody(account, storage, purse):
    longest = account.provider.longest_name

    for path in ("a//b", "", "a/", "x" * (longest + 1), "a/" + "ä" * (longest + 1), "\ud800"):
        assert storage.illegal(path), path
    for path in ("a/b", "x" * min(longest, 400), "ä" * min(longest, 400), "..", "a\\b", " "):
        assert storage.illegal(path) is None, path
    assert purse.spent == []


# --- documents


PARTS = ["a part", "two parts", "more"]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, *PARTS])
def test_puts_documents_of_every_size_and_knows_them_again(
    account, storage, folder, purse, parts, size
):
    part = account.provider.part_bytes
    size = {"a part": part, "two parts": 2 * part, "more": 3 * part + 7}.get(size, size)
    document = BytesDocument((bytes(range(251)) * (size // 251 + 1))[:size])
    path = f"{folder}/any"

    assert put(storage, path, document) == "uploaded"

    assert account.arrived(path) == document.sha256
    uploads = account.provider.uploads(size) if size > PIECE_BYTES else 1
    assert purse.counts()["upload"] == uploads
    [there] = storage.find(folder).values()
    purse.spent.clear()
    assert put(storage, path, document, there) == "identical"
    assert storage.same(path, there, document)
    assert not storage.same(path, there, BytesDocument(document.content + b"."))
    assert size == 0 or not storage.same(path, there, BytesDocument(b"." + document.content[1:]))
    assert "upload" not in purse.spent
    assert put(storage, path, document) == "identical"


@pytest.mark.parametrize(
    "other", [CONTENT[::-1], CONTENT + b"more", CONTENT[:99], b""], ids=["same", "more", "less", ""]
)
@pytest.mark.parametrize("seen", [True, False], ids=["seen", "not seen"])
def test_leaves_what_somebody_else_has_put_there(account, storage, folder, other, seen):
    theirs = BytesDocument(other)
    put(storage, f"{folder}/a.pdf", theirs)
    there = storage.find(folder)["a.pdf"] if seen else None

    came_of_it = put(storage, f"{folder}/a.pdf", there=there)

    # Where the provider shows what has come of an upload that broke off, this may be one.
    ours = account.provider.replaces_beginnings and CONTENT.startswith(other)
    assert came_of_it == ("uploaded" if ours else "conflict")
    left = DOCUMENT if ours else theirs
    assert account.files(folder) == {f"{folder}/a.pdf": left.sha256}


@only(*OAUTH, "nextcloud")
def test_what_arrived_broken_is_nowhere_and_is_sent_again(account, storage, folder, monkeypatch):
    sent = account.provider.module.Body

    def broken(document: Any, *place: int, **around: bytes) -> Any:
        return sent(BytesDocument(CONTENT[::-1]), *place, **around)

    with monkeypatch.context() as on_the_way:
        on_the_way.setattr(account.provider.module, "Body", broken)
        with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
            put(storage, f"{folder}/a.pdf")
    assert storage.find(folder) == {}

    assert put(storage, f"{folder}/a.pdf") == "uploaded"


@only(*OAUTH)
def test_what_is_said_to_be_there_is_believed(storage, folder, purse):
    put(storage, f"{folder}/other", BytesDocument(b"other"))
    there = storage.find(folder)["other"]
    purse.spent.clear()

    assert put(storage, f"{folder}/a.pdf", there=there) == "conflict"
    assert purse.spent == []
    assert put(storage, f"{folder}/a.pdf") == "uploaded"


def test_an_account_sees_its_own_files_alone(server, storage, folder):
    put(storage, f"{folder}/a.pdf")

    assert server.files(OTHER["name"]) == {}


COSTS = {
    "a folder": "C C fC C C C",
    "one that is there": "C C f Cf C Cf",
    "a list": "f f f f f f",
    "a document": "U U fU U U U",
    "the same that was seen": "- - - - f -",
    "the same that was not seen": "Uf U ff Uf Uf Uf",
    "a long document": "UUUUUU fUUUUUUU fUUUUUUU UUUUUU UUUUUUUU UUUUUUUU",
}
"""Requests to create, find and upload, in the order of `PROVIDERS`."""


def test_each_request_is_paid_for(provider, storage, folder, purse, parts):
    put(storage, f"{folder}/there")
    there = storage.find(folder)["there"]
    storage.create_folder(f"{folder}/before")
    actions = {
        "a folder": lambda: storage.create_folder(f"{folder}/new"),
        "one that is there": lambda: storage.create_folder(f"{folder}/new"),
        "a list": lambda: storage.find(folder),
        "a document": lambda: put(storage, f"{folder}/a.pdf"),
        "the same that was seen": lambda: put(storage, f"{folder}/there", there=there),
        "the same that was not seen": lambda: put(storage, f"{folder}/there"),
        "a long document": lambda: put(storage, f"{folder}/long", LONG),
    }
    costs = {}

    for what, action in actions.items():
        purse.spent.clear()
        action()
        letters = {"create_folder": "C", "find": "f", "upload": "U", "verify": "v"}
        costs[what] = "".join(letters[operation] for operation in purse.spent) or "-"

    column = list(PROVIDERS).index(provider)
    assert costs == {what: row.split()[column] for what, row in COSTS.items()}


def test_one_connection_serves_many_requests(monkeypatch, storage, folder, parts):
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


@pytest.mark.parametrize(
    ("provider", "mebibytes"),
    [*((one, 50) for one in PROVIDERS), ("dropbox", 40), ("box", 40)],
)
def test_a_long_document_is_never_in_memory_as_a_whole(
    provider, account, storage, folder, monkeypatch, mebibytes
):
    if provider in ("dropbox", "box"):
        monkeypatch.setattr(account.provider.module, "LARGEST_REQUEST", 40 * PIECE_BYTES)
    document = LongDocument(mebibytes)
    storage.find("")
    tracemalloc.start()
    try:
        assert put(storage, f"{folder}/long", document) == "uploaded"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert account.arrived(f"{folder}/long") == document.sha256
    a_part = account.provider.module.PART_BYTES if provider == "s3" else 0
    assert peak < a_part + 6 * PIECE_BYTES


# --- long documents that are interrupted


def test_goes_on_in_another_process_with_the_parts_that_are_there(account, folder, parts):
    progress = account.begun(f"{folder}/long")
    read: list[int] = []
    rest, purse = LongDocument(6, read.append), Purse()

    came_of_it = account.open(purse).upload(f"{folder}/long", rest, there=None, progress=progress)

    assert (came_of_it, progress) == ("uploaded", {})
    assert account.arrived(f"{folder}/long") == LONG.sha256
    assert read[0] == 2 * account.provider.part_bytes // PIECE_BYTES
    before = account.provider.opening + 2
    assert purse.counts()["upload"] == account.provider.uploads(LONG.size) - before


def test_a_pause_at_any_upload_loses_nothing(account, folder, parts):
    progress: dict[str, Any] = {}
    for _ in range(account.provider.uploads(LONG.size) - 1):
        with pytest.raises(Pause):
            account.open(Purse(1, of="upload")).upload(
                f"{folder}/long", LONG, there=None, progress=progress
            )
    storage = account.open(Purse(1, of="upload"))

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"

    assert account.files(folder) == {f"{folder}/long": LONG.sha256}


def test_begins_again_where_the_progress_is_lost(account, folder, parts):
    account.begun(f"{folder}/long")

    assert put(account.open(), f"{folder}/long", LONG) == "uploaded"

    assert account.files(folder) == {f"{folder}/long": LONG.sha256}


def test_begins_again_where_the_provider_has_given_the_upload_up(
    account, storage, provider, folder, parts
):
    progress = account.begun(f"{folder}/long")
    storage.give_up(f"{folder}/long", dict(progress))
    for kept in {"session", "url"} & progress.keys():
        progress[kept] = progress[kept][:-9] + "123456789"
    if provider != "graph":
        with pytest.raises(TransientError, match=r"^UploadExpired: "):
            storage.upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert storage.upload(f"{folder}/long", LONG, there=None, progress=progress) == "uploaded"

    assert account.arrived(f"{folder}/long") == LONG.sha256


def test_another_document_does_not_go_on_with_the_parts_of_the_first(
    account, storage, folder, parts
):
    progress = account.begun(f"{folder}/long")
    other = BytesDocument(b"other!" * PIECE_BYTES)
    assert other.size == LONG.size

    came_of_it = storage.upload(f"{folder}/long", other, there=None, progress=progress)

    assert (came_of_it, progress) == ("uploaded", {})
    assert account.arrived(f"{folder}/long") == other.sha256


def test_somebody_elses_file_is_left_while_a_long_one_is_under_way(account, storage, folder, parts):
    progress = account.begun(f"{folder}/long")
    put(account.open(), f"{folder}/long")

    came_of_it = storage.upload(f"{folder}/long", LONG, there=None, progress=progress)

    assert (came_of_it, progress) == ("conflict", {})
    assert account.files(folder) == {f"{folder}/long": DOCUMENT.sha256}


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "lose_reply"},
        {"action": "refuse"},
        {"action": "truncate", "keep_bytes": 0},
        {"action": "truncate", "keep_bytes": 300_000},
        {"action": "status", "status": 429},
    ],
    ids=lambda fault: " ".join(str(one) for one in fault.values()),
)
def test_goes_on_behind_the_part_that_was_in_trouble(account, server, folder, parts, fault):
    progress = account.begun(f"{folder}/long")
    server.set_faults({**fault, "kind": account.provider.kind("part"), "times": 1})
    storage, read = account.open(), []
    with pytest.raises((TransientError, Throttled)):
        storage.upload(f"{folder}/long", LONG, there=None, progress=progress)
    again = LongDocument(6, read.append)

    assert storage.upload(f"{folder}/long", again, there=None, progress=progress) == "uploaded"

    assert server.fault_hits() == [1]
    assert read[0] >= 2
    assert account.files(folder) == {f"{folder}/long": LONG.sha256}


def test_goes_on_after_the_provider_was_away(account, server, storage, folder, parts):
    progress = account.begun(f"{folder}/long")
    upload = uploading(f"{folder}/long", LONG)
    server.kill()
    try:
        for ask in (*asks(storage, f"{folder}/any"), lambda: upload(storage, progress)):
            with pytest.raises(TransientError):
                ask()
    finally:
        server.start()
        server.set_limits({"limits": unlimited(server)})
    read: list[int] = []
    rest = uploading(f"{folder}/long", LongDocument(6, read.append))

    assert rest(storage, progress) == "uploaded"

    assert read[0] >= 2
    assert not account.open().create_folder(folder)
    assert put(storage, f"{folder}/any.pdf") == "uploaded"
    assert account.files(folder) == {
        f"{folder}/any.pdf": DOCUMENT.sha256,
        f"{folder}/long": LONG.sha256,
    }


@pytest.mark.parametrize(
    ("provider", "same_session"),
    [
        *((one, True) for one in ("dropbox", "box", "drive", "graph", "s3")),
        # Nothing but its id keeps a file of Google's from being there twice.
        *((one, False) for one in ("dropbox", "box", "graph", "s3")),
    ],
)
def test_two_that_send_the_same_document_leave_one(account, folder, parts, same_session):
    """An attempt that was given up still goes on while the next one is at work."""
    progress = account.begun(f"{folder}/long")
    met: list[str] = []

    def meanwhile(number: int) -> None:
        if number == 3 and not met:
            met.append("begins")
            beside = dict(progress) if same_session else {}
            met.append(until_done(account, uploading(f"{folder}/long", LONG), beside))

    came_of_it = until_done(
        account, uploading(f"{folder}/long", LongDocument(6, meanwhile)), progress
    )

    assert {*met, came_of_it} <= {"begins", "uploaded", "identical"}
    assert (len(met), progress) == (2, {})
    assert account.files(folder) == {f"{folder}/long": LONG.sha256}


# --- replies that are lost


def test_a_folder_whose_reply_is_lost_is_there_once(account, server, storage, folder, provider):
    kind = account.provider.kind("create_folder")
    server.set_faults({"action": "lose_reply", "kind": kind, "times": 1})

    # Google is asked at once, with the same id.
    told = pytest.raises(AmbiguousError, match=r"^ReplyLost: ")
    with nullcontext() if provider == "drive" else told:
        storage.create_folder(f"{folder}/2026-11")

    assert not storage.create_folder(f"{folder}/2026-11")
    assert account.folders(folder) == {f"{folder}/2026-11"}


def test_a_list_whose_reply_is_lost_is_asked_for_again(server, storage, folder):
    server.set_faults({"action": "lose_reply", "kind": "find", "times": 1})

    with pytest.raises(TransientError):
        storage.find(folder)

    assert storage.find(folder) == {}


def all_but_the_last_upload(
    account: Account, path: str, document: Any
) -> tuple[dict[str, Any], str]:
    """An upload's progress, and what is the simulator's kind of the request that is left."""
    if document is not LONG:
        return {}, "upload"
    progress = account.begun(path, account.provider.uploads(LONG.size) - 1)
    return progress, account.provider.kind("end")


@pytest.mark.parametrize("document", [DOCUMENT, EMPTY, LONG], ids=["short", "empty", "long"])
def test_a_document_whose_reply_is_lost_is_found_to_be_there(
    account, server, storage, folder, provider, parts, document
):
    progress, last = all_but_the_last_upload(account, f"{folder}/any", document)
    server.set_faults({"action": "lose_reply", "kind": last, "times": 1})

    came_of_it = storage.upload(f"{folder}/any", document, there=None, progress=progress)

    assert came_of_it == ("uploaded" if provider == "drive" else "identical")
    assert (progress, server.fault_hits()) == ({}, [1])
    assert account.files(folder) == {f"{folder}/any": document.sha256}


@SHORT_AND_LONG
@pytest.mark.parametrize(
    ("provider", "action"),
    [*((one, "refuse") for one in PROVIDERS), ("dropbox", "truncate"), ("box", "truncate")],
)
def test_a_document_that_broke_off_leaves_nothing_and_is_tried_again(
    account, server, storage, folder, parts, document, action
):
    progress, last = all_but_the_last_upload(account, f"{folder}/any", document)
    server.set_faults({"action": action, "kind": last, "times": 1, "keep_bytes": 100})

    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        storage.upload(f"{folder}/any", document, there=None, progress=progress)
    assert account.files(folder) == {}

    assert storage.upload(f"{folder}/any", document, there=None, progress=progress) == "uploaded"
    assert (progress, account.arrived(f"{folder}/any")) == ({}, document.sha256)


@only("dropbox", "box", "graph", "s3", "nextcloud")
def test_nobody_knows_of_a_document_that_cannot_be_compared(account, server, storage, folder):
    server.set_faults(
        {"action": "lose_reply", "kind": "upload", "times": 1},
        {"action": "refuse", "kind": account.provider.kind("look"), "times": 1},
    )

    with pytest.raises(AmbiguousError, match="cannot be found out"):
        storage.upload(f"{folder}/a.pdf", DOCUMENT, there=None, progress={})

    assert put(storage, f"{folder}/a.pdf") == "identical"


# --- refusals


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttle_is_told(server, storage, folder, status):
    headers = {"Retry-After": "7"}
    server.set_faults({"action": "status", "status": status, "headers": headers})

    for ask in asks(storage, f"{folder}/any"):
        with pytest.raises(Throttled) as raised:
            ask()
        assert raised.value.retry_after == 7
    assert server.fault_hits() == [3]


@only("dropbox", "box")
def test_limits_of_the_account_are_told(server, storage, folder):
    before = server.limits()["limits"]
    server.set_limits({"limits": [{"scope": "account", "units": 1, "seconds": 60}]})
    try:
        storage.find(folder)
        with pytest.raises(Throttled) as raised:
            storage.find(folder)
    finally:
        server.set_limits({"limits": before})

    assert raised.value.retry_after > 0


@SHORT_AND_LONG
def test_a_full_account_is_told(server, storage, folder, parts, document):
    server.add_account(**ACCOUNT, storage_quota=1000)
    try:
        with pytest.raises(StorageRefused, match=r"^StorageFull: "):
            storage.upload(f"{folder}/any", document, there=None, progress={})
    finally:
        server.add_account(**ACCOUNT)


@only(*OAUTH)
def test_a_token_that_nobody_takes_is_refused_after_one_more_try(account, purse):
    tokens = OneToken("nobody's")
    storage = account.open(purse, tokens=tokens)

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.find("")

    assert tokens.refused == ["nobody's"]
    assert purse.spent == ["find"] * 2


@only(*OAUTH)
def test_a_token_that_was_revoked_is_told(server, storage, folder):
    server.revoke_tokens(USER)
    try:
        for ask in asks(storage, f"{folder}/any"):
            with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
                ask()
    finally:
        server.add_account(**ACCOUNT)


@only(*OAUTH)
def test_a_document_is_sent_again_with_a_new_token(account, server, storage, folder):
    server.expire_tokens(USER)

    assert put(storage, f"{folder}/a.pdf") == "uploaded"

    assert account.tokens.given == 2
    assert account.arrived(f"{folder}/a.pdf") == DOCUMENT.sha256


@only(*OAUTH)
def test_a_token_may_end_in_the_midst_of_a_long_upload(account, server, folder, parts):
    progress = account.begun(f"{folder}/long")
    expired: list[int] = []

    def expire(number: int) -> None:
        if number == 3 and not expired:
            expired.append(number)
            server.expire_tokens(USER)

    storage, needs_none = account.open(), "url" in progress

    came_of_it = storage.upload(
        f"{folder}/long", LongDocument(6, expire), there=None, progress=progress
    )

    assert came_of_it == "uploaded"
    assert account.tokens.given == (1 if needs_none else 2)
    assert account.arrived(f"{folder}/long") == LONG.sha256


# --- everything at once

TROUBLE: tuple[dict[str, Any], ...] = (
    {"action": "lose_reply", "share": 0.15},
    {"action": "refuse", "share": 0.12},
    {"action": "status", "status": 429, "share": 0.05, "headers": {"Retry-After": "1"}},
    {"action": "status", "status": 503, "share": 0.05},
)
CUT = {"action": "truncate", "share": 0.2, "keep_bytes": 100}
CUTS: dict[str, list[dict[str, Any]]] = {
    "dropbox": [CUT],
    "box": [CUT],
    "drive": [CUT | {"method": "PUT"}],
    "s3": [CUT],
    "nextcloud": [CUT],
    "graph": [],  # Microsoft ignores what has come of a request that broke off.
}


@pytest.mark.parametrize("kept", [True, False], ids=["progress kept", "progress lost"])
def test_a_tree_arrives_once_whatever_goes_wrong(account, server, folder, parts, kept):
    folders = [f"{folder}/2026-11", f"{folder}/2026-11/Bücher"]
    documents = {
        f"{above}/{name}": document
        for above in folders
        for name, document in {"empty": EMPTY, "short": DOCUMENT, "long": LongDocument(3)}.items()
    }
    theirs, taken = BytesDocument(b"somebody's own"), f"{folder}/2026-11/taken.pdf"
    server.set_faults(*CUTS[server.profile], *TROUBLE)

    for path in folders:
        until_done(account, lambda storage, _, path=path: storage.create_folder(path))
    until_done(account, uploading(taken, theirs))
    for path, document in documents.items():
        came_of_it = until_done(account, uploading(path, document), {} if kept else None)
        assert came_of_it in ("uploaded", "identical")

    assert until_done(account, uploading(taken, DOCUMENT)) == "conflict"
    assert all(server.fault_hits())
    arrived = {path: document.sha256 for path, document in documents.items()}
    assert account.files(folder) == arrived | {taken: theirs.sha256}
    assert account.folders(folder) == set(folders)


def uploading(path: str, document: Any) -> Any:
    return lambda storage, progress: storage.upload(path, document, there=None, progress=progress)


def until_done(account: Account, action: Any, progress: dict[str, Any] | None = None) -> Any:
    """Try it as steps do until it succeeds, each time in a process that knows nothing but what the
    one before has noted, if that.
    """
    for _ in range(100):
        try:
            return action(account.open(), {} if progress is None else progress)
        except (AmbiguousError, Pause, Throttled, TransientError):
            continue
    raise AssertionError("it never succeeds")
