"""Asking the API: its answer is the result, and only silence is a failure."""

import pytest
import requests

from shared.errors import RedriveRefused, ServiceTokenRefused, TransientError
from tests.unit import http_stub
from tests.unit.http_stub import reply

MODULE = "communications.retry_communication"
ID = "5f0c7d2e9b6a4c1d8e3f70a1b2c3d4e5"
URL = f"https://aftercall-Api.execute-api.us-east-1.amazonaws.com/v1/communications/{ID}/retry"
TOKEN_URL = "https://issuer.example/oauth2/token"


class Api:
    """The token endpoint, and an API that gives answers in turn; the last one again and again."""

    def __init__(self, stub):
        self.stub = stub
        self.answers = [reply(202, {})]
        stub.answer = self._answer

    @property
    def asked(self):
        return [request for request in self.stub.requests if request.url.lower() == URL.lower()]

    @property
    def tokens(self):
        return [request for request in self.stub.requests if request.url == TOKEN_URL]

    def _answer(self, request):
        if request.url == TOKEN_URL:
            token = {"access_token": f"token-{len(self.tokens)}", "token_type": "Bearer"}
            return reply(200, token | {"expires_in": 300})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def api(monkeypatch):
    return Api(http_stub.install(monkeypatch))


@pytest.fixture
def run(step, api, event_of, context):
    module = step(MODULE)
    return lambda: module.handler(event_of(MODULE), context)


def problem(status, code):
    return reply(status, {"type": f"/problems/{code}", "status": status})


def test_asks_the_api_in_the_name_of_the_service(run, api, event_of):
    assert run() == {"communication_id": ID, "result": "queued"}

    [request] = api.asked
    assert request.method == "POST"
    assert request.headers["Authorization"] == "Bearer token-1"
    assert request.headers["If-Match"] == '"7"'
    assert request.body == b'{"run_id": "scheduled-53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"}'
    assert api.stub.timeouts[-1] == (3, 15)


def test_asks_for_one_token_for_many(run, api):
    run()
    run()

    assert (len(api.asked), len(api.tokens)) == (2, 1)


def test_asks_once_more_with_a_new_token_when_the_old_one_is_refused(run, api):
    api.answers = [problem(401, "unauthenticated"), reply(202, {})]

    assert run()["result"] == "queued"

    assert [one.headers["Authorization"] for one in api.asked] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_new_token_that_is_refused_too_is_an_error(run, api):
    api.answers = [problem(401, "unauthenticated")]

    with pytest.raises(RedriveRefused, match=r"401 \(unauthenticated\)"):
        run()

    assert len(api.asked) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "unknown-communication"),
        (409, "not-possible"),
        (409, "redrive-limit"),
        (412, "stale-version"),
    ],
)
def test_a_communication_that_may_not_be_redriven_is_skipped(run, api, status, code):
    api.answers = [problem(status, code)]

    assert run() == {"communication_id": ID, "result": "skipped", "error": code}


@pytest.mark.parametrize("status", [400, 403, 405, 422, 200, 301])
def test_an_api_that_refuses_us_is_an_error(run, api, status):
    api.answers = [problem(status, "forbidden")]

    with pytest.raises(RedriveRefused, match=rf"{status} \(forbidden\)"):
        run()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_api_that_cannot_answer_now_is_asked_later(run, api, status):
    api.answers = [problem(status, "temporarily-unavailable")]

    with pytest.raises(TransientError, match="temporarily-unavailable"):
        run()


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectTimeout,
        requests.ReadTimeout,
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.RetryError,
    ],
)
def test_an_api_that_cannot_be_reached_is_asked_later(run, api, error):
    api.answers = [error("any")]

    with pytest.raises(TransientError, match=error.__name__):
        run()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(502, "<html>Bad gateway</html>"), "NoProblemDetails"),
        (reply(500, ""), "NoProblemDetails"),
        (reply(500, []), "unknown"),
        (reply(500, {}), "unknown"),
        (reply(500, {"message": "Internal server error"}), "unknown"),
        (reply(500, {"type": "/problems/" + "x" * 200}), "x" * 100),
    ],
)
def test_an_answer_of_something_else_than_the_api_is_told_apart(run, api, answer, code):
    api.answers = [answer]

    with pytest.raises(TransientError) as raised:
        run()

    assert raised.value.code == code


def test_an_issuer_that_refuses_our_client_is_an_error(run, api):
    api.stub.answer = lambda _: reply(401, {"error": "invalid_client"})

    with pytest.raises(ServiceTokenRefused):
        run()

    assert api.asked == []


def test_logs_no_token(run, api, capsys):
    run()

    assert "token-1" not in capsys.readouterr().out
