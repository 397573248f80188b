"""HTTP without a network: what `requests` sends goes to a function of the test."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3


class Token:
    """An access token that is always good."""

    def token(self, refused: str | None = None) -> str:
        return "any-token"


class HttpStub:
    """Answers every request by `answer`, and keeps what was asked and how."""

    def __init__(self) -> None:
        self.requests: list[requests.PreparedRequest] = []
        self.timeouts: list[Any] = []
        self.answer: Callable[[requests.PreparedRequest], requests.Response] = lambda _: reply(404)

    def send(self, _: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        self.requests.append(request)
        self.timeouts.append(options.get("timeout"))
        response = self.answer(request)
        response.request, response.url = request, request.url or ""
        return response


def reply(
    status: int = 200, document: Any = None, headers: dict[str, str] | None = None
) -> requests.Response:
    """A response with JSON, or with the text that `document` is."""
    response = requests.Response()
    response.status_code = status
    text = document if isinstance(document, str) else json.dumps(document)
    response._content = text.encode()
    response.headers.update(headers or {})
    return response


def streamed(
    status: int = 200, document: Any = None, headers: dict[str, str] | None = None
) -> requests.Response:
    """A response whose body is still to be read: JSON, or the bytes that `document` is."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers or {})
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(b"" if document is None else body),
        preload_content=False,
        status=status,
        headers=headers,
    )
    return response


def in_turn(stub: HttpStub, *given: Any) -> list[Any]:
    """Answer with these, one after another; an exception is raised. Bodies are read as sent."""
    waiting = list(given)

    def next_one(request: requests.PreparedRequest) -> requests.Response:
        if request.body and not isinstance(request.body, bytes | str):
            request.body = b"".join(request.body)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    stub.answer = next_one
    return waiting


def install(monkeypatch: pytest.MonkeyPatch) -> HttpStub:
    stub = HttpStub()
    monkeypatch.setattr(
        requests.adapters.HTTPAdapter,
        "send",
        lambda *given, **options: stub.send(*given, **options),
    )
    return stub
