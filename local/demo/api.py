"""The system's HTTP API as a client of it sees it."""

from typing import Any

import requests

from local.cloud.settings import CloudError

_SECONDS = 60


class Api:
    """Requests in somebody's name; whatever is no success is a CloudError that says why."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any], idempotency_key: str) -> Any:
        """The same key again is the same request."""
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": idempotency_key})

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PUT", path, json=body)

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            reply = self._session.request(
                method, f"{self._base_url}{path}", timeout=_SECONDS, **arguments
            )
            document = reply.json()
        except requests.RequestException as error:
            raise CloudError(f"{method} {path}: {error}") from error
        if not reply.ok:
            detail = document.get("detail", reply.text)
            raise CloudError(f"{method} {path} was answered {reply.status_code}: {detail}")
        return document
