"""HTTP without a network: what `requests` sends goes to a function of the test."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests


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


def install(monkeypatch: pytest.MonkeyPatch) -> HttpStub:
    stub = HttpStub()
    monkeypatch.setattr(
        requests.adapters.HTTPAdapter,
        "send",
        lambda *given, **options: stub.send(*given, **options),
    )
    return stub
