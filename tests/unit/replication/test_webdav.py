"""What is asked of a WebDAV server, and what is made of its answers."""

import base64
import gzip
import io
import ssl
import unicodedata
from typing import Any

import pytest
import requests
import urllib3

from replication.storage import multistatus, webdav
from replication.storage.interface import Found, Pause, Throttled
from replication.storage.webdav import WebDav
from replication.storage.webdav_requests import connect
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit import http_stub

PLAIN = "https://dav.example/documents"
NEXTCLOUD = "https://cloud.example/remote.php/dav/files/ann/documents"
CONTENT = b"what the customer is to get"
DOCUMENT = BytesDocument(CONTENT)


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(webdav, "heeds_conditions", {"dav.example": True})
    return http_stub.install(monkeypatch)


@pytest.fixture
def unknown(monkeypatch, stub, storage):
    """A server of which nobody knows whether it heeds conditions."""
    monkeypatch.setattr(webdav, "heeds_conditions", {})
    return storage


@pytest.fixture
def storage(purse, stub):
    return opened(PLAIN, purse)


@pytest.fixture
def cloud(purse, stub):
    return opened(NEXTCLOUD, purse)


def opened(location: str, meter: Purse) -> WebDav:
    return WebDav(location, connect({"username": "ann", "password": "s3cret"}), meter)


def answer(
    status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None
) -> requests.Response:
    """A response whose body is still to be read."""
    made = http_stub.reply(status, headers=headers)
    made._content = False
    made.raw = urllib3.HTTPResponse(
        io.BytesIO(body), preload_content=False, status=status, headers=headers
    )
    return made


def answers(stub, *given):
    """Answer with these, one after another; an exception is raised."""
    waiting = list(given)

    def next_one(request: requests.PreparedRequest) -> requests.Response:
        if request.body and not isinstance(request.body, bytes):
            request.body = b"".join(request.body)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    stub.answer = next_one
    return waiting


def entry(href: str, size: int | None = None, *, etag: str = '"e"', more: str = "") -> str:
    """A response of a PROPFIND: of a folder, if there is no size."""
    kind = "<d:collection/>" if size is None else ""
    length = "" if size is None else f"<d:getcontentlength>{size}</d:getcontentlength>"
    return f"""<d:response><d:href>{href}</d:href><d:propstat><d:prop>
        <d:resourcetype>{kind}</d:resourcetype>{length}<d:getetag>{etag}</d:getetag>{more}
        </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
        <d:propstat><d:prop><d:quota/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status>
        </d:propstat></d:response>"""


def listed(*entries: str, before: str = "") -> requests.Response:
    names = 'xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"'
    text = f"{before}<d:multistatus {names}>{''.join(entries)}</d:multistatus>"
    return answer(207, text.encode())


def put(storage: WebDav, document: Any = DOCUMENT, there: Found | None = None) -> str:
    return storage.upload("2026-11/a b.pdf", document, there=there, progress={})


# --- requests


def test_every_request_has_limits_and_names_its_sender(storage, stub):
    answers(stub, answer(201))

    storage.create_folder("2026-11/Bücher 50%")

    [request] = stub.requests
    assert request.method == "MKCOL"
    assert request.url == f"{PLAIN}/2026-11/B%C3%BCcher%2050%25/"
    basic = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"ann:s3cret"
    assert stub.timeouts == [(5, 60)]


def test_names_and_passwords_of_any_letters_arrive(stub, purse):
    session = connect({"username": "änn", "password": "пароль"})
    answers(stub, answer(201))

    WebDav(PLAIN, session, purse).create_folder("any")

    basic = stub.requests[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic).decode() == "änn:пароль"


def test_a_token_is_sent_as_it_is(stub, purse):
    answers(stub, answer(201))

    WebDav(PLAIN, connect({"token": "any-token"}), purse).create_folder("any")

    assert stub.requests[0].headers["Authorization"] == "Bearer any-token"


def test_nothing_is_sent_that_is_not_paid(stub):
    storage = opened(PLAIN, Purse(limit=0))

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage),
    ):
        with pytest.raises(Pause):
            ask()

    assert stub.requests == []


def test_a_put_has_a_length_and_a_condition(storage, stub):
    answers(stub, answer(201), answer(200, CONTENT))

    assert put(storage) == "uploaded"

    sent = stub.requests[0]
    assert (sent.method, sent.url) == ("PUT", f"{PLAIN}/2026-11/a%20b.pdf")
    assert sent.body == CONTENT
    assert sent.headers["Content-Length"] == str(len(CONTENT))
    assert sent.headers["If-None-Match"] == "*"
    assert "If-Match" not in sent.headers
    assert "Transfer-Encoding" not in sent.headers


def asked(stub) -> list[str]:
    return [str(request.method) for request in stub.requests]


def test_a_server_that_heeds_conditions_is_tried_once(unknown, stub):
    answers(stub, answer(404), answer(201), answer(412), answer(200, CONTENT))
    assert put(unknown) == "uploaded"
    assert asked(stub) == ["PROPFIND", "PUT", "PUT", "GET"]
    assert [request.body for request in stub.requests[1:3]] == [CONTENT, CONTENT]
    stub.requests.clear()

    answers(stub, answer(201), answer(200, CONTENT))
    assert put(unknown) == "uploaded"

    assert asked(stub) == ["PUT", "GET"]


def test_a_server_that_heeds_no_conditions_is_looked_at_before(unknown, stub):
    answers(stub, answer(404), answer(201), answer(204), answer(200, CONTENT))
    assert put(unknown) == "uploaded"
    stub.requests.clear()

    seen = [listed(entry("/documents/2026-11/a%20b.pdf", 99)) for _ in range(2)]
    answers(stub, answer(404), answer(201), answer(200, CONTENT), *seen)
    assert put(unknown) == "uploaded"
    assert put(unknown) == "conflict"

    assert asked(stub) == ["PROPFIND", "PUT", "GET", "PROPFIND", "PROPFIND"]


def test_nothing_is_put_where_something_is_before_the_server_is_known(unknown, stub):
    seen = [listed(entry("/documents/2026-11/a%20b.pdf", 99)) for _ in range(2)]
    answers(stub, *seen)

    assert put(unknown) == "conflict"

    assert asked(stub) == ["PROPFIND", "PROPFIND"]


def test_a_server_stays_unknown_if_its_reply_is_lost(unknown, stub):
    answers(stub, answer(404), answer(201), requests.ReadTimeout(), answer(200, CONTENT))

    assert put(unknown) == "uploaded"

    assert webdav.heeds_conditions == {}


def test_a_long_document_is_not_sent_twice(unknown, stub, monkeypatch):
    monkeypatch.setattr(webdav, "TRIED_BYTES", 5)
    answers(stub, answer(404), answer(201), answer(200, CONTENT))

    assert put(unknown) == "uploaded"


def test_what_the_trial_has_replaced_is_removed_if_it_is_broken(unknown, stub):
    first, second = {"ETag": '"first"'}, {"ETag": '"second"'}
    answers(
        stub,
        answer(404),
        answer(201, b"", first),
        answer(204, b"", second),
        answer(200, b"broken", second),
        answer(204),
    )

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(unknown)

    assert stub.requests[-1].headers["If-Match"] == '"second"'


def test_a_beginning_is_replaced_only_while_it_is_the_same(storage, stub):
    answers(stub, answer(200, CONTENT[:5]), answer(204), answer(200, CONTENT))

    assert put(storage, there=Found(5, None, '"e5"')) == "uploaded"

    sent = stub.requests[1]
    assert sent.headers["If-Match"] == '"e5"'
    assert "If-None-Match" not in sent.headers


def test_a_beginning_without_an_etag_is_left(storage, stub):
    answers(stub, answer(200, CONTENT[:5]))

    assert put(storage, there=Found(5, None, None)) == "conflict"


def test_a_checksum_that_is_told_of_a_beginning_is_not_believed(cloud, stub):
    answers(stub, answer(200, CONTENT[:5]), answer(204, b"", {"X-Hash-SHA256": DOCUMENT.sha256}))

    assert put(cloud, there=Found(5, DOCUMENT.sha256, '"e5"')) == "uploaded"


def test_a_file_whose_size_nobody_tells_is_left(storage, stub):
    answers(stub)

    assert put(storage, there=Found(-1, None, '"e"')) == "conflict"


def test_cookies_are_taken_from_nobody(storage, stub):
    answers(stub, answer(201, b"", {"Set-Cookie": "session=1"}), answer(201))

    storage.create_folder("a")
    storage.create_folder("b")

    assert "Cookie" not in stub.requests[1].headers


def test_nobody_is_followed_elsewhere(storage, stub):
    answers(stub, answer(301, b"", {"Location": "https://elsewhere.example/"}))

    with pytest.raises(StorageRefused, match=r"^LocationMoved: "):
        storage.find("any")

    assert len(stub.requests) == 1


def test_hands_on_what_is_left_of_the_quota(storage, stub, purse):
    told = {"RateLimit-Remaining": "12", "RateLimit-Reset": "30"}
    answers(stub, answer(201, b"", told), answer(429, b"", told), answer(201))

    storage.create_folder("a")
    with pytest.raises(Throttled):
        storage.create_folder("b")
    storage.create_folder("c")

    assert purse.advice == [(12, 30), (12, 30)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "9" * 400}, None),
        (
            {
                "Retry-After": "Wed, 02 Dec 2026 00:00:30 GMT",
                "Date": "Wed, 02 Dec 2026 00:00:00 GMT",
            },
            30,
        ),
        (
            {
                "Retry-After": "Wed, 02 Dec 2026 00:00:00 GMT",
                "Date": "Wed, 02 Dec 2026 00:00:09 GMT",
            },
            0,
        ),
        ({"Retry-After": "Wed, 99 Dec 2026 00:00:00 GMT"}, None),
    ],
)
def test_understands_how_long_to_wait(storage, stub, headers, expected):
    answers(stub, answer(503, b"", headers))

    with pytest.raises(Throttled) as raised:
        storage.find("any")

    assert raised.value.retry_after == expected


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 414, 418, 422, 423, 500, 507])
def test_an_error_names_no_file(storage, stub, status):
    answers(stub, answer(status, b"2026-11/a b.pdf of ann"))

    with pytest.raises((StorageRefused, TransientError)) as raised:
        put(storage)

    assert not {"2026", "b.pdf", "ann", "s3cret", "dav.example"} & set(
        str(raised.value).replace("/", " ").split()
    )
    assert raised.value.__cause__ is None


def unsent(reason: type[Exception], raised: type[Exception]) -> Exception:
    connection = urllib3.connection.HTTPConnection("dav.example")
    return raised(urllib3.exceptions.MaxRetryError(None, "/", reason(connection, "why")))


@pytest.mark.parametrize(
    ("reason", "raised"),
    [
        (urllib3.exceptions.NewConnectionError, requests.ConnectionError),
        (urllib3.exceptions.ConnectTimeoutError, requests.ConnectTimeout),
        (urllib3.exceptions.ProxyError, requests.exceptions.ProxyError),
    ],
)
def test_a_request_that_was_never_sent_may_be_sent_again(storage, stub, reason, raised):
    answers(stub, unsent(reason, raised), unsent(reason, raised))

    with pytest.raises(TransientError, match="the connection to the server failed"):
        storage.create_folder("any")
    with pytest.raises(TransientError, match="the connection to the server failed"):
        put(storage)

    assert len(stub.requests) == 2


def reset_connection() -> Exception:
    reset = ConnectionResetError(104, "reset")
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", reset))


@pytest.mark.parametrize("lost", [reset_connection(), requests.ReadTimeout()], ids=str)
def test_a_lost_reply_leaves_a_folder_in_doubt_and_a_list_not(storage, stub, lost):
    answers(stub, lost, lost)

    with pytest.raises(AmbiguousError, match=r"^ReplyLost: "):
        storage.create_folder("any")
    with pytest.raises(TransientError):
        storage.find("any")


def test_a_certificate_that_is_not_valid_is_refused(storage, stub):
    wrong = ssl.SSLCertVerificationError("certificate has expired")
    reason = urllib3.exceptions.SSLError(wrong)
    answers(stub, requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, "/", reason)))

    with pytest.raises(StorageRefused, match=r"^CertificateRefused: "):
        storage.find("any")


def test_a_list_that_breaks_off_is_asked_for_again(storage, stub):
    broken = answer(207)

    def read(*_: Any, **__: Any) -> bytes:
        raise urllib3.exceptions.ProtocolError("broken")

    broken.raw.stream = broken.raw.read = read
    answers(stub, broken)

    with pytest.raises(TransientError):
        storage.find("any")


# --- lists of files


def names(storage: WebDav, stub, *entries: str, folder: str = "any") -> dict[str, Found]:
    answers(stub, listed(*entries))
    return dict(storage.find(folder))


@pytest.mark.parametrize("origin", ["", "https://dav.example", "http://behind-a-proxy:8080"])
def test_addresses_may_be_whole_or_paths(storage, stub, origin):
    found = names(
        storage,
        stub,
        entry(f"{origin}/documents/any/"),
        entry(f"{origin}/documents/any/a%20b%2bc%23.pdf", 7),
        entry(f"{origin}/documents/any/below/"),
    )

    assert found == {"a b+c#.pdf": Found(7, None, '"e"')}


def test_addresses_may_be_relative_to_the_request(storage, stub):
    found = names(storage, stub, entry("/documents/any/"), entry("a.pdf", 7))

    assert set(found) == {"a.pdf"}


def test_names_are_composed(storage, stub):
    apart = unicodedata.normalize("NFD", "Übersicht.pdf")
    found = names(storage, stub, entry("/documents/any"), entry(f"/documents/any/{apart}", 7))

    assert set(found) == {unicodedata.normalize("NFC", "Übersicht.pdf")}


@pytest.mark.parametrize(
    ("told", "expected"),
    [('"e"', '"e"'), ("e", '"e"'), ("&quot;e&quot;", '"e"'), ('W/"e"', None), ("", None)],
)
def test_an_etag_is_one_that_a_condition_may_name(storage, stub, told, expected):
    found = names(storage, stub, entry("/documents/any/"), entry("a", 7, etag=told))

    assert found["a"].etag == expected


def test_reads_the_checksum_that_nextcloud_keeps(storage, stub):
    sums = f"SHA1:{'0' * 40} SHA256:{DOCUMENT.sha256.upper()} MD5:{'1' * 32}"
    kept = f"<oc:checksums><oc:checksum>{sums}</oc:checksum></oc:checksums>"
    found = names(storage, stub, entry("/documents/any/"), entry("a", 7, more=kept))

    assert found["a"].sha256 == DOCUMENT.sha256


def test_a_size_that_is_not_told_is_none(storage, stub):
    odd = entry("/documents/any/a", 7).replace(">7<", ">many<")

    assert names(storage, stub, entry("/documents/any/"), odd)["a"].size == -1


def test_only_what_is_needed_is_asked_for(storage, stub):
    answers(stub, listed(entry("/documents/any/")))

    storage.find("any")

    [request] = stub.requests
    assert request.url == f"{PLAIN}/any/"
    assert request.headers["Depth"] == "1"
    assert request.body == multistatus.PROPERTIES


def test_the_location_itself_has_files(storage, stub):
    found = names(storage, stub, entry("/documents/"), entry("/documents/a", 7), folder="")

    assert set(found) == {"a"}
    assert stub.requests[0].url == f"{PLAIN}/"


@pytest.mark.parametrize(
    "given",
    [
        answer(207, b"<html>"),
        answer(207, b"<html/>"),
        answer(207, b""),
        answer(207, b"\xff\xfe"),
        answer(207, b"<?xml version='1.0' encoding='nonsense'?><a/>"),
        listed(entry("/documents/any/"), before='<!DOCTYPE d:multistatus [<!ENTITY a "b">]>'),
        listed(entry("/another/any/"), entry("/another/any/a", 7)),
    ],
)
def test_does_not_take_nonsense_for_an_empty_folder(storage, stub, given):
    answers(stub, given)

    with pytest.raises(StorageRefused, match=r"^ReplyNotUnderstood: "):
        storage.find("any")


def test_a_list_that_never_ends_is_refused(storage, stub, monkeypatch):
    monkeypatch.setattr(multistatus, "LARGEST_BYTES", 1000)
    answers(stub, listed(*[entry(f"/documents/any/{number}", 7) for number in range(100)]))

    with pytest.raises(StorageRefused, match="too many files"):
        storage.find("any")


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_that_knows_no_webdav_is_refused(storage, stub, status):
    answers(stub, answer(status))

    with pytest.raises(StorageRefused, match=r"^NoWebDav: "):
        storage.find("any")


# --- folders


def test_a_folder_that_is_there_is_one(storage, stub, purse):
    answers(stub, answer(405), listed(entry("/documents/any/")))

    assert not storage.create_folder("any")

    assert purse.spent == ["create_folder", "find"]
    assert stub.requests[1].headers["Depth"] == "0"


@pytest.mark.parametrize("first", [answer(404), listed(entry("/documents/any", 7))])
def test_a_file_in_a_folders_place_is_refused(storage, stub, first):
    answers(stub, answer(405), first, listed(entry("/documents/any", 7)))

    with pytest.raises(StorageRefused, match=r"^NameTaken: a file"):
        storage.create_folder("any")


def test_a_folder_that_is_gone_again_is_made_by_the_next_try(storage, stub):
    answers(stub, answer(405), answer(404), answer(404))

    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        storage.create_folder("any")


# --- verifying


def test_nextcloud_says_what_has_arrived(cloud, stub, purse):
    answers(stub, answer(201, b"", {"X-Hash-SHA256": DOCUMENT.sha256.upper()}))

    assert put(cloud) == "uploaded"

    assert stub.requests[0].headers["X-Hash"] == "sha256"
    assert stub.requests[0].headers["OC-Checksum"] == f"SHA256:{DOCUMENT.sha256}"
    assert purse.spent == ["upload"]


@pytest.mark.parametrize("told", [{}, {"X-Hash-SHA256": "0" * 64}])
def test_what_nextcloud_does_not_say_is_read_back(cloud, stub, told):
    answers(stub, answer(201, b"", told), answer(200, CONTENT))

    assert put(cloud) == "uploaded"


def test_a_packed_file_is_read_back_as_it_lies_there(storage, stub):
    packed = BytesDocument(gzip.compress(CONTENT))
    answers(stub, answer(201), answer(200, packed.content, {"Content-Encoding": "gzip"}))

    assert put(storage, packed) == "uploaded"


def test_what_has_arrived_broken_is_removed(storage, stub):
    etag = {"ETag": '"ours"'}
    waiting = answers(stub, answer(201, b"", etag), answer(200, b"broken", etag), answer(204))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)

    assert waiting == []
    assert stub.requests[2].method == "DELETE"
    assert stub.requests[2].headers["If-Match"] == '"ours"'


def test_what_may_be_somebody_elses_is_not_removed(storage, stub):
    answers(stub, answer(201), answer(200, b"broken"))

    with pytest.raises(TransientError, match=r"^ChecksumMismatch: "):
        put(storage)

    assert [request.method for request in stub.requests] == ["PUT", "GET"]


def test_what_somebody_has_changed_since_is_left(storage, stub):
    answers(stub, answer(201, b"", {"ETag": '"a"'}), answer(200, b"other", {"ETag": '"b"'}))

    assert put(storage) == "conflict"


def test_what_cannot_arrive_within_a_step_is_refused(storage, stub, monkeypatch):
    monkeypatch.setattr(webdav, "LARGEST_BYTES", 5)

    with pytest.raises(StorageRefused, match=r"^FileTooLarge: "):
        put(storage)

    assert stub.requests == []


def test_a_document_that_fails_while_it_is_sent_is_a_failure_of_its_own(storage, stub):
    class Failing(BytesDocument):
        def read(self, start, length):
            raise TransientError("DocumentChanged", "the document has been replaced")

    answers(stub, answer(201))

    with pytest.raises(TransientError, match=r"^DocumentChanged: "):
        put(storage, Failing(CONTENT))


def test_what_changes_all_the_time_is_tried_again_later(storage, stub):
    seen = listed(entry("/documents/2026-11/a%20b.pdf", 0))
    again = listed(entry("/documents/2026-11/a%20b.pdf", 0, etag='"f"'))
    answers(stub, answer(412), seen, answer(412), again)

    with pytest.raises(TransientError, match=r"^FileChanged: "):
        put(storage)


# --- names


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/b c/Bücher 50% #1? 日本.pdf", None),
        ("a" * 255, None),
        ("a" * 256, "more than 255 bytes"),
        ("ä" * 128, "more than 255 bytes"),
        ("a//b", "empty"),
        ("", "empty"),
        ("a/", "empty"),
        ("a/../b", "`..`"),
        (".", "`.`"),
        ("a\\b", "backslash"),
        ("a\nb", "printed"),
        ("a\x7fb", "printed"),
        ("a\ud800b", "printed"),
        (" a/b", "a space"),
        ("a/b ", "a space"),
    ],
)
def test_says_why_a_path_cannot_be(storage, stub, path, why):
    said = storage.illegal(path)

    assert said is None if why is None else why in said
    assert stub.requests == []
