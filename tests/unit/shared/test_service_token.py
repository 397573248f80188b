"""The token of our own functions: got once, kept for a while, never told."""

import base64
import json
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
import requests
from botocore.exceptions import ClientError

from shared.errors import ServiceTokenRefused, TransientError
from tests.unit import http_stub
from tests.unit.aws_errors import fails_with
from tests.unit.template import client
from tests.unit.tokens import fresh

URL = "https://issuer.example/oauth2/token"
SETTINGS = {"TOKEN_URL": URL, "SERVICE_CLIENT_SECRET_NAME": "any-client"}


@pytest.fixture
def secrets(cloud):
    made = client("secretsmanager")
    made.create_secret(
        Name="any-client",
        SecretString=json.dumps({"client_id": "aftercall", "client_secret": "s3cret"}),
    )
    return made


@pytest.fixture
def stub(monkeypatch):
    made = http_stub.install(monkeypatch)
    made.answer = lambda _: token_reply(f"token-{len(made.requests)}")
    return made


@pytest.fixture
def tokens(monkeypatch, secrets, stub):
    with fresh(monkeypatch, "shared.service_token", **SETTINGS) as module:
        yield module


@pytest.fixture
def clock(tokens, monkeypatch):
    moment = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: moment.now))
    return moment


def token_reply(token="any-token", **changed):
    given = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
    return http_stub.reply(200, given | changed)


def test_asks_for_a_token_by_client_credentials(tokens, stub):
    assert tokens.service_token() == "token-1"

    [request] = stub.requests
    assert (request.method, request.url) == ("POST", URL)
    assert parse_qs(request.body) == {
        "grant_type": ["client_credentials"],
        "scope": ["aftercall/service"],
    }
    basic = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"aftercall:s3cret"
    assert stub.timeouts == [(3, 10)]


def test_writes_the_client_s_secret_so_that_any_character_survives(tokens, stub, secrets):
    secret = json.dumps({"client_id": "a:b", "client_secret": "päss wörd%"})
    secrets.put_secret_value(SecretId="any-client", SecretString=secret)

    tokens.service_token()

    basic = stub.requests[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"a%3Ab:p%C3%A4ss+w%C3%B6rd%25"


def test_keeps_a_token_until_a_minute_before_its_end(tokens, stub, clock):
    assert tokens.service_token() == "token-1"
    clock.now += 239
    assert tokens.service_token() == "token-1"
    clock.now += 1
    assert tokens.service_token() == "token-2"


@pytest.mark.parametrize("lifetime", [0, 60, -5, None, "300", 1.5])
def test_uses_a_token_once_that_does_not_say_how_long_it_lasts(tokens, stub, clock, lifetime):
    stub.answer = lambda _: token_reply(f"token-{len(stub.requests)}", expires_in=lifetime)

    assert [tokens.service_token(), tokens.service_token()] == ["token-1", "token-2"]


def test_forgets_a_token_that_somebody_refused(tokens, stub):
    tokens.service_token()
    tokens.forget_service_token()

    assert tokens.service_token() == "token-2"


def test_reads_the_secret_anew_so_that_it_can_be_changed(tokens, stub, secrets):
    tokens.service_token()
    secret = json.dumps({"client_id": "aftercall", "client_secret": "new"})
    secrets.put_secret_value(SecretId="any-client", SecretString=secret)
    tokens.forget_service_token()
    tokens.service_token()

    basic = stub.requests[1].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"aftercall:new"


@pytest.mark.parametrize(
    "error",
    [requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError],
)
def test_asks_for_another_try_when_the_connection_fails(tokens, stub, error):
    def fail(_):
        raise error("s3cret")

    stub.answer = fail

    with pytest.raises(TransientError, match=f"^{error.__name__}: ") as raised:
        tokens.service_token()
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_asks_for_another_try_when_the_issuer_cannot_answer(tokens, stub, status):
    stub.answer = lambda _: http_stub.reply(status, {})

    with pytest.raises(TransientError, match=f"^HTTP{status}: "):
        tokens.service_token()


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, {"error": "invalid_scope", "error_description": "Miller"}, "HTTP 400, invalid_scope"),
        (401, {"error": "invalid_client"}, "HTTP 401, invalid_client"),
        (401, {"error": "Miller"}, "HTTP 401"),
        (400, {"error": ["Miller"]}, "HTTP 400"),
        (403, "<html>Miller", "HTTP 403"),
        (302, "", "HTTP 302"),
        (404, "[" * 100_000, "HTTP 404"),
    ],
)
def test_says_in_words_of_its_own_that_the_issuer_refused(tokens, stub, status, body, text):
    stub.answer = lambda _: http_stub.reply(status, body, {"Location": "https://evil.example"})

    with pytest.raises(ServiceTokenRefused) as raised:
        tokens.service_token()

    assert str(raised.value).endswith(text)
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        {},
        {"access_token": "", "token_type": "Bearer"},
        {"access_token": 7, "token_type": "Bearer"},
        {"access_token": "any", "token_type": "mac"},
        {"access_token": "any"},
    ],
    ids=str,
)
def test_refuses_an_answer_without_a_token(tokens, stub, body):
    stub.answer = lambda _: http_stub.reply(200, body)

    with pytest.raises(ServiceTokenRefused, match="no bearer token"):
        tokens.service_token()


@pytest.mark.parametrize(
    "secret", ["", "s3cret", "[]", "{}", '{"client_id": "a"}', '{"client_id": 7}']
)
def test_says_what_the_secret_should_be_and_not_what_it_is(tokens, stub, secrets, secret):
    secrets.put_secret_value(SecretId="any-client", SecretString=secret or " ")

    with pytest.raises(ServiceTokenRefused, match="must be JSON") as raised:
        tokens.service_token()

    assert "s3cret" not in str(raised.value)
    assert stub.requests == []


def test_asks_for_another_try_when_the_secret_cannot_be_read_now(tokens, intercept):
    intercept("GetSecretValue", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match=r"^ThrottlingException: "):
        tokens.service_token()


def test_a_missing_secret_is_a_permanent_error(tokens, secrets):
    secrets.delete_secret(SecretId="any-client", ForceDeleteWithoutRecovery=True)

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        tokens.service_token()


def test_does_not_start_with_a_token_endpoint_that_others_could_read(monkeypatch):
    with (
        pytest.raises(ValueError, match=r"^TOKEN_URL is plain http"),
        fresh(monkeypatch, "shared.service_token", **SETTINGS | {"TOKEN_URL": "http://x.example"}),
    ):
        pass
