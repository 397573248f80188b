"""What only Google Drive does: names that occur twice, ids, and quotas of a day."""

import json
from contextlib import suppress
from typing import Any

import pytest

from replication.storage import drive
from replication.storage.interface import Pause, Throttled
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.providers import cloud_drives
from tests.providers.accounts import CONTENT, DOCUMENT, LONG, put
from tests.providers.cloud_drives import FOLDER
from tests.storages import BytesDocument, Purse


@pytest.fixture
def provider():
    return "drive"


class Somebody(cloud_drives.Drive):
    """Whoever else has the folder open, by the API as it is."""

    def make(self, name: str, parent: str, mime_type: str = FOLDER) -> str:
        made: str = self.make_folder(name, parent, mimeType=mime_type).json()["id"]
        return made

    def ids(self, name: str) -> list[str]:
        """Of all that has a name and is not in the trash, in order of age."""
        query = {"q": f"name = '{name}' and trashed = false", "orderBy": "createdTime"}
        return [file["id"] for file in self.ask("GET", "/files", params=query).json()["files"]]


@pytest.fixture
def somebody(server):
    return Somebody(server)


# --- names that occur twice


def test_the_oldest_of_two_folders_is_meant(account, storage, folder, somebody):
    [parent] = somebody.ids(folder)
    first = somebody.make("2026-11", parent)
    somebody.make("2026-11", parent)

    assert not storage.create_folder(f"{folder}/2026-11")
    put(storage, f"{folder}/2026-11/a.pdf")

    assert set(account.open().find(f"{folder}/2026-11")) == {"a.pdf"}
    assert somebody.find(f"'{first}' in parents") == ["a.pdf"]


def test_the_oldest_of_two_files_is_meant(storage, folder, somebody):
    put(storage, f"{folder}/a.pdf")
    [parent] = somebody.ids(folder)
    somebody.make("a.pdf", parent, "application/pdf")

    found = storage.find(folder)["a.pdf"]

    assert found.size == len(CONTENT)
    assert put(storage, f"{folder}/a.pdf", there=found) == "identical"
    assert put(storage, f"{folder}/a.pdf") == "identical"


def test_names_are_others_where_only_capital_letters_differ(storage, folder):
    assert storage.create_folder(f"{folder}/Below")
    assert storage.create_folder(f"{folder}/below")
    assert put(storage, f"{folder}/A.pdf", BytesDocument(b"other")) == "uploaded"

    assert put(storage, f"{folder}/a.pdf") == "uploaded"

    assert set(storage.find(folder)) == {"A.pdf", "a.pdf"}


def test_a_file_and_a_folder_may_have_one_name(storage, folder):
    put(storage, f"{folder}/2026-11")

    assert storage.create_folder(f"{folder}/2026-11")
    assert put(storage, f"{folder}/2026-11/a.pdf") == "uploaded"
    assert put(storage, f"{folder}/2026-11") == "identical"


def test_what_google_s_own_documents_hold_is_not_compared(storage, folder, somebody):
    [parent] = somebody.ids(folder)
    somebody.make("a.pdf", parent, FOLDER)  # The kind that has no bytes here.

    assert storage.find(folder) == {}
    assert put(storage, f"{folder}/a.pdf") == "uploaded"


# --- ids


def test_ids_are_asked_for_in_advance(account, folder):
    purse = Purse()
    storage = account.open(purse)
    for number in range(3):
        storage.create_folder(f"{folder}/{number}")
        put(storage, f"{folder}/{number}/a.pdf")

    # Each is looked for once, the folder above too; ids are asked for once.
    assert purse.counts() == {"find": 3 + 3 + 1, "verify": 1, "create_folder": 3, "upload": 3}


def test_a_folder_whose_replies_are_all_lost_is_made_once(server, storage, folder, somebody):
    server.set_faults({"action": "lose_reply", "kind": "create_folder", "times": 2})

    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder(f"{folder}/lost twice")
    assert not storage.create_folder(f"{folder}/lost twice")

    assert len(somebody.ids("lost twice")) == 1


def test_a_document_whose_fate_is_unknown_is_never_there_twice(
    account, server, storage, folder, somebody
):
    server.set_faults(
        {"action": "lose_reply", "kind": "upload", "times": 1},
        {"action": "refuse", "kind": "read", "times": 1},
        {"action": "delay", "kind": "find", "times": 1},
        {"action": "refuse", "kind": "find", "times": 1},
    )
    progress: dict[str, Any] = {}
    path = f"{folder}/fate.pdf"
    with pytest.raises(AmbiguousError):
        storage.upload(path, DOCUMENT, there=None, progress=progress)
    kept = json.loads(json.dumps(progress))
    assert kept["id"] == somebody.ids("fate.pdf")[0]
    server.clear_faults()

    assert account.open().upload(path, DOCUMENT, there=None, progress=kept) == "uploaded"

    assert kept == {}
    assert len(somebody.ids("fate.pdf")) == 1


def test_what_is_listed_late_is_not_made_twice(server, storage, folder, somebody, monkeypatch):
    """Google does not promise that what was made a moment ago is listed."""
    progress: dict[str, Any] = {}
    path = f"{folder}/late.pdf"
    server.set_faults(
        {"action": "lose_reply", "kind": "upload", "times": 1},
        {"action": "refuse", "kind": "read", "times": 1},
        {"action": "delay", "kind": "find", "times": 1},
        {"action": "refuse", "kind": "find", "times": 1},
    )
    with pytest.raises(AmbiguousError):
        storage.upload(path, DOCUMENT, there=None, progress=progress)
    monkeypatch.setattr(storage, "_file", lambda path: None)

    assert storage.upload(path, DOCUMENT, there=None, progress=progress) == "uploaded"

    assert len(somebody.ids("late.pdf")) == 1


def test_what_somebody_has_changed_since_it_arrived_is_left(storage, folder, somebody):
    put(storage, f"{folder}/changed.pdf", BytesDocument(b"filled in"))
    [ours] = somebody.ids("changed.pdf")
    progress = {"sha256": DOCUMENT.sha256, "id": ours}

    came_of_it = storage.upload(f"{folder}/changed.pdf", DOCUMENT, there=None, progress=progress)

    assert (came_of_it, progress) == ("conflict", {})
    assert somebody.ids("changed.pdf") == [ours]


# --- folders that change meanwhile


def test_a_folder_that_was_thrown_away_is_not_filled(storage, folder, somebody):
    storage.create_folder(f"{folder}/2026-11")
    put(storage, f"{folder}/2026-11/a.pdf")
    [thrown_away] = somebody.ids("2026-11")[-1:]
    somebody.ask("PATCH", f"/files/{thrown_away}", json={"trashed": True})

    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        put(storage, f"{folder}/2026-11/b.pdf")

    assert storage.create_folder(f"{folder}/2026-11")
    assert put(storage, f"{folder}/2026-11/b.pdf") == "uploaded"
    assert set(storage.find(f"{folder}/2026-11")) == {"b.pdf"}


def test_a_folder_that_is_gone_for_good_is_looked_for_again(storage, folder, somebody):
    storage.create_folder(f"{folder}/gone")
    [gone] = somebody.ids("gone")
    somebody.ask("DELETE", f"/files/{gone}")

    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        put(storage, f"{folder}/gone/a.pdf")
    assert storage.find(f"{folder}/gone") == {}

    assert storage.create_folder(f"{folder}/gone")
    assert put(storage, f"{folder}/gone/a.pdf") == "uploaded"


# --- refusals


@pytest.mark.parametrize(
    ("scope", "code", "level"),
    [
        ("account", "userRateLimitExceeded", "account"),
        ("provider", "rateLimitExceeded", None),
    ],
)
def test_too_many_requests_are_a_throttle_that_says_no_time(account, server, scope, code, level):
    storage = account.open()
    server.set_limits({"limits": [{"scope": scope, "units": 0.5}]})
    try:
        for _ in range(6):  # Drive says it in several ways.
            with pytest.raises(Throttled) as raised:
                storage.find("")
            assert raised.value.retry_after is None
            assert raised.value.code == code
            assert raised.value.level == level
    finally:
        server.set_limits({"limits": [{"scope": scope, "units": None}]})


def test_a_quota_of_a_day_says_when_the_next_one_begins(server, storage):
    server.set_limits({"limits": [{"scope": "day", "units": 0.5}]})
    try:
        with pytest.raises(Throttled) as raised:
            storage.find("")
    finally:
        server.set_limits({"limits": [{"scope": "day", "units": None}]})

    assert (raised.value.code, raised.value.level) == ("DailyLimitUntilTomorrow", "provider")
    assert 0 < raised.value.retry_after <= 90_000


def test_bytes_of_a_day_are_an_account_s_own_quota(server, storage, folder):
    put(storage, f"{folder}/first")
    server.set_limits({"limits": [{"scope": "uploaded bytes", "units": 100}]})
    codes = set()
    try:
        for number in range(4):
            with pytest.raises(Throttled) as raised:
                put(storage, f"{folder}/{number}")
            codes.add(raised.value.code)
            assert raised.value.level == "account"
    finally:
        server.set_limits({"limits": [{"scope": "uploaded bytes", "units": None}]})

    assert codes == {"userRateLimitExceeded", "UploadLimitUntilTomorrow"}


def test_an_id_that_was_spent_is_not_used_for_ever(storage, folder, somebody):
    put(storage, f"{folder}/spent.pdf")
    [spent] = somebody.ids("spent.pdf")
    progress = {"sha256": DOCUMENT.sha256, "id": spent}
    somebody.ask("PATCH", f"/files/{spent}", json={"trashed": True})

    with pytest.raises(TransientError):
        storage.upload(f"{folder}/spent.pdf", DOCUMENT, there=None, progress=progress)

    assert storage.upload(f"{folder}/spent.pdf", DOCUMENT, there=None, progress=progress) == (
        "uploaded"
    )


def test_a_long_upload_whose_url_is_lost_with_its_last_reply_is_there_once(
    server, storage, folder, somebody, monkeypatch
):
    monkeypatch.setattr(drive, "PART_BYTES", 8 * 1024 * 1024)
    progress: dict[str, Any] = {}
    path = f"{folder}/long.pdf"
    server.set_faults(
        {"action": "lose_reply", "method": "PUT", "times": 1},
        {"action": "refuse", "kind": "read", "times": 1},
        {"action": "delay", "kind": "find", "times": 1},
        {"action": "refuse", "kind": "find", "times": 1},
    )
    with pytest.raises(AmbiguousError):
        storage.upload(path, LONG, there=None, progress=progress)
    server.clear_faults()
    progress["url"] += "gone"
    monkeypatch.setattr(storage, "_file", lambda path: None)

    with pytest.raises(TransientError, match=r"^UploadExpired: "):
        storage.upload(path, LONG, there=None, progress=progress)
    assert storage.upload(path, LONG, there=None, progress=progress) == "uploaded"

    assert len(somebody.ids("long.pdf")) == 1


def test_a_pause_at_any_request_loses_nothing(account, folder, somebody, monkeypatch):
    monkeypatch.setattr(drive, "PART_BYTES", 2 * 1024 * 1024)
    progress: dict[str, Any] = {}
    came_of_it, steps = None, 0
    while came_of_it is None and steps < 9:
        # Enough to find the folder, to look, to ask where it goes on, and for one part.
        storage, steps = account.open(Purse(limit=4)), steps + 1
        with suppress(Pause):
            came_of_it = storage.upload(
                f"{folder}/step by step", LONG, there=None, progress=progress
            )

    assert (came_of_it, steps) == ("uploaded", 4)
    assert account.arrived(f"{folder}/step by step") == LONG.sha256
    assert len(somebody.ids("step by step")) == 1


@pytest.mark.parametrize(
    ("reason", "status", "error", "code"),
    [
        ("insufficientFilePermissions", 403, StorageRefused, "CredentialsRefused"),
        ("accessNotConfigured", 403, StorageRefused, "ApiNotEnabled"),
        ("backendError", 500, TransientError, "HTTP500"),
        ("anything", 418, StorageRefused, "HTTP418"),
    ],
)
def test_each_reason_has_its_meaning(server, storage, folder, reason, status, error, code):
    storage.find(folder)
    body = json.dumps({"error": {"code": status, "errors": [{"reason": reason}]}})
    server.set_faults({"action": "status", "status": status, "body": body})

    with pytest.raises(error, match=f"^{code}: "):
        put(storage, f"{folder}/any")
