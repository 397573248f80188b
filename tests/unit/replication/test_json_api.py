"""What is sent to a provider's API, with which token, and what becomes of its replies."""

import io
import json

import pytest
import requests
import urllib3

from replication.storage import json_api
from replication.storage.hashes import Digest, digest_of
from replication.storage.interface import Pause, Throttled
from replication.storage.json_api import Answer, Api, Reply, connect, read, safe_code
from replication.storage.sending import Body
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit.replication.test_webdav import answer, answers

URL = "https://api.provider.example/2/files"


class Tokens:
    """Gives `token-1`, and the next one for each that is refused."""

    def __init__(self):
        self.number, self.refused = 1, []

    def token(self, refused=None):
        if refused is not None:
            self.refused.append(refused)
            self.number += 1
        return f"token-{self.number}"


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
def api(stub, tokens, purse):
    return Api(connect(tokens), purse, lambda _: None)


def said(status: int, document=None, headers=None):
    body = b"" if document is None else json.dumps(document).encode()
    return answer(status, body, headers)


def senders(stub):
    return [request.headers.get("Authorization") for request in stub.requests]


def test_a_document_is_sent_as_json_with_a_token_and_limits(api, stub, purse):
    answers(stub, said(200, {"name": "any"}))

    reply = api.ask("find", "POST", URL, (200,), document={"path": "/Bücher"})

    assert reply.document == {"name": "any"}
    [request] = stub.requests
    assert json.loads(request.body) == {"path": "/Bücher"}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == "Bearer token-1"
    assert stub.timeouts == [(5, 60)]
    assert purse.spent == ["find"]


def test_an_url_that_is_good_by_itself_goes_without_a_token(api, stub):
    answers(stub, said(200))

    api.ask("upload", "PUT", URL, (200,), body=b"any", with_token=False)

    assert senders(stub) == [None]


def test_nothing_is_sent_that_is_not_paid(stub, tokens):
    api = Api(connect(tokens), Purse(limit=0), lambda _: None)

    with pytest.raises(Pause):
        api.ask("find", "GET", URL, (200,))

    assert stub.requests == []


def test_a_refused_token_is_renewed_once_and_the_whole_request_sent_again(api, stub, purse):
    body = Body(BytesDocument(b"content"), 0, 7, before=b"<", after=b">")
    answers(stub, said(401), said(200))

    api.ask("upload", "POST", URL, (200,), body=body)

    assert senders(stub) == ["Bearer token-1", "Bearer token-2"]
    assert [request.body for request in stub.requests] == [b"<content>"] * 2
    assert [request.headers["Content-Length"] for request in stub.requests] == ["9"] * 2
    assert purse.spent == ["upload"] * 2


def test_a_new_token_that_is_refused_is_the_end(api, stub, tokens):
    answers(stub, said(401), said(401))

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        api.ask("find", "GET", URL, (200,))

    assert tokens.refused == ["token-1"]


def test_an_error_that_says_more_than_its_status_renews_no_token(stub, tokens, purse):
    error = StorageRefused("Scope", "add a permission")
    api = Api(connect(tokens), purse, lambda reply: error if reply.status == 401 else None)
    answers(stub, said(401, {"error": "missing_scope"}))

    with pytest.raises(StorageRefused, match=r"^Scope: "):
        api.ask("find", "GET", URL, (200,))

    assert tokens.refused == []


def test_what_a_client_makes_of_an_error_comes_first(stub, tokens, purse):
    seen: list[Answer] = []
    api = Api(connect(tokens), purse, seen.append)
    answers(stub, said(404, {"code": "trashed"}, {"X-Any": "any"}))

    with pytest.raises(StorageRefused, match=r"^LocationMissing: "):
        api.ask("find", "GET", URL, (200,))

    assert (seen[0].status, seen[0].document) == (404, {"code": "trashed"})
    assert seen[0].headers["X-Any"] == "any"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("document", [None, {"error": "busy"}])
def test_too_many_requests_are_a_throttle_in_any_form(api, stub, status, document):
    answers(stub, said(status, document, {"Retry-After": "7"}))

    with pytest.raises(Throttled) as raised:
        api.ask("find", "GET", URL, (200,))

    assert raised.value.retry_after == 7


@pytest.mark.parametrize("status", [408, 409, 412, 423, 425, 500, 502, 504])
def test_what_passes_is_tried_again(api, stub, status):
    answers(stub, said(status))

    with pytest.raises(TransientError, match=rf"^HTTP{status}: "):
        api.ask("find", "GET", URL, (200,))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "HTTP400"),
        (403, "CredentialsRefused"),
        (404, "LocationMissing"),
        (413, "FileTooLarge"),
        (507, "StorageFull"),
        (301, "LocationMoved"),
        (307, "LocationMoved"),
    ],
)
def test_what_does_not_pass_is_refused(api, stub, status, code):
    elsewhere = {"Location": "https://elsewhere.example/"}
    answers(stub, said(status, {"secret": "hush"}, elsewhere))

    with pytest.raises(StorageRefused, match=rf"^{code}: ") as raised:
        api.ask("find", "GET", URL, (200,))

    assert "hush" not in str(raised.value)
    assert len(stub.requests) == 1


def test_what_is_left_of_the_quota_is_handed_on(api, stub, purse):
    answers(stub, said(200, {}, {"RateLimit-Remaining": "12", "RateLimit-Reset": "30"}))

    api.ask("find", "GET", URL, (200,))

    assert purse.advice == [(12.0, 30.0)]


@pytest.mark.parametrize("error", [requests.ConnectionError, requests.ReadTimeout])
@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_lost_reply_leaves_a_doubt_where_something_may_have_been_done(api, stub, error, in_doubt):
    answers(stub, error())

    with pytest.raises(AmbiguousError if in_doubt else TransientError):
        api.ask("upload", "POST", URL, (200,), in_doubt=in_doubt)


def test_what_was_never_sent_leaves_no_doubt(api, stub):
    reason = urllib3.exceptions.NewConnectionError("any", "refused")
    answers(stub, requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, URL, reason)))

    with pytest.raises(TransientError):
        api.ask("upload", "POST", URL, (200,), in_doubt=True)


class Broken(io.BytesIO):
    """A body that breaks off."""

    def read(self, *_):
        raise OSError


@pytest.mark.parametrize(
    ("status", "in_doubt", "kind"),
    [(200, True, AmbiguousError), (200, False, TransientError), (500, True, TransientError)],
)
def test_a_reply_that_breaks_off_leaves_a_doubt_if_it_says_that_something_was_done(
    api, stub, status, in_doubt, kind
):
    reply = said(status)
    reply.raw = urllib3.HTTPResponse(Broken(), preload_content=False, status=status)
    answers(stub, reply)

    with pytest.raises(kind):
        api.ask("upload", "POST", URL, (200,), in_doubt=in_doubt)


def test_a_reply_has_an_end(api, stub, monkeypatch):
    monkeypatch.setattr(json_api, "_LARGEST_REPLY", 10)
    answers(stub, said(200, {"name": "longer than that"}))

    with pytest.raises(StorageRefused, match=r"^ReplyNotUnderstood: "):
        api.ask("find", "GET", URL, (200,))


@pytest.mark.parametrize("body", [b"", b"Not JSON", b"[1]", b'"text"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_has_nothing_in_it(api, stub, body):
    answers(stub, answer(200, body))

    assert api.ask("find", "GET", URL, (200,)).document == {}


class Named(Reply):
    name: str
    size: int = 0


def test_a_reply_may_have_more_than_is_asked_for():
    assert read(Named, {"name": "any", "more": 1}) == Named(name="any")


@pytest.mark.parametrize("document", [{}, {"name": 5}, {"name": "hush", "size": "large"}])
def test_a_reply_of_another_form_is_told_by_its_place_and_not_by_what_it_says(document):
    with pytest.raises(StorageRefused, match=r"^ReplyNotUnderstood: .*, at (name|size)$") as raised:
        read(Named, document)

    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "safe"),
    [("item_name_in_use", "item_name_in_use"), ("a b", "Unknown"), (5, "Unknown"), ("", "Unknown")],
)
def test_only_words_are_repeated(code, safe):
    assert safe_code(code) == safe


def test_a_connection_shows_no_token(tokens):
    assert "token-1" not in repr(connect(tokens))


def test_a_body_is_as_long_as_it_says():
    document = BytesDocument(b"0123456789")

    for body in (
        Body(document, 2, 5, before=b"before", after=b"after"),
        Body(document, 0, 0, before=b"before"),
        Body(document, 0, 10),
    ):
        sent = b"".join(body)
        assert len(sent) == len(body)
    assert digest_of("sha1", [sent]) == Digest("sha1", "87acec17cd9dcd20a716cc2cf67417b71c8a7016")
