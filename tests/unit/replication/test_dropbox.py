"""What is asked of Dropbox, and what is made of its errors."""

import json
import time

import pytest

from replication.storage.dropbox import CONTENT_URL, Dropbox
from replication.storage.hashes import digest_of
from replication.storage.interface import Found, Pause, Throttled
from replication.storage.json_api import connect
from shared.errors import StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit.replication.test_json_api import Tokens, said
from tests.unit.replication.test_webdav import answer, answers

DOCUMENT = BytesDocument(b"what the customer is to get")
HASH = digest_of("dropbox", [DOCUMENT.content]).value


@pytest.fixture
def storage(stub):
    return Dropbox("/Books", None, connect(Tokens()), Purse())


def put(storage, document=DOCUMENT):
    return storage.upload("2026-11/Übersicht.pdf", document, there=None, progress={})


def union(*tags: str, **fields):
    """An error as an endpoint tells it: each tag holds the next."""
    *outer, last = tags
    error = {".tag": last, **fields}
    for tag in reversed(outer):
        error = {".tag": tag, tag: error}
    return {"error_summary": "/".join(tags) + "/..", "error": error}


def test_a_document_is_sent_with_what_may_become_of_it_and_its_hash(storage, stub):
    answers(stub, said(200, {"name": "any", "size": DOCUMENT.size}))

    assert put(storage) == "uploaded"

    [request] = stub.requests
    assert request.url == f"{CONTENT_URL}/2/files/upload"
    assert request.body == DOCUMENT.content
    argument = request.headers["Dropbox-API-Arg"]
    assert argument.isascii()
    assert json.loads(argument) == {
        "path": "/Books/2026-11/Übersicht.pdf",
        "mode": "add",
        "autorename": False,
        "mute": True,
        "strict_conflict": True,
        "content_hash": HASH,
    }


def test_asks_dropbox_or_whoever_speaks_as_it_does(stub):
    for endpoint in (None, "http://127.0.0.1:9/below/"):
        answers(stub, said(200, {"metadata": {"name": "any"}}))
        Dropbox("/", endpoint, connect(Tokens()), Purse()).create_folder("any")

    assert [request.url for request in stub.requests] == [
        "https://api.dropboxapi.com/2/files/create_folder_v2",
        "http://127.0.0.1:9/below/2/files/create_folder_v2",
    ]
    assert json.loads(stub.requests[0].body) == {"path": "/any", "autorename": False}


def test_a_document_that_dropbox_has_no_bytes_of_is_somebody_elses(storage, stub):
    entry = {".tag": "file", "name": "Plan", "size": DOCUMENT.size, "is_downloadable": False}
    answers(stub, said(200, {"entries": [entry], "cursor": "any", "has_more": False}))

    [(name, found)] = storage.find("any").items()

    assert name == "Plan"
    assert not storage.same("any/Plan", found, DOCUMENT)
    assert storage.upload("any/Plan", DOCUMENT, there=found, progress={}) == "conflict"


@pytest.mark.parametrize("more", [{}, {"cursor": 5, "entries": []}, {"has_more": False}])
def test_a_list_of_another_form_is_not_understood(storage, stub, more):
    answers(stub, said(200, more))

    with pytest.raises(StorageRefused, match=r"^ReplyNotUnderstood: "):
        storage.find("any")


def test_a_document_that_arrived_with_another_size_is_none(storage, stub):
    answers(stub, said(200, {"name": "any", "size": 5}))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (("path", "insufficient_space"), "StorageFull"),
        (("path", "no_write_permission"), "CredentialsRefused"),
        (("path", "malformed_path"), "NameIllegal"),
        (("path", "disallowed_name"), "NameIllegal"),
        (("path", "team_folder"), "CredentialsRefused"),
        (("path", "conflict", "file"), "NameTaken"),
        (("path", "conflict", "file_ancestor"), "NameTaken"),
        (("path", "other"), "other"),
        (("other",), "other"),
        (("something new!",), "Unknown"),
    ],
)
def test_what_dropbox_will_not_do_is_told_to_a_person(storage, stub, tags, code):
    answers(stub, said(409, union(*tags)))

    with pytest.raises(StorageRefused, match=rf"^{code}: "):
        storage.create_folder("any")


@pytest.mark.parametrize("document", [None, {}, {"error": "text"}, {"error": {"tag": "any"}}])
def test_an_error_that_says_nothing_is_refused(storage, stub, document):
    answers(stub, said(409, document))

    with pytest.raises(StorageRefused, match=r"^Unknown: "):
        storage.create_folder("any")


def test_a_hash_that_does_not_match_is_tried_again(storage, stub):
    answers(stub, said(409, union("content_hash_mismatch")))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)


@pytest.mark.parametrize("tag", ["not_found", "closed"])
def test_an_upload_that_dropbox_has_forgotten_begins_again(storage, stub, monkeypatch, tag):
    monkeypatch.setattr("replication.storage.dropbox.LARGEST_REQUEST", 5)
    progress = {"sha256": DOCUMENT.sha256, "session": "any", "offset": 0}
    answers(stub, said(409, union("lookup_failed", tag)))

    with pytest.raises(TransientError, match=r"^UploadExpired: "):
        storage.upload("any", DOCUMENT, there=None, progress=progress)

    assert progress == {}


@pytest.mark.parametrize("offset", [0, -1, 1000, "5", None])
def test_an_offset_that_cannot_be_is_not_believed(storage, stub, monkeypatch, offset):
    monkeypatch.setattr("replication.storage.dropbox.LARGEST_REQUEST", 5)
    progress = {"sha256": DOCUMENT.sha256, "session": "any", "offset": 0}
    answers(stub, said(409, union("lookup_failed", "incorrect_offset", correct_offset=offset)))

    with pytest.raises(TransientError, match=r"^UploadExpired: "):
        storage.upload("any", DOCUMENT, there=None, progress=progress)


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (429, {"error": {"reason": {".tag": "too_many_write_operations"}, "retry_after": 7}}),
        (409, union("path", "too_many_write_operations")),
        (409, union("too_many_write_operations")),
    ],
)
@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {}])
def test_a_lock_of_somebody_else_costs_neither_rate_nor_attempts(
    storage, stub, status, document, headers
):
    answers(stub, said(status, document, headers))
    began = time.time()

    with pytest.raises(Pause) as raised:
        storage.create_folder("any")

    seconds = raised.value.not_before - began
    assert seconds == pytest.approx(7 if headers else 2, abs=1)


@pytest.mark.parametrize("body", [b"Too many requests", b'{"error": {"reason": "any"}}', b"{}"])
def test_other_refusals_of_too_much_are_a_throttle(storage, stub, body):
    answers(stub, answer(429, body, {"Retry-After": "7"}))

    with pytest.raises(Throttled) as raised:
        storage.create_folder("any")

    assert raised.value.retry_after == 7


@pytest.mark.parametrize(
    ("status", "tag", "message"),
    [
        (401, "missing_scope", "files.content.write"),
        (401, "user_suspended", "suspended"),
        (403, "paper_access_denied", "permission"),
    ],
)
def test_what_no_new_token_would_help_is_told_at_once(storage, stub, status, tag, message):
    answers(stub, said(status, union(tag)))

    with pytest.raises(StorageRefused, match=rf"^CredentialsRefused: .*{message}"):
        storage.create_folder("any")

    assert len(stub.requests) == 1


def test_what_is_seen_in_the_place_is_compared_without_asking(storage, stub):
    there = Found(DOCUMENT.size, None, digest=digest_of("dropbox", [DOCUMENT.content]))

    assert storage.upload("any", DOCUMENT, there=there, progress={}) == "identical"

    assert stub.requests == []
