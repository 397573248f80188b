"""Replies as Dropbox and Box document them, and what their clients make of these.

The samples are those that simulators are held to: tests/providers/samples.
"""

import json
from importlib import import_module

import pytest

from replication.storage.box import Box
from replication.storage.dropbox import Dropbox
from replication.storage.interface import Pause, Throttled
from replication.storage.json_api import connect
from shared.errors import StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit import http_stub
from tests.unit.replication.test_json_api import Tokens
from tests.unit.replication.test_webdav import answer, answers
from tests.unit.template import REPOSITORY, client

SAMPLES = REPOSITORY / "tests" / "providers" / "samples"
LEDGER = BytesDocument(b"Opening balance: 1200")
OTHER = BytesDocument(b"another")
ARCHIVE = BytesDocument(b"0123456789abcdefghij")
ARCHIVE_SHA1 = "7c8e1dc5a4fd22f1311a7a1f3e3401215c0ccab3"


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr("replication.storage.dropbox.CHUNK_BYTES", 8)
    return http_stub.install(monkeypatch)


@pytest.fixture
def small(monkeypatch):
    """Every document is a long one."""
    monkeypatch.setattr("replication.storage.box.LARGEST_REQUEST", 5)
    monkeypatch.setattr("replication.storage.dropbox.LARGEST_REQUEST", 5)


def documented(name: str):
    """A sample's reply, as `requests` gives it."""
    response = json.loads((SAMPLES / f"{name}.json").read_text())["response"]
    body = response["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return answer(response["status"], text.encode(), response["headers"])


def come_of(action):
    """What an action returns, or the error's class and code."""
    try:
        return action()
    except (StorageRefused, TransientError, Throttled) as error:
        return type(error).__name__, error.code
    except Pause:
        return "Pause"


def upload(storage, path: str, document=LEDGER, **progress):
    return storage.upload(path, document, there=None, progress=progress)


def in_session(offset: int):
    return {"sha256": LEDGER.sha256, "session": "pid_upload_session:ACxT7vQ", "offset": offset}


@pytest.mark.parametrize(
    ("names", "action", "came_of_it"),
    [
        (["create_folder"], lambda s: s.create_folder("a"), True),
        (["create_folder_that_exists"], lambda s: s.create_folder("a"), False),
        (
            ["create_folder_below_a_file"],
            lambda s: s.create_folder("a"),
            ("StorageRefused", "NameTaken"),
        ),
        (
            ["create_folder_disallowed_name"],
            lambda s: s.create_folder("a"),
            ("StorageRefused", "NameIllegal"),
        ),
        (
            ["create_folder_malformed_path"],
            lambda s: s.create_folder("a"),
            ("StorageRefused", "NameIllegal"),
        ),
        (
            ["list_folder", "list_folder_continue"],
            lambda s: [(name, s.same(name, found, LEDGER)) for name, found in s.find("").items()],
            [("Ledger.txt", True)],
        ),
        (["bad_input"], lambda s: s.look("a"), ("StorageRefused", "HTTP400")),
        (["get_metadata_of_a_file"], lambda s: s.look("a").size, 21),
        (["get_metadata_of_a_folder"], lambda s: s.look("a"), None),
        (["get_metadata_of_nothing"], lambda s: s.look("a"), None),
        (["upload"], lambda s: upload(s, "a"), "uploaded"),
        (["upload_damaged"], lambda s: upload(s, "a"), ("TransientError", "ChecksumMismatch")),
        (
            ["upload_in_the_way", "get_metadata_of_a_file"],
            lambda s: upload(s, "a", OTHER),
            "conflict",
        ),
        (["upload_in_the_way", "get_metadata_of_a_file"], lambda s: upload(s, "a"), "identical"),
        (["too_many_requests"], lambda s: s.find(""), ("Throttled", "HTTP429")),
        (
            ["invalid_access_token", "list_folder_continue"],
            lambda s: list(s.find("")),
            ["Ledger.txt"],
        ),
    ],
    ids=str,
)
def test_dropbox_is_understood(stub, names, action, came_of_it):
    storage = Dropbox("/Books", None, connect(Tokens()), Purse())
    waiting = answers(stub, *[documented(f"dropbox/{name}") for name in names])

    assert come_of(lambda: action(storage)) == came_of_it
    assert waiting == []


@pytest.mark.parametrize(
    ("names", "progress", "came_of_it"),
    [
        (
            ["upload_session_start", "upload_session_append", "upload_session_finish"],
            {},
            "uploaded",
        ),
        (
            [
                "upload_session_append_at_a_wrong_offset",
                "upload_session_append",
                "upload_session_finish",
            ],
            in_session(0),
            "uploaded",
        ),
        (
            [
                "upload_session_finish_at_a_wrong_offset",
                "upload_session_append",
                "upload_session_finish",
            ],
            in_session(16),
            "uploaded",
        ),
        (
            ["upload_session_append_after_its_end"],
            in_session(8),
            ("TransientError", "UploadExpired"),
        ),
        (["upload_session_finish_of_none"], in_session(16), ("TransientError", "UploadExpired")),
        (["upload_session_finish_in_the_way"], in_session(16), ("StorageRefused", "NameTaken")),
    ],
    ids=str,
)
def test_dropboxs_upload_sessions_are_understood(stub, small, names, progress, came_of_it):
    storage = Dropbox("/Books", None, connect(Tokens()), Purse())
    waiting = answers(stub, *[documented(f"dropbox/{name}") for name in names])

    assert come_of(lambda: upload(storage, "a", **progress)) == came_of_it
    assert waiting == []


@pytest.mark.parametrize(
    ("names", "action", "came_of_it"),
    [
        (["create_folder"], lambda s: s.create_folder("a"), True),
        (["create_folder_that_exists"], lambda s: s.create_folder("a"), False),
        (
            ["create_folder_in_nothing"],
            lambda s: s.create_folder("a"),
            ("StorageRefused", "LocationMissing"),
        ),
        (
            ["create_folder_invalid_name"],
            lambda s: s.create_folder("a"),
            ("StorageRefused", "NameIllegal"),
        ),
        (
            ["create_folder_long_name"],
            lambda s: s.create_folder("a"),
            ("StorageRefused", "NameIllegal"),
        ),
        (["upload"], lambda s: upload(s, "a"), "uploaded"),
        (["upload_damaged"], lambda s: upload(s, "a"), ("TransientError", "ChecksumMismatch")),
        (["upload_of_a_name_in_use"], lambda s: upload(s, "a"), "identical"),
        (["upload_of_a_name_in_use"], lambda s: upload(s, "a", OTHER), "conflict"),
        (["too_many_requests"], lambda s: s.find(""), ("Throttled", "HTTP429")),
        (["too_many_uploads"], lambda s: upload(s, "a"), ("Throttled", "HTTP429")),
        (["invalid_token", "create_folder"], lambda s: s.create_folder("a"), True),
    ],
    ids=str,
)
def test_box_is_understood(stub, names, action, came_of_it):
    storage = Box("0", None, connect(Tokens()), Purse())
    waiting = answers(stub, *[documented(f"box/{name}") for name in names])

    assert come_of(lambda: action(storage)) == came_of_it
    assert waiting == []


def test_boxs_lists_are_understood(stub):
    storage = Box("0", None, connect(Tokens()), Purse())
    sample = json.loads((SAMPLES / "box" / "list_items_by_marker.json").read_text())
    last = {"entries": [], "limit": 1000, "next_marker": None}
    waiting = answers(
        stub,
        documented("box/list_items_by_marker"),
        answer(200, json.dumps(last).encode()),
    )

    found = storage.find("")

    entries = sample["response"]["body"]["entries"]
    files = {one["name"]: one["sha1"] for one in entries if one["type"] == "file"}
    assert {name: one.digest.value for name, one in found.items()} == files
    has_more = bool(sample["response"]["body"].get("next_marker"))
    assert len(waiting) == (0 if has_more else 1)


def of_archive():
    return {
        "sha256": ARCHIVE.sha256,
        "sha1": ARCHIVE_SHA1,
        "session": "F971964745A5CD0C001BBE4E58196BFD",
        "part_bytes": 16,
    }


@pytest.mark.parametrize(
    ("names", "progress", "came_of_it"),
    [
        (
            [
                "upload_session_create",
                "upload_session_part",
                "upload_session_part",
                "upload_session_commit",
            ],
            {},
            "uploaded",
        ),
        (["upload_session_list_parts", "upload_session_commit"], of_archive(), "uploaded"),
        (["upload_session_list_parts", "upload_session_commit_early"], of_archive(), "Pause"),
        (["upload_session_for_a_small_file"], {}, ("StorageRefused", "HTTP400")),
        (
            ["upload_session_create", "upload_session_part_damaged"],
            {},
            ("TransientError", "ChecksumMismatch"),
        ),
        (
            ["upload_session_create", "upload_session_part_that_overlaps"],
            {},
            ("TransientError", "HTTP409"),
        ),
        (
            ["upload_session_create", "upload_session_part_out_of_range"],
            {},
            ("StorageRefused", "HTTP416"),
        ),
    ],
    ids=str,
)
def test_boxs_upload_sessions_are_understood(stub, small, names, progress, came_of_it):
    storage = Box("0", None, connect(Tokens()), Purse())
    waiting = answers(stub, *[documented(f"box/{name}") for name in names])

    assert come_of(lambda: upload(storage, "Archive.zip", ARCHIVE, **progress)) == came_of_it
    assert waiting == []


@pytest.mark.parametrize("provider", ["dropbox", "box"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("token", None),
        ("token_for_an_invalid_client", "client_secret"),
        ("token_for_an_invalid_grant", "authorise the app again"),
    ],
)
def test_token_endpoints_are_understood(cloud, step, stub, provider, name, message):
    step("replication.create_folders")
    secret = {"client_id": "any", "client_secret": "any", "refresh_token": "any"}
    client("secretsmanager").create_secret(Name="dana", SecretString=json.dumps(secret))
    tokens = import_module("replication.storage.tokens").AccessTokens(
        provider, "dana", "https://provider.example/oauth2/token"
    )
    sample = json.loads((SAMPLES / provider / f"{name}.json").read_text())["response"]
    stub.answer = lambda _: http_stub.reply(sample["status"], sample["body"])

    if message is None:
        assert tokens.token() == sample["body"]["access_token"]
        return
    with pytest.raises(StorageRefused, match=rf"^CredentialsRefused: .*{message}"):
        tokens.token()
