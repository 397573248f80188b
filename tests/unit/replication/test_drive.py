"""What is asked of Google Drive, and what is made of its answers."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from replication.storage import drive, json_api
from replication.storage.drive import Drive
from replication.storage.drive_replies import FOLDER, seconds_until_tomorrow
from replication.storage.folder_ids import KEPT_SECONDS, FolderIds
from replication.storage.interface import Pause, Throttled
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit import http_stub
from tests.unit.http_stub import in_turn, streamed

CONTENT = b"what the customer is to get"
DOCUMENT = BytesDocument(CONTENT)
LOST = requests.ReadTimeout()


@pytest.fixture
def connection():
    return json_api.connect(http_stub.Token())


@pytest.fixture
def storage(stub, purse, connection):
    return opened(connection, purse)


def opened(connection: json_api.Connection, meter: Purse, location: str = "root") -> Drive:
    storage = Drive(location, None, connection, meter)
    storage._memory.ids = ["id-2", "id-1"]
    return storage


def any_file(**changes: Any) -> dict[str, Any]:
    return {
        "id": "f1",
        "name": "a.pdf",
        "mimeType": "application/pdf",
        "size": str(len(CONTENT)),
        "sha256Checksum": DOCUMENT.sha256,
        "createdTime": "2026-11-02T00:15:04.000Z",
        "trashed": False,
    } | changes


def any_folder(**changes: Any) -> dict[str, Any]:
    return {"id": "d1", "name": "2026-11", "mimeType": FOLDER, "trashed": False} | changes


def listed(*files: dict[str, Any], **more: Any) -> requests.Response:
    return streamed(200, {"incompleteSearch": False, "files": files, **more})


def refused(status: int, reason: str, **headers: str) -> requests.Response:
    one = {"domain": "global", "reason": reason, "message": "2026-11/a.pdf of ann"}
    error = {"code": status, "message": "2026-11/a.pdf of ann", "errors": [one]}
    return streamed(status, {"error": error}, headers)


def put(storage: Drive, document: Any = DOCUMENT, path: str = "a.pdf", **progress: Any) -> str:
    return storage.upload(path, document, there=None, progress=progress)


def query(request: requests.PreparedRequest) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(str(request.url)).query).items()}


def asked(stub) -> list[str]:
    return [f"{request.method} {urlsplit(request.url).path}" for request in stub.requests]


# --- requests


def test_every_request_has_limits_a_token_and_means_shared_drives_too(storage, stub):
    in_turn(stub, listed(any_folder(name="ord\\er's")), listed())

    storage.find("ord\\er's")

    for request in stub.requests:
        assert request.headers["Authorization"] == "Bearer any-token"
        assert query(request)["supportsAllDrives"] == "true"
        assert query(request)["includeItemsFromAllDrives"] == "true"
    assert stub.timeouts == [(5, 60)] * 2
    folder, files = (query(request)["q"] for request in stub.requests)
    assert folder == (
        f"'root' in parents and trashed = false and mimeType = '{FOLDER}'"
        " and name = 'ord\\\\er\\'s'"
    )
    assert files == f"'d1' in parents and trashed = false and mimeType != '{FOLDER}'"


def test_nothing_is_sent_that_is_not_paid(stub, connection):
    storage = opened(connection, Purse(limit=0))

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage),
    ):
        with pytest.raises(Pause):
            ask()

    assert stub.requests == []


def test_a_document_goes_with_what_is_said_of_it(storage, stub):
    in_turn(stub, listed(), streamed(200, any_file(id="id-1")))

    assert put(storage) == "uploaded"

    sent = stub.requests[1]
    assert asked(stub)[1] == "POST /upload/drive/v3/files"
    assert query(sent)["uploadType"] == "multipart"
    assert int(sent.headers["Content-Length"]) == len(sent.body)
    kind, _, boundary = sent.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/related"
    _, said, content, end = sent.body.split(f"--{boundary}".encode())
    assert json.loads(said.partition(b"\r\n\r\n")[2]) == {
        "id": "id-1",
        "name": "a.pdf",
        "parents": ["root"],
    }
    assert content.partition(b"\r\n\r\n")[2] == CONTENT + b"\r\n"
    assert end == b"--\r\n"


def test_a_long_document_goes_to_a_url_of_its_own_and_without_a_token(storage, stub, monkeypatch):
    monkeypatch.setattr(drive, "AT_ONCE_BYTES", 5)
    monkeypatch.setattr(drive, "PART_BYTES", 20)
    url = {"Location": "https://uploads.example/session"}
    done = streamed(200, any_file(id="id-1"))
    in_turn(stub, listed(), streamed(200, None, url), streamed(308, None, {"Range": "bytes=0-9"}),
            done)  # fmt: skip

    assert put(storage) == "uploaded"

    begun, first, second = stub.requests[1:]
    assert begun.headers["X-Upload-Content-Length"] == str(len(CONTENT))
    assert [part.headers["Content-Range"] for part in (first, second)] == [
        "bytes 0-19/27",
        "bytes 10-26/27",  # What Google has not kept is sent again.
    ]
    assert (first.body, second.body) == (CONTENT[:20], CONTENT[10:])
    for part in (first, second):
        assert part.url == "https://uploads.example/session"
        assert "Authorization" not in part.headers


def test_goes_on_where_google_says(storage, stub, monkeypatch):
    monkeypatch.setattr(drive, "AT_ONCE_BYTES", 5)
    in_turn(stub, listed(), streamed(308, None, {"Range": "bytes=0-24"}),
            streamed(201, any_file(id="id-9")))  # fmt: skip

    came_of_it = put(
        storage, sha256=DOCUMENT.sha256, id="id-9", url="https://uploads.example/session"
    )

    assert came_of_it == "uploaded"
    assert [request.headers["Content-Range"] for request in stub.requests[1:]] == [
        "bytes */27",
        "bytes 25-26/27",
    ]


@pytest.mark.parametrize("range_", [{}, {"Range": "bytes=0-26"}, {"Range": "nonsense"}])
def test_an_upload_that_does_not_get_on_is_tried_later(storage, stub, monkeypatch, range_):
    monkeypatch.setattr(drive, "AT_ONCE_BYTES", 5)
    url = {"Location": "https://uploads.example/session"}
    in_turn(stub, listed(), streamed(200, None, url), streamed(308, None, range_))

    with pytest.raises(TransientError, match=r"^UploadStuck: "):
        put(storage)


def test_a_part_that_is_not_expected_is_asked_about_later(storage, stub, monkeypatch):
    monkeypatch.setattr(drive, "AT_ONCE_BYTES", 5)
    in_turn(stub, listed(), streamed(308), refused(400, "badRequest"))
    progress = {"sha256": DOCUMENT.sha256, "id": "id-9", "url": "https://uploads.example/session"}

    with pytest.raises(TransientError, match=r"^PartRefused: "):
        storage.upload("a.pdf", DOCUMENT, there=None, progress=progress)

    assert progress["url"] == "https://uploads.example/session"


# --- lists


def test_all_pages_are_read(storage, stub):
    in_turn(
        stub,
        listed(any_file(name="a"), nextPageToken="more"),
        listed(any_file(name="b")),
    )

    assert set(storage.find("")) == {"a", "b"}

    assert query(stub.requests[1])["pageToken"] == "more"
    assert query(stub.requests[1])["q"] == query(stub.requests[0])["q"]


def test_a_list_that_is_not_complete_is_asked_for_again(storage, stub):
    in_turn(stub, listed(any_file(), incompleteSearch=True))

    with pytest.raises(TransientError, match=r"^SearchIncomplete: "):
        storage.find("")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"createdTime": "2026-11-02T00:15:04.000Z"}, {"createdTime": "2026-11-02T00:15:04.001Z"}),
        ({"id": "a"}, {"id": "b"}),
    ],
    ids=["by time", "by id"],
)
def test_the_oldest_of_a_name_is_meant(storage, stub, one, other, turned):
    files = [any_file(size="1", **one), any_file(size="2", **other)]
    in_turn(stub, listed(*(files[::-1] if turned else files)))

    assert storage.find("")["a.pdf"].size == 1


def test_what_is_alike_but_for_capital_letters_is_another(storage, stub):
    in_turn(stub, listed(any_file(name="A.pdf")), streamed(200, any_file()))

    assert put(storage) == "uploaded"


@pytest.mark.parametrize(
    ("file", "came_of_it"),
    [
        (any_file(), "identical"),
        (any_file(sha256Checksum="0" * 64), "conflict"),
        (any_file(sha256Checksum=None, md5Checksum="8f6fe6d9a8e92eb0b6f50cf4ed4e5d9f"), "conflict"),
        (any_file(sha256Checksum=None, size=None), "conflict"),
        (
            any_file(sha256Checksum=None, mimeType="application/vnd.google-apps.document"),
            "conflict",
        ),
    ],
    ids=["same", "other", "other by its older checksum", "no bytes", "Google's own"],
)
def test_what_is_there_is_compared_by_its_checksum(storage, stub, file, came_of_it):
    file = {name: value for name, value in file.items() if value is not None}
    in_turn(stub, listed(file), listed(file))

    assert put(storage) == came_of_it


def test_a_file_of_long_ago_is_known_by_its_older_checksum(storage, stub):
    file = any_file(md5Checksum="ab07acbb1e496801937adfa772424bf7", size="3")
    del file["sha256Checksum"]
    in_turn(stub, listed(file), listed(file))

    assert put(storage, BytesDocument(b"any")) == "conflict"
    in_turn(
        stub,
        listed(file | {"md5Checksum": "100b8cad7cf2a56f6df78f171f97a1ec"}),
        listed(file | {"md5Checksum": "100b8cad7cf2a56f6df78f171f97a1ec"}),
    )
    assert put(storage, BytesDocument(b"any")) == "identical"


def test_names_that_nobody_of_us_writes_are_left_out(storage, stub):
    theirs = "資料\N{FULLWIDTH DIGIT ONE}"
    in_turn(stub, listed(any_file(name=theirs), any_file(name="資料1", size="5")))

    assert {name: found.size for name, found in storage.find("").items()} == {"資料1": 5}


# --- folders


def test_folders_are_looked_for_once(storage, stub, connection):
    in_turn(stub, listed(any_folder()), listed(), listed())

    storage.find("2026-11")
    opened(connection, Purse()).find("2026-11")

    assert len(stub.requests) == 3


def test_where_a_folder_is_is_believed_for_some_minutes_only(stub, purse):
    now = [0.0]
    connection = json_api.Connection(
        requests.Session(), http_stub.Token(), FolderIds(lambda: now[0])
    )
    storage = opened(connection, purse)
    in_turn(stub, listed(any_folder()), listed(), listed(any_folder(id="d2")), listed())

    storage.find("2026-11")
    now[0] = KEPT_SECONDS
    storage.find("2026-11")

    assert "'d2' in parents" in query(stub.requests[-1])["q"]


def test_a_folder_that_is_no_longer_known_is_looked_for_again(storage, stub):
    storage._folders.put("2026-11", "gone")
    in_turn(
        stub,
        refused(404, "notFound"),
        listed(any_folder(id="d2")),
        listed(any_file()),
    )

    assert set(storage.find("2026-11")) == {"a.pdf"}


def test_a_folder_is_made_under_an_id_of_its_own(storage, stub):
    in_turn(stub, listed(), streamed(200, any_folder(id="id-1")))

    assert storage.create_folder("2026-11")

    assert json.loads(stub.requests[1].body) == {
        "id": "id-1",
        "name": "2026-11",
        "mimeType": FOLDER,
        "parents": ["root"],
    }


def test_a_folder_whose_reply_is_lost_is_made_again_under_the_same_id(storage, stub):
    in_turn(stub, listed(), LOST, refused(409, "fileIdInUse"), streamed(200, any_folder(id="id-1")))

    assert storage.create_folder("2026-11")

    sent = [json.loads(request.body)["id"] for request in stub.requests[1:3]]
    assert sent == ["id-1", "id-1"]
    assert asked(stub)[3] == "GET /drive/v3/files/id-1"


def test_so_it_is_in_the_next_step_of_the_process(storage, stub, connection):
    in_turn(stub, listed(), LOST, LOST)
    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder("2026-11")

    in_turn(stub, listed(), refused(409, "fileIdInUse"), streamed(200, any_folder(id="id-1")))
    assert opened(connection, Purse()).create_folder("2026-11")

    assert json.loads(stub.requests[-2].body)["id"] == "id-1"


def test_a_location_in_the_trash_is_told(storage, stub):
    in_turn(stub, listed(), streamed(200, any_folder(trashed=True)))

    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        storage.create_folder("2026-11")


# --- documents


def test_ids_are_asked_for_in_advance(storage, stub):
    storage._memory.ids = []
    in_turn(
        stub,
        listed(),
        streamed(200, {"ids": ["g1", "g2"]}),
        streamed(200, any_file()),
        listed(),
        streamed(200, any_file()),
    )

    assert put(storage) == "uploaded"
    assert put(storage) == "uploaded"

    assert query(stub.requests[1]) == {"count": "100", "space": "drive"}
    assert asked(stub).count("GET /drive/v3/files/generateIds") == 1


def test_a_lost_reply_is_looked_into_by_the_id(storage, stub):
    in_turn(stub, listed(), LOST, streamed(200, any_file(id="id-1")))

    assert put(storage) == "uploaded"

    assert asked(stub)[2] == "GET /drive/v3/files/id-1"


def test_a_document_that_has_not_arrived_keeps_its_id(storage, stub):
    progress: dict[str, Any] = {}
    in_turn(stub, listed(), LOST, refused(404, "notFound"))
    with pytest.raises(TransientError, match=r"^UploadBrokeOff: "):
        storage.upload("a.pdf", DOCUMENT, there=None, progress=progress)

    assert progress == {"sha256": DOCUMENT.sha256, "id": "id-1"}


def test_an_id_that_is_taken_by_what_nobody_sees_is_used_no_more(storage, stub):
    progress = {"sha256": DOCUMENT.sha256, "id": "spent"}
    in_turn(stub, listed(), refused(409, "fileIdInUse"), refused(404, "notFound"))
    with pytest.raises(TransientError, match=r"^IdSpent: "):
        storage.upload("a.pdf", DOCUMENT, there=None, progress=progress)

    assert progress == {}


def test_a_folder_s_id_that_is_taken_by_what_nobody_sees_is_used_no_more(storage, stub):
    in_turn(stub, listed(), refused(409, "fileIdInUse"), refused(404, "notFound"))
    with pytest.raises(TransientError, match=r"^IdSpent: "):
        storage.create_folder("2026-11")

    in_turn(stub, listed(), streamed(200, any_folder(id="id-2")))
    assert storage.create_folder("2026-11")
    assert json.loads(stub.requests[-1].body)["id"] == "id-2"


def test_what_google_says_nothing_of_is_neither_taken_for_whole_nor_removed(storage, stub):
    silent = any_file(id="id-1")
    del silent["sha256Checksum"]
    progress: dict[str, Any] = {}
    in_turn(stub, listed(), streamed(200, silent), streamed(200, silent))

    with pytest.raises(TransientError, match=r"^ChecksumMissing: "):
        storage.upload("a.pdf", DOCUMENT, there=None, progress=progress)

    assert progress["id"] == "id-1"
    in_turn(stub, listed(any_file(id="id-1")))
    assert storage.upload("a.pdf", DOCUMENT, there=None, progress=progress) == "uploaded"


@pytest.mark.parametrize(
    "replies",
    [
        [listed(any_file(id="id-9", sha256Checksum="0" * 64))],
        [
            listed(),
            refused(409, "fileIdInUse"),
            streamed(200, any_file(id="id-9", sha256Checksum="0" * 64)),
        ],
        [listed(), LOST, streamed(200, any_file(id="id-9", sha256Checksum="0" * 64))],
    ],
    ids=["listed", "id in use", "reply lost"],
)
def test_what_may_have_been_changed_since_it_arrived_is_left(storage, stub, replies):
    waiting = in_turn(stub, *replies)

    assert put(storage, sha256=DOCUMENT.sha256, id="id-9") == "conflict"

    assert waiting == []


def test_what_has_arrived_broken_goes_to_the_trash(storage, stub):
    broken = any_file(id="id-1", sha256Checksum="0" * 64)
    in_turn(stub, listed(), streamed(200, broken), streamed(200, {"id": "id-1"}))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)

    assert asked(stub)[2] == "PATCH /drive/v3/files/id-1"
    assert json.loads(stub.requests[2].body) == {"trashed": True}


# --- refusals


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (403, "storageQuotaExceeded", "StorageFull"),
        (403, "teamDriveFileLimitExceeded", "StorageFull"),
        (403, "insufficientFilePermissions", "CredentialsRefused"),
        (403, "insufficientParentPermissions", "CredentialsRefused"),
        (403, "appNotAuthorizedToFile", "CredentialsRefused"),
        (403, "forbidden", "CredentialsRefused"),
        (403, "somethingNew", "CredentialsRefused"),
        (401, "authError", "CredentialsRefused"),
        (403, "accessNotConfigured", "ApiNotEnabled"),
        (403, "numChildrenInNonRootLimitExceeded", "FolderFull"),
        (400, "badRequest", "HTTP400"),
    ],
)
def test_what_no_other_try_can_help_says_what_to_do(storage, stub, status, reason, code):
    in_turn(stub, listed(), refused(status, reason), refused(status, reason))

    with pytest.raises(StorageRefused, match=f"^{code}: .") as raised:
        put(storage)

    assert "2026" not in str(raised.value)
    assert "ann" not in str(raised.value).split()


@pytest.mark.parametrize(
    ("status", "reason", "level"),
    [
        (403, "userRateLimitExceeded", "account"),
        (403, "rateLimitExceeded", None),
        (429, "rateLimitExceeded", None),
        (429, "", None),
    ],
)
def test_too_many_requests_are_a_throttle_without_a_time(storage, stub, status, reason, level):
    in_turn(stub, refused(status, reason))

    with pytest.raises(Throttled) as raised:
        storage.find("")

    assert raised.value.retry_after is None
    assert raised.value.code == (reason or "HTTP429")
    assert raised.value.level == level


@pytest.mark.parametrize(
    ("reason", "code", "level"),
    [
        ("dailyLimitExceeded", "DailyLimitUntilTomorrow", "provider"),
        ("quotaExceeded", "UploadLimitUntilTomorrow", "account"),
    ],
)
def test_what_a_day_allows_is_there_again_tomorrow(storage, stub, reason, code, level):
    in_turn(stub, refused(403, reason))

    with pytest.raises(Throttled) as raised:
        storage.find("")

    assert (raised.value.code, raised.value.level) == (code, level)
    assert 0 < raised.value.retry_after <= 25 * 3600


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 12, 1, 8, 0, tzinfo=UTC), 24),  # Just midnight in California.
        (datetime(2026, 12, 1, 7, 30, tzinfo=UTC), 0.5),
        (datetime(2026, 7, 1, 12, 0, tzinfo=UTC), 19),
        (datetime(2026, 3, 8, 8, 0, tzinfo=UTC), 23),  # Summer time begins there.
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), 25),  # And ends.
    ],
)
def test_google_s_day_begins_at_midnight_in_california(now, hours):
    assert seconds_until_tomorrow(now.timestamp()) == hours * 3600


def test_a_refusal_that_is_no_json_is_told_by_its_status(storage, stub):
    in_turn(stub, streamed(502, b"<html>Bad Gateway</html>"))

    with pytest.raises(TransientError, match=r"^HTTP502: "):
        storage.find("")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a//b", "has a part that is empty"),
        ("/".join("a" * 101), "has more than 100 folders below each other"),
        ("a/" + "b" * 1025, "has a part of more than 1024 characters"),
        ("\ud800", "has a character that is none"),
    ],
)
def test_some_names_cannot_be(storage, path, reason):
    assert storage.illegal(path) == reason


def test_others_can(storage):
    assert storage.illegal('2026-11/what? *: <x> | "y" \\ \x01.') is None
