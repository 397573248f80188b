"""What is asked of Microsoft Graph, and what is made of its answers."""

import json
from typing import Any

import pytest
import requests

from replication.storage import graph, json_api
from replication.storage.graph import Graph
from replication.storage.hashes import digest_of
from replication.storage.interface import Found, Pause, Throttled
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit import http_stub
from tests.unit.http_stub import in_turn, streamed

CONTENT = b"what the customer is to get"
DOCUMENT = BytesDocument(CONTENT)
QUICKXOR = digest_of("quickxor", [CONTENT]).value
DRIVE = "https://graph.microsoft.com/v1.0/drives/b%21drive"
LOST = requests.ReadTimeout()
SESSION = "https://contoso.sharepoint.example/upload?tempauth=any"


@pytest.fixture
def storage(stub, purse):
    return opened(purse)


@pytest.fixture
def in_parts(monkeypatch):
    """Documents of more than five bytes go in parts of twenty."""
    monkeypatch.setattr(graph, "AT_ONCE_BYTES", 5)
    monkeypatch.setattr(graph, "PART_BYTES", 20)


def opened(meter: Purse, location: str = "b!drive", endpoint: str | None = None) -> Graph:
    return Graph(location, endpoint, json_api.connect(http_stub.Token()), meter)


def any_item(size: int = len(CONTENT), **changes: Any) -> dict[str, Any]:
    hashes = {"sha256Hash": DOCUMENT.sha256.upper()}
    item = {"id": "01ABC", "name": "a.pdf", "size": size, "eTag": '"{1},2"'}
    return item | {"file": {"hashes": hashes}} | changes


def a_folder(name: str = "2026-11") -> dict[str, Any]:
    return {"id": "01DEF", "name": name, "size": 9, "folder": {"childCount": 1}}


def refused(status: int, *codes: str, **headers: str) -> requests.Response:
    error: dict[str, Any] = {}
    for code in reversed(codes):
        error = {"code": code, "message": "2026-11/a.pdf of ann", "innerError": error}
    return streamed(status, {"error": error}, headers)


def put(storage: Graph, document: Any = DOCUMENT, path: str = "a.pdf", **progress: Any) -> str:
    return storage.upload(path, document, there=None, progress=progress)


def asked(stub) -> list[str]:
    return [f"{request.method} {request.url.removeprefix(DRIVE)}" for request in stub.requests]


# --- requests


def test_every_request_has_limits_and_a_token(storage, stub):
    in_turn(stub, streamed(201, a_folder()))

    assert storage.create_folder("2026-11/Bücher 50%: #1")

    [request] = stub.requests
    assert request.url == f"{DRIVE}/root:/2026-11:/children"
    assert request.headers["Authorization"] == "Bearer any-token"
    assert json.loads(request.body) == {
        "name": "Bücher 50%\N{FULLWIDTH COLON} #1",
        "folder": {},
        "@microsoft.graph.conflictBehavior": "fail",
    }
    assert stub.timeouts == [(5, 60)]


def test_a_location_may_be_a_folder_and_an_endpoint_a_national_cloud(stub, purse):
    storage = opened(purse, "b!drive/01FOLDER", "https://graph.microsoft.us/")
    in_turn(stub, streamed(200, {"value": []}), streamed(201, any_item()))

    storage.find("")
    put(storage, path="a b/c%.pdf")

    root = "https://graph.microsoft.us/v1.0/drives/b%21drive/items/01FOLDER"
    assert stub.requests[0].url.startswith(f"{root}/children?")
    assert stub.requests[1].url.startswith(f"{root}:/a%20b/c%25.pdf:/content?")


def test_nothing_is_sent_that_is_not_paid(stub):
    storage = opened(Purse(limit=0))

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage),
    ):
        with pytest.raises(Pause):
            ask()

    assert stub.requests == []


def test_a_document_is_put_if_its_name_is_free(storage, stub):
    in_turn(stub, streamed(201, any_item()))

    assert put(storage) == "uploaded"

    [sent] = stub.requests
    assert asked(stub) == ["PUT /root:/a.pdf:/content?@microsoft.graph.conflictBehavior=fail"]
    assert (sent.body, sent.headers["Content-Length"]) == (CONTENT, str(len(CONTENT)))


def test_a_long_document_goes_to_a_url_of_its_own_and_without_a_token(storage, stub, in_parts):
    in_turn(
        stub,
        streamed(200, {"uploadUrl": SESSION, "nextExpectedRanges": ["0-"]}),
        streamed(202, {"nextExpectedRanges": ["20-26"]}),
        streamed(201, any_item()),
    )

    assert put(storage) == "uploaded"

    begun, first, second = stub.requests
    assert asked(stub)[0] == "POST /root:/a.pdf:/createUploadSession"
    assert json.loads(begun.body) == {
        "item": {"name": "a.pdf", "@microsoft.graph.conflictBehavior": "fail"}
    }
    assert [part.headers["Content-Range"] for part in (first, second)] == [
        "bytes 0-19/27",
        "bytes 20-26/27",
    ]
    for part in (first, second):
        assert part.url == SESSION
        assert "Authorization" not in part.headers


@pytest.mark.parametrize("missing", [["20-26"], ["25-26", "20-22"], ["20-"]])
def test_goes_on_at_the_first_byte_that_is_missing(storage, stub, in_parts, missing):
    in_turn(stub, streamed(200, {"nextExpectedRanges": missing}), streamed(201, any_item()))

    assert put(storage, sha256=DOCUMENT.sha256, url=SESSION) == "uploaded"

    assert "Authorization" not in stub.requests[0].headers
    assert stub.requests[1].headers["Content-Range"] == "bytes 20-26/27"


def test_where_nothing_is_said_to_be_missing_it_is_asked_later(storage, stub, in_parts):
    in_turn(stub, streamed(200, {"nextExpectedRanges": []}))

    with pytest.raises(TransientError, match=r"^ReplyNotUnderstood: "):
        put(storage, sha256=DOCUMENT.sha256, url=SESSION)


@pytest.mark.parametrize("status", [400, 416])
def test_a_part_that_is_there_already_is_asked_about_later(storage, stub, in_parts, status):
    in_turn(stub, streamed(200, {"nextExpectedRanges": ["0-"]}), refused(status, "invalidRange"))

    with pytest.raises(TransientError, match=r"^PartRefused: "):
        put(storage, sha256=DOCUMENT.sha256, url=SESSION)


def test_an_upload_that_is_gone_had_ended_or_begins_again(storage, stub, in_parts):
    gone = refused(404, "itemNotFound")
    in_turn(stub, gone, streamed(200, any_item()))
    assert put(storage, sha256=DOCUMENT.sha256, url=SESSION) == "identical"

    in_turn(
        stub,
        refused(404, "itemNotFound"),
        refused(404, "itemNotFound"),
        streamed(200, {"uploadUrl": SESSION}),
        streamed(202, {"nextExpectedRanges": ["20-"]}),
        streamed(201, any_item()),
    )
    assert put(storage, sha256=DOCUMENT.sha256, url=SESSION) == "uploaded"


def test_the_parts_of_a_long_document_are_removed_where_something_has_its_name(
    storage, stub, in_parts
):
    in_turn(
        stub,
        streamed(200, {"nextExpectedRanges": ["20-"]}),
        refused(409, "nameAlreadyExists"),
        streamed(204),
        streamed(200, any_item(size=5)),
    )

    assert put(storage, sha256=DOCUMENT.sha256, url=SESSION) == "conflict"

    assert (stub.requests[2].method, stub.requests[2].url) == ("DELETE", SESSION)


def test_an_upload_of_another_document_is_given_up(storage, stub):
    in_turn(stub, streamed(204), streamed(201, any_item()))

    assert put(storage, sha256="of another one", url=SESSION) == "uploaded"

    assert stub.requests[0].method == "DELETE"


# --- lists


def test_all_pages_are_read(storage, stub):
    more = f"{DRIVE}/root/children?$skiptoken=more"
    in_turn(
        stub,
        streamed(200, {"value": [any_item(), a_folder()], "@odata.nextLink": more}),
        streamed(200, {"value": [any_item(name="What\N{FULLWIDTH QUESTION MARK}.pdf")]}),
    )

    assert set(storage.find("")) == {"a.pdf", "What?.pdf"}

    assert "$top=999" in stub.requests[0].url
    assert stub.requests[1].url == more


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://elsewhere.example/more",
        "http://graph.microsoft.com/more",
        "https://graph.microsoft.com.elsewhere.example/more",
        "https://graph.microsoft.com@elsewhere.example/more",
    ],
)
def test_no_token_is_taken_elsewhere(storage, stub, elsewhere):
    in_turn(stub, streamed(200, {"value": [], "@odata.nextLink": elsewhere}))

    with pytest.raises(StorageRefused, match=r"^LocationMoved: "):
        storage.find("")

    assert len(stub.requests) == 1


def test_what_is_no_file_is_in_the_way(storage, stub):
    notebook = {"id": "01X", "name": "a.pdf", "size": 5, "package": {"type": "oneNote"}}
    in_turn(stub, streamed(200, {"value": [notebook]}))

    assert storage.find("")["a.pdf"] == Found(-1, None)


# --- verifying


@pytest.mark.parametrize(
    "hashes",
    [{"sha256Hash": DOCUMENT.sha256}, {"quickXorHash": QUICKXOR}],
    ids=["of a person", "of a business"],
)
def test_compares_what_has_arrived_by_the_hash_that_is_told(storage, stub, hashes):
    in_turn(stub, streamed(201, any_item(file={"hashes": hashes})))

    assert put(storage) == "uploaded"


def test_asks_for_the_hash_where_the_reply_has_none(storage, stub):
    in_turn(stub, streamed(201, any_item(file={})), streamed(200, any_item()))

    assert put(storage) == "uploaded"


def test_reads_back_what_has_no_hash(storage, stub):
    place = {"Location": "https://contoso.sharepoint.example/download?tempauth=any"}
    in_turn(
        stub,
        streamed(201, any_item(file={})),
        streamed(200, any_item(file={})),
        streamed(302, None, place),
        streamed(200, CONTENT),
    )

    assert put(storage) == "uploaded"

    assert stub.requests[3].url == place["Location"]
    assert "Authorization" not in stub.requests[3].headers


def test_what_sharepoint_has_lengthened_has_arrived(storage, stub):
    in_turn(stub, streamed(201, any_item(len(CONTENT) + 12)))

    assert put(storage) == "uploaded"


@pytest.mark.parametrize(
    "item",
    [any_item(5), any_item(file={"hashes": {"quickXorHash": "AAAA"}})],
    ids=["shorter", "other bytes"],
)
def test_what_has_arrived_broken_is_removed(storage, stub, item):
    in_turn(stub, streamed(201, item), streamed(204))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)

    assert asked(stub)[1] == "DELETE /items/01ABC"
    assert stub.requests[1].headers["If-Match"] == '"{1},2"'


def test_somebody_elses_file_is_not_taken_for_what_has_arrived(storage, stub):
    """Its place may be another's by the time the hash is asked for: its id is not."""
    in_turn(stub, streamed(201, any_item(file={})), streamed(200, any_item(5)), streamed(412))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)

    assert asked(stub)[1].startswith("GET /items/01ABC?")
    assert stub.requests[2].headers["If-Match"] == '"{1},2"'


def test_nothing_is_removed_that_cannot_be_told_from_what_was_changed(storage, stub):
    in_turn(stub, streamed(201, any_item(5, eTag=None)))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)


def test_a_lost_reply_is_looked_into(storage, stub):
    in_turn(stub, LOST, streamed(200, any_item()))

    assert put(storage) == "identical"


def test_nobody_knows_of_a_folder_whose_reply_is_lost(storage, stub):
    in_turn(stub, LOST, refused(409, "nameAlreadyExists"), streamed(200, a_folder()))

    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder("2026-11")

    assert not storage.create_folder("2026-11")


# --- refusals


@pytest.mark.parametrize(
    ("status", "codes", "code"),
    [
        (507, ("insufficientStorage",), "StorageFull"),
        (403, ("quotaLimitReached",), "StorageFull"),
        (403, ("accessDenied",), "CredentialsRefused"),
        (403, (), "CredentialsRefused"),
        (401, ("InvalidAuthenticationToken",), "CredentialsRefused"),
        (400, ("invalidRequest", "pathIsTooLong"), "NameIllegal"),
        (400, ("invalidRequest",), "HTTP400"),
        (413, ("invalidRequest", "maxFileSizeExceeded"), "FileTooLarge"),
        (403, ("notAllowed",), "NotAllowed"),
        (404, ("itemNotFound",), "LocationMissing"),
    ],
)
def test_what_no_other_try_can_help_says_what_to_do(storage, stub, status, codes, code):
    in_turn(stub, refused(status, *codes), refused(status, *codes))

    with pytest.raises(StorageRefused, match=f"^{code}: .") as raised:
        put(storage)

    assert "2026" not in str(raised.value)
    assert "ann" not in str(raised.value).split()


@pytest.mark.parametrize(
    ("status", "codes", "code"),
    [
        (423, ("resourceLocked",), "Locked"),
        (423, ("notAllowed", "resourceLocked"), "Locked"),
        (500, ("generalException",), "HTTP500"),
        (504, (), "HTTP504"),
        (412, ("resourceModified",), "HTTP412"),
    ],
)
def test_what_passes_is_tried_again(storage, stub, status, codes, code):
    in_turn(stub, refused(status, *codes))

    with pytest.raises(TransientError, match=f"^{code}: "):
        put(storage)


@pytest.mark.parametrize(
    ("status", "codes", "code"),
    [
        (429, ("activityLimitReached",), "activityLimitReached"),
        (429, ("TooManyRequests",), "TooManyRequests"),
        (503, ("serviceNotAvailable",), "HTTP503"),
        (509, (), "HTTP509"),
        (403, ("accessDenied", "throttledRequest"), "throttledRequest"),
    ],
)
def test_too_many_requests_are_a_throttle(storage, stub, status, codes, code):
    in_turn(stub, refused(status, *codes, **{"Retry-After": "31"}))

    with pytest.raises(Throttled) as raised:
        storage.find("")

    assert (raised.value.code, raised.value.retry_after) == (code, 31)


def test_hands_on_what_is_left_of_the_quota(storage, stub, purse):
    told = {"RateLimit-Limit": "1200", "RateLimit-Remaining": "120", "RateLimit-Reset": "5"}
    in_turn(stub, streamed(200, {"value": []}, told))

    storage.find("")

    assert purse.advice == [(120, 5)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a//b", "has a part that is empty"),
        ("a/" * 200 + "b", "has more than 400 characters"),
        ("b" * 256, "has a part of more than 255 characters"),
        ("\ud800", "has a character that is none"),
    ],
)
def test_some_names_cannot_be(storage, path, reason):
    assert storage.illegal(path) == reason


def test_others_can(storage):
    assert storage.illegal('2026-11/what? *: <x> | "y" \\ \x01.') is None
