"""What only Microsoft Graph does: one name for all capital letters, types of drives, headers."""

import json
from typing import Any

import pytest

from replication.storage import graph
from replication.storage.interface import Found, Throttled
from shared.errors import StorageRefused, TransientError
from tests.providers.accounts import CONTENT, DOCUMENT, LONG, Tokens, put
from tests.providers.simulators import OTHER
from tests.storages import BytesDocument


@pytest.fixture
def provider():
    return "graph"


def test_a_folder_with_the_document_s_name_is_a_conflict(storage, folder):
    storage.create_folder(f"{folder}/a.pdf")

    assert put(storage, f"{folder}/a.pdf") == "conflict"
    assert put(storage, f"{folder}/a.pdf", LONG) == "conflict"


@pytest.mark.parametrize("drive_type", ["personal", "business", "documentLibrary"])
def test_each_type_of_drive_has_hashes_of_its_own(account, server, drive_type, request):
    name = f"user-{drive_type.lower()}"
    server.add_account(name, drive_type=drive_type)
    storage = account.open(
        location=server.drive_id(name, drive_type),
        tokens=Tokens(server, name, drive_type=drive_type),
    )
    storage.create_folder("any")

    for size in (0, 1, 5_000_000):
        document = BytesDocument(bytes(range(250)) * (size // 250 + 1))
        document.content = document.content[:size]
        path = f"any/{size}"
        assert put(storage, path, document) == "uploaded"
        there = storage.find("any")[str(size)]
        assert storage.same(path, there, document)
        assert put(storage, path, document, there) == "identical"


def test_a_file_without_a_hash_is_read_back(storage, folder, purse):
    put(storage, f"{folder}/a.pdf")
    purse.spent.clear()
    unknown = Found(len(CONTENT), None)

    assert storage.same(f"{folder}/a.pdf", unknown, DOCUMENT)
    assert not storage.same(f"{folder}/a.pdf", unknown, BytesDocument(CONTENT[::-1]))
    assert not storage.same(f"{folder}/gone.pdf", unknown, DOCUMENT)

    assert purse.counts() == {"verify": 5}


def test_what_sharepoint_lengthens_has_arrived(storage, folder, monkeypatch):
    answered = graph.Api.ask

    def enriched(api: Any, *given: Any, **more: Any) -> Any:
        answer = answered(api, *given, **more)
        if given[1] == "PUT":
            answer = graph.Answer(
                answer.status,
                answer.headers,
                {**answer.document, "size": answer.document["size"] + 12},
            )
        return answer

    monkeypatch.setattr(graph.Api, "ask", enriched)

    assert put(storage, f"{folder}/a.docx") == "uploaded"


def test_an_upload_that_nobody_knows_of_does_not_stand_in_the_way(account, storage, folder):
    storage._begun(f"{folder}/long", LONG, {})

    assert put(storage, f"{folder}/long", LONG) == "uploaded"

    assert account.arrived(f"{folder}/long") == LONG.sha256


def test_one_that_is_too_long_for_that_is_tried_later(storage, folder, monkeypatch):
    monkeypatch.setattr(graph, "MOST_AT_ONCE_BYTES", 5_000_000)
    storage._begun(f"{folder}/long", LONG, {})

    with pytest.raises(TransientError, match=r"^UploadUnderWay: "):
        put(storage, f"{folder}/long", LONG)


def test_parts_that_are_given_up_are_removed(account, storage, folder):
    progress: dict[str, Any] = {}
    storage._begun(f"{folder}/long", LONG, progress)
    put(account.open(), f"{folder}/other")

    storage.give_up(f"{folder}/long", progress)

    with pytest.raises(graph.UploadGone):
        storage._where_it_goes_on(progress["url"])


def test_the_upload_s_url_gets_no_token(storage, folder):
    """The simulator refuses one, as Microsoft may."""
    assert put(storage, f"{folder}/long", LONG) == "uploaded"


def test_whoever_has_no_access_to_a_drive_is_told(account, server):
    storage = account.open(location=server.drive_id(OTHER["name"]))

    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        storage.find("")


# --- refusals


def test_a_throttle_says_how_long_to_wait(server, storage):
    server.set_limits({"limits": [{"scope": "provider", "units": 0.5}]})
    try:
        with pytest.raises(Throttled) as raised:
            storage.find("")
    finally:
        server.set_limits({"limits": [{"scope": "provider", "units": None}]})

    assert raised.value.code == "activityLimitReached"
    assert raised.value.retry_after > 0


def test_a_service_that_is_too_busy_is_a_throttle(server, storage):
    server.set_limits({"limits": [{"scope": "spikes", "units": 0.5}]})
    try:
        with pytest.raises(Throttled) as raised:
            storage.find("")
    finally:
        server.set_limits({"limits": [{"scope": "spikes", "units": None}]})

    assert raised.value.code == "HTTP503"


def test_hands_on_what_is_left_of_the_quota(server, storage, purse):
    server.set_limits({"limits": [{"scope": "provider", "units": 20}]})
    try:
        for _ in range(9):
            storage.find("")
    finally:
        server.set_limits({"limits": [{"scope": "provider", "units": None}]})

    assert purse.advice
    assert all(0 <= remaining <= 4 and 0 <= reset <= 60 for remaining, reset in purse.advice)


@pytest.mark.parametrize(
    ("status", "code", "error", "expected"),
    [
        (423, "resourceLocked", TransientError, "Locked"),
        (423, "notAllowed", TransientError, "Locked"),
        (403, "accessDenied", StorageRefused, "CredentialsRefused"),
        (507, "quotaLimitReached", StorageRefused, "StorageFull"),
        (507, "", StorageRefused, "StorageFull"),
        (400, "pathIsTooLong", StorageRefused, "NameIllegal"),
        (409, "anything", TransientError, "FolderMissing"),
        (500, "generalException", TransientError, "HTTP500"),
    ],
)
def test_each_code_has_its_meaning(server, storage, folder, status, code, error, expected):
    body = json.dumps({"error": {"code": code, "message": "any"}})
    server.set_faults({"action": "status", "status": status, "body": body, "method": "POST"})

    with pytest.raises(error, match=f"^{expected}: "):
        storage.create_folder(f"{folder}/any")
