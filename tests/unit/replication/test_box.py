"""What is asked of Box, and what is made of its errors."""

import base64
import hashlib
import json

import pytest
import requests

from replication.storage.box import Box
from replication.storage.interface import Pause, Throttled
from replication.storage.json_api import connect
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit.replication.test_json_api import Tokens, said
from tests.unit.replication.test_webdav import answers

DOCUMENT = BytesDocument(b"what the customer is to get")
SHA1 = hashlib.sha1(DOCUMENT.content).hexdigest()
HEADER = "sha=" + base64.b64encode(bytes.fromhex(SHA1)).decode()


@pytest.fixture
def storage(stub):
    return Box("17", None, connect(Tokens()), Purse())


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr("replication.storage.box.LARGEST_REQUEST", 5)


def put(storage, progress=None):
    progress = {} if progress is None else progress
    return storage.upload("Übersicht.pdf", DOCUMENT, there=None, progress=progress)


def item(kind: str = "file", item_id: str = "5", **more):
    return {"type": kind, "id": item_id, "name": "any", **more}


def made(sha1: str = SHA1):
    return said(201, {"total_count": 1, "entries": [item(sha1=sha1)]})


def failed(status: int, code: str, **context):
    document = {"type": "error", "status": status, "code": code, "message": "hush"}
    return said(status, document | ({"context_info": context} if context else {}))


def listed(*items, marker=None):
    return said(200, {"entries": list(items), "limit": 1000, "next_marker": marker})


def test_a_document_is_sent_as_a_form_with_its_hash(storage, stub):
    answers(stub, made())

    assert put(storage) == "uploaded"

    [request] = stub.requests
    assert request.url == "https://upload.box.com/api/2.0/files/content"
    assert request.headers["Content-MD5"] == SHA1
    boundary = request.headers["Content-Type"].removeprefix("multipart/form-data; boundary=")
    before, attributes, file, after = request.body.split(f"--{boundary}".encode())
    assert before == b""
    assert b'name="attributes"' in attributes
    told = json.loads(attributes.partition(b"\r\n\r\n")[2])
    assert told == {"name": "Übersicht.pdf", "parent": {"id": "17"}}
    assert file.partition(b"\r\n\r\n")[2] == DOCUMENT.content + b"\r\n"
    assert after == b"--\r\n"
    assert request.headers["Content-Length"] == str(len(request.body))


def test_asks_box_or_whoever_speaks_as_it_does(stub):
    for endpoint in (None, "http://127.0.0.1:9/below/"):
        answers(stub, said(201, item("folder")))
        Box("0", endpoint, connect(Tokens()), Purse()).create_folder("any")

    assert [request.url for request in stub.requests] == [
        "https://api.box.com/2.0/folders",
        "http://127.0.0.1:9/below/2.0/folders",
    ]


def test_a_folder_that_is_there_is_known_by_the_id_that_box_tells(storage, stub):
    conflict = [item("folder", "99")]
    answers(stub, failed(409, "item_name_in_use", conflicts=conflict), listed())

    assert not storage.create_folder("any")
    assert storage.find("any") == {}

    assert stub.requests[1].url.startswith("https://api.box.com/2.0/folders/99/items?")


@pytest.mark.parametrize("conflict", [item(), [item()]])
def test_a_file_in_a_folders_place_is_told(storage, stub, conflict):
    answers(stub, failed(409, "item_name_in_use", conflicts=conflict))

    with pytest.raises(StorageRefused, match=r"^NameTaken: "):
        storage.create_folder("any")


@pytest.mark.parametrize(
    ("conflict", "came_of_it"),
    [
        (item(sha1=SHA1), "identical"),
        ([item(sha1=SHA1)], "identical"),
        (item(sha1="0"), "conflict"),
    ],
)
def test_a_name_that_is_taken_is_compared_by_what_box_tells(storage, stub, conflict, came_of_it):
    answers(stub, failed(409, "item_name_in_use", conflicts=conflict))

    assert put(storage) == came_of_it


def test_a_name_that_is_taken_is_looked_up_where_box_tells_nothing(storage, stub):
    files = [item(name="ÜBERSICHT.pdf", size=DOCUMENT.size, sha1=SHA1)]
    answers(stub, failed(409, "item_name_in_use"), listed(*files))

    assert put(storage) == "identical"


def test_a_folder_in_a_documents_place_is_told(storage, stub):
    answers(stub, failed(409, "item_name_in_use", conflicts=item("folder")))

    with pytest.raises(StorageRefused, match=r"^NameTaken: "):
        put(storage)


def test_other_bytes_than_were_sent_are_tried_again(storage, stub):
    answers(stub, made("0"))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (403, "storage_limit_exceeded", "StorageFull"),
        (413, "file_size_limit_exceeded", "FileTooLarge"),
        (403, "access_denied_insufficient_permissions", "CredentialsRefused"),
        (403, "forbidden_by_policy", "CredentialsRefused"),
        (403, "insufficient_scope", "CredentialsRefused"),
        (400, "item_name_invalid", "NameIllegal"),
        (400, "item_name_too_long", "NameIllegal"),
        (400, "bad_request", "HTTP400"),
        (404, "not_found", "LocationMissing"),
        (403, "any", "CredentialsRefused"),
    ],
)
def test_what_box_will_not_do_is_told_to_a_person(storage, stub, status, code, ours):
    answers(stub, failed(status, code), failed(status, code))

    with pytest.raises(StorageRefused, match=rf"^{ours}: ") as raised:
        put(storage)

    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (400, "bad_digest", "ChecksumMismatch"),
        (409, "name_temporarily_reserved", "Locked"),
        (409, "operation_blocked_temporary", "Locked"),
        (409, "conflict", "HTTP409"),
        (500, "internal_server_error", "HTTP500"),
    ],
)
def test_what_passes_is_tried_again(storage, stub, status, code, ours):
    answers(stub, failed(status, code))

    with pytest.raises(TransientError, match=rf"^{ours}: "):
        put(storage)


def test_a_throttle_is_told(storage, stub):
    refusal = failed(429, "rate_limit_exceeded")
    refusal.headers["Retry-After"] = "7"
    answers(stub, refusal)

    with pytest.raises(Throttled) as raised:
        put(storage)

    assert raised.value.retry_after == 7


def test_an_expired_token_comes_without_a_body(storage, stub):
    challenge = {"WWW-Authenticate": 'Bearer realm="Service", error="invalid_token"'}
    answers(stub, said(401, None, challenge), made())

    assert put(storage) == "uploaded"

    assert [request.headers["Authorization"] for request in stub.requests] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_folders_before_it_are_known_after_one_look(storage, stub):
    answers(
        stub,
        listed(item("folder", "1", name="2026-10"), marker="more"),
        listed(item("folder", "2", name="2026-11"), item("web_link", "3", name="link")),
        listed(item(name="a", size=1, sha1="0"), item("folder", "4", name="b")),
        listed(),
    )

    assert set(storage.find("2026-11")) == {"a"}
    assert storage.find("2026-10") == {}

    asked = [request.path_url for request in stub.requests]
    assert "marker=more" in asked[1]
    assert [path.split("/")[3] for path in asked] == ["17", "17", "2", "1"]


def test_an_id_that_box_does_not_know_any_more_is_looked_up_again(storage, stub):
    answers(
        stub,
        said(201, item("folder", "1")),
        failed(404, "not_found"),
        listed(item("folder", "2", name="any")),
        made(),
    )
    storage.create_folder("any")

    assert storage.upload("any/a.pdf", DOCUMENT, there=None, progress={}) == "uploaded"

    assert b'"id": "2"' in stub.requests[-1].body


SESSION = {"id": "ABC", "type": "upload_session", "part_size": 16, "total_parts": 2}


def part(start: int, content: bytes):
    told = {"part_id": f"P{start}", "offset": start, "size": len(content)}
    return told | {"sha1": hashlib.sha1(content).hexdigest()}


FIRST, LAST = part(0, DOCUMENT.content[:16]), part(16, DOCUMENT.content[16:])


def test_a_long_document_goes_in_parts_each_with_its_hash(storage, stub, parts):
    answers(
        stub,
        said(201, SESSION),
        said(200, {"part": FIRST}),
        said(200, {"part": LAST}),
        made(),
    )
    progress: dict[str, object] = {}

    assert put(storage, progress) == "uploaded"

    begin, first, last, commit = stub.requests
    assert begin.url == "https://upload.box.com/api/2.0/files/upload_sessions"
    wanted = {"folder_id": "17", "file_size": DOCUMENT.size, "file_name": "Übersicht.pdf"}
    assert json.loads(begin.body) == wanted
    assert first.url == last.url == f"{begin.url}/ABC"
    assert first.headers["Content-Range"] == f"bytes 0-15/{DOCUMENT.size}"
    assert last.headers["Content-Range"] == f"bytes 16-{DOCUMENT.size - 1}/{DOCUMENT.size}"
    assert first.body + last.body == DOCUMENT.content
    assert commit.url == f"{begin.url}/ABC/commit"
    assert commit.headers["Digest"] == HEADER
    assert json.loads(commit.body) == {"parts": [FIRST, LAST]}
    assert progress == {}


def begun() -> dict[str, object]:
    return {"sha256": DOCUMENT.sha256, "sha1": SHA1, "session": "ABC", "part_bytes": 16}


def there(*found):
    return said(200, {"total_count": len(found), "entries": list(found)})


def test_a_file_that_box_still_works_on_is_waited_for(storage, stub, parts):
    answers(stub, there(FIRST, LAST), said(202, None, {"Retry-After": "30"}))
    progress = begun()

    with pytest.raises(Pause):
        put(storage, progress)

    assert progress == begun()


def test_a_session_that_is_gone_begins_again(storage, stub, parts):
    answers(stub, failed(404, "not_found"))
    progress = begun()

    with pytest.raises(TransientError, match=r"^UploadExpired: "):
        put(storage, progress)

    assert progress == {}


def test_parts_that_do_not_make_the_document_are_removed(storage, stub, parts):
    answers(stub, there(FIRST, LAST), failed(400, "digest_mismatch"), said(204))
    progress = begun()

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage, progress)

    assert stub.requests[-1].method == "DELETE"
    assert progress == {}


def test_a_commit_whose_reply_is_lost_is_looked_into(storage, stub, parts):
    files = listed(item(name="Übersicht.pdf", size=DOCUMENT.size, sha1=SHA1))
    gone = failed(404, "not_found")
    answers(stub, there(FIRST, LAST), requests.ConnectionError(), files, gone)
    progress = begun()

    assert put(storage, progress) == "identical"

    assert progress == {}


def test_the_parts_of_a_document_that_came_to_nothing_are_removed(storage, stub, parts):
    taken = failed(409, "item_name_in_use", conflicts=item(sha1="0"))
    answers(stub, there(FIRST, LAST), taken, said(204))
    progress = begun()

    assert put(storage, progress) == "conflict"

    assert (stub.requests[-1].method, stub.requests[-1].path_url) == (
        "DELETE",
        "/api/2.0/files/upload_sessions/ABC",
    )
    assert progress == {}


def test_nobody_knows_of_a_folder_whose_reply_is_lost(storage, stub):
    answers(stub, requests.ConnectionError())

    with pytest.raises(AmbiguousError):
        storage.create_folder("any")
