"""Replies as Google Drive and Microsoft Graph document them, and what their clients make of these.

The samples are those that simulators are held to: tests/providers/samples.
"""

import json

import pytest
import requests

from replication.storage import drive, graph
from replication.storage.drive import Drive
from replication.storage.graph import Graph
from replication.storage.hashes import Digest
from replication.storage.interface import Found, Throttled
from replication.storage.json_api import connect
from shared.errors import StorageRefused, TransientError
from tests.storages import BytesDocument
from tests.unit import http_stub
from tests.unit.http_stub import in_turn, streamed
from tests.unit.template import REPOSITORY

SAMPLES = REPOSITORY / "tests" / "providers" / "samples"
LEDGER = BytesDocument(b"Opening balance: 1200")
OTHER = BytesDocument(b"Opening balance: 1201")
NO_FILES = {"files": []}
QUICKXOR = Digest("quickxor", "DodjkV2cZjefAQRiHQMbwuCGMZQ=")
SESSION = {"sha256": LEDGER.sha256, "id": "any-id", "url": "https://uploads.example/session"}


@pytest.fixture
def small(monkeypatch):
    """Every document is a long one, and goes in parts of seven bytes."""
    for module in (drive, graph):
        monkeypatch.setattr(module, "AT_ONCE_BYTES", 5)
        monkeypatch.setattr(module, "PART_BYTES", 7)


@pytest.fixture
def google(purse):
    storage = Drive("root", None, connect(http_stub.Token()), purse)
    storage._memory.ids = ["any-id"]
    return storage


@pytest.fixture
def microsoft(purse):
    return Graph("b!any", None, connect(http_stub.Token()), purse)


def reply(provider: str, given):
    """A sample's reply by its name; or a document, or an error as it is."""
    if isinstance(given, Exception):
        return given
    if not isinstance(given, str):
        return streamed(200, given)
    response = json.loads((SAMPLES / provider / f"{given}.json").read_text())["response"]
    body = response["body"]
    content = body.encode() if isinstance(body, str) else body
    return streamed(response["status"], content, response["headers"])


def come_of(stub, provider, replies, action):
    """What an action returns, or the error's class and code; all replies are asked for."""
    waiting = in_turn(stub, *(reply(provider, one) for one in replies))
    try:
        came_of_it = action()
    except (StorageRefused, TransientError, Throttled) as error:
        came_of_it = type(error).__name__, error.code
    assert waiting == []
    return came_of_it


def upload(storage, document=LEDGER, **progress):
    return storage.upload("Ledger.txt", document, there=None, progress=progress)


LOST = requests.ReadTimeout()


@pytest.mark.parametrize(
    ("replies", "action", "came_of_it"),
    [
        ([NO_FILES, "create_folder"], lambda s: s.create_folder("Books"), True),
        (
            [NO_FILES, "create_folder_in_nothing"] * 2,
            lambda s: s.create_folder("Books"),
            ("StorageRefused", "LocationMissing"),
        ),
        (
            ["list_in_a_folder"],
            lambda s: s.find(""),
            {
                "Ledger.txt": Found(
                    21, None, digest=Digest("md5", "3704dd0e7e6a34bae737601a5b5ec392")
                )
            },
        ),
        (["list", "list_next_page"], lambda s: s.find(""), {"Ledger.txt": Found(-1, None)}),
        (["list_with_an_invalid_query"], lambda s: s.find(""), ("StorageRefused", "HTTP400")),
        (
            ["invalid_credentials"] * 2,
            lambda s: s.find(""),
            ("StorageRefused", "CredentialsRefused"),
        ),
        (["user_rate_limit"], lambda s: s.find(""), ("Throttled", "userRateLimitExceeded")),
        (["project_rate_limit"], lambda s: s.find(""), ("Throttled", "rateLimitExceeded")),
        (["daily_limit"], lambda s: s.find(""), ("Throttled", "DailyLimitUntilTomorrow")),
        ([NO_FILES, "create_with_a_generated_id"], upload, "uploaded"),
        ([NO_FILES, "upload_multipart", "get_metadata"], upload, "uploaded"),
        ([NO_FILES, "create_with_an_id_in_use", "get_metadata"], upload, "uploaded"),
        (
            [NO_FILES, "create_with_an_id_in_use", "get_nothing"],
            upload,
            ("TransientError", "IdSpent"),
        ),
        ([NO_FILES, LOST, "get_metadata"], upload, "uploaded"),
        ([NO_FILES, LOST, "get_nothing"], upload, ("TransientError", "UploadBrokeOff")),
        ([NO_FILES, "storage_quota"], upload, ("StorageRefused", "StorageFull")),
        (
            [NO_FILES, "create_with_a_generated_id", "trash"],
            lambda s: upload(s, OTHER),
            ("TransientError", "ChecksumMismatch"),
        ),
        ([{"files": [{"id": "1", "name": "Ledger.txt"}]}] * 2, upload, "conflict"),
    ],
)
def test_what_drive_documents_is_understood(stub, google, replies, action, came_of_it):
    assert come_of(stub, "drive", replies, lambda: action(google)) == came_of_it


def test_ids_that_drive_documents_are_used(stub, google):
    google._memory.ids = []

    replies = [NO_FILES, "generate_ids", "create_folder"]
    assert come_of(stub, "drive", replies, lambda: google.create_folder("Books"))

    assert json.loads(stub.requests[-1].body)["id"] == "1sTWaJ_j7PkjzaBWtNc3IzovK5hQf21Fb"


@pytest.mark.parametrize(
    ("replies", "progress", "came_of_it"),
    [
        (
            ["resumable_begin", "resumable_chunk", "resumable_last_chunk", "get_metadata"],
            {},
            "uploaded",
        ),
        (["resumable_begin", "resumable_whole", "get_metadata"], {}, "uploaded"),
        (["resumable_status", "resumable_last_chunk", "get_metadata"], SESSION, "uploaded"),
        (
            ["resumable_status_of_nothing", "resumable_chunk", "resumable_whole", "get_metadata"],
            SESSION,
            "uploaded",
        ),
        (["resumable_status_when_done", "get_metadata"], SESSION, "uploaded"),
        (["resumable_that_expired"], SESSION, ("TransientError", "UploadExpired")),
    ],
)
def test_uploads_that_drive_documents_go_on(stub, google, small, replies, progress, came_of_it):
    replies = [NO_FILES, *replies]

    assert come_of(stub, "drive", replies, lambda: upload(google, **progress)) == came_of_it


@pytest.mark.parametrize(
    ("replies", "action", "came_of_it"),
    [
        (["create_folder"], lambda s: s.create_folder("Books"), True),
        (["create_folder_below_a_path"], lambda s: s.create_folder("Books/2026-11"), True),
        (["create_folder_that_exists", "get_root"], lambda s: s.create_folder("Books"), False),
        (
            ["create_folder_that_exists", "get_file_by_path"],
            lambda s: s.create_folder("Books"),
            ("StorageRefused", "NameTaken"),
        ),
        (
            ["create_folder_that_exists", "get_nothing"],
            lambda s: s.create_folder("Books"),
            ("TransientError", "FolderMissing"),
        ),
        (
            ["create_folder_with_a_reserved_name"],
            lambda s: s.create_folder("Books"),
            ("StorageRefused", "HTTP400"),
        ),
        (
            ["get_nothing"],
            lambda s: s.create_folder("Books/2026-11"),
            ("TransientError", "FolderMissing"),
        ),
        (["get_nothing"], lambda s: s.find("Books"), {}),
        (["get_nothing"], lambda s: s.find(""), ("StorageRefused", "LocationMissing")),
        (["invalid_token"] * 2, lambda s: s.find(""), ("StorageRefused", "CredentialsRefused")),
        (["too_many_requests"], lambda s: s.find(""), ("Throttled", "activityLimitReached")),
        (["upload"], upload, "uploaded"),
        (["upload_of_a_name_in_use", "get_file_by_path"], upload, "identical"),
        (["upload_of_a_name_in_use", "get_file_of_a_personal_drive"], upload, "identical"),
        (["upload_of_a_name_in_use", "get_file_by_path"], lambda s: upload(s, OTHER), "conflict"),
        ([LOST, "get_file_by_id"], upload, "identical"),
        (["insufficient_storage"], upload, ("StorageRefused", "StorageFull")),
        (
            ["upload", "delete"],
            lambda s: upload(s, OTHER),
            ("TransientError", "ChecksumMismatch"),
        ),
        (
            ["upload", "upload_of_a_changed_file"],
            lambda s: upload(s, OTHER),
            ("TransientError", "ChecksumMismatch"),
        ),
        (["upload_replaces"], upload, "uploaded"),  # One byte longer: by SharePoint, if by anybody.
    ],
)
def test_what_microsoft_documents_is_understood(stub, microsoft, replies, action, came_of_it):
    assert come_of(stub, "graph", replies, lambda: action(microsoft)) == came_of_it


@pytest.mark.parametrize(
    "replies", [["list_children"], ["list_children_page", "list_children_next_page"]]
)
def test_lists_that_microsoft_documents_are_understood(stub, microsoft, replies):
    found = come_of(stub, "graph", replies, lambda: microsoft.find("Books"))

    assert found["Ledger.txt"].size == 21
    assert found["Ledger.txt"].digest == QUICKXOR
    assert len(found) == len(replies)


@pytest.mark.parametrize(
    ("replies", "progress", "came_of_it"),
    [
        (["session_create", "session_fragment", "session_last_fragment"], {}, "uploaded"),
        (["session_status", "session_last_fragment"], SESSION, "uploaded"),
        (
            ["session_status", "session_fragment_again"],
            SESSION,
            ("TransientError", "PartRefused"),
        ),
        (["session_that_is_gone", "get_file_by_path"], SESSION, "identical"),
        (
            ["session_status", "session_conflict_in_the_end", "session_cancel", "get_file_by_path"],
            SESSION,
            "identical",
        ),
        (["upload_of_a_name_in_use", "get_file_by_path", "get_file_by_path"], {}, "identical"),
        (["upload_of_a_name_in_use", "get_nothing", "upload"], {}, "uploaded"),
    ],
)
def test_uploads_that_microsoft_documents_go_on(
    stub, microsoft, small, replies, progress, came_of_it
):
    assert come_of(stub, "graph", replies, lambda: upload(microsoft, **progress)) == came_of_it


def test_a_download_that_microsoft_documents_is_followed(stub, microsoft):
    waiting = in_turn(stub, reply("graph", "download"), streamed(200, LEDGER.content))

    assert microsoft.same("Books/Ledger.txt", Found(21, None), LEDGER)

    assert waiting == []
    assert "Authorization" not in stub.requests[1].headers


def test_headers_that_microsoft_documents_are_handed_on(stub, microsoft, purse):
    come_of(stub, "graph", ["resource_units_left"], lambda: microsoft.look("any"))

    assert purse.advice == [(0, 600)]
