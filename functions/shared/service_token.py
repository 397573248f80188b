"""The token with which our own functions call our own APIs: OAuth 2 client credentials.

Neither the client's secret nor a token appears in an error's text.
"""

import json
import os
import time
from dataclasses import dataclass
from urllib.parse import quote_plus

import requests

from shared.clients import secretsmanager, transient_failures
from shared.endpoints import trusted_endpoint
from shared.errors import ServiceTokenRefused, TransientError

TOKEN_URL = trusted_endpoint("TOKEN_URL", os.environ["TOKEN_URL"])
SECRET_NAME = os.environ["SERVICE_CLIENT_SECRET_NAME"]
SCOPE = "aftercall/service"
SAFETY_SECONDS = 60
"""A token is not used this close to its end: a request and its retry must still find it good."""

_TIMEOUTS = (3, 10)
_OAUTH_ERRORS = (
    *("invalid_client", "invalid_grant", "invalid_request", "invalid_scope"),
    *("unauthorized_client", "unsupported_grant_type"),
)
"""RFC 6749, 5.2: the words that may be repeated in a message."""


@dataclass(frozen=True)
class _Token:
    text: str
    use_until: float


_kept: _Token | None = None


def service_token() -> str:
    """Give a token with the role `service`: the one in hand, or a new one near its end.

    Raises TransientError where the issuer cannot answer now, ServiceTokenRefused where it will not.
    """
    global _kept
    if _kept is None or time.time() >= _kept.use_until:
        _kept = None
        _kept = _fetch()
    return _kept.text


def forget_service_token() -> None:
    """Drop the token in hand: somebody answered 401 to it."""
    global _kept
    _kept = None


def _fetch() -> _Token:
    asked_at = time.time()
    try:
        reply = requests.post(
            TOKEN_URL,
            data={"grant_type": "client_credentials", "scope": SCOPE},
            auth=_client(),
            headers={"Accept": "application/json"},
            timeout=_TIMEOUTS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise TransientError(
            type(error).__name__, "the connection to the token endpoint failed"
        ) from None
    if reply.status_code == 429 or reply.status_code >= 500:
        raise TransientError(f"HTTP{reply.status_code}", "the token endpoint cannot answer now")
    document = _object_in(reply.text)
    if reply.status_code != 200:
        raise ServiceTokenRefused(_refusal(reply.status_code, document.get("error")))
    text, lifetime = document.get("access_token"), document.get("expires_in")
    if not isinstance(text, str) or not text or not _is_bearer(document):
        raise ServiceTokenRefused("the token endpoint's answer holds no bearer token")
    seconds = lifetime if isinstance(lifetime, int) else 0
    return _Token(text, asked_at + seconds - SAFETY_SECONDS)


def _client() -> tuple[str, str]:
    """The client's id and secret, written as HTTP Basic wants them (RFC 6749, 2.3.1)."""
    with transient_failures():
        reply = secretsmanager().get_secret_value(SecretId=SECRET_NAME)
    secret = _object_in(reply.get("SecretString", ""))
    client_id, client_secret = secret.get("client_id"), secret.get("client_secret")
    if not isinstance(client_id, str) or not isinstance(client_secret, str):
        raise ServiceTokenRefused(
            'the service client\'s secret must be JSON: {"client_id": "…", "client_secret": "…"}'
        )
    return quote_plus(client_id), quote_plus(client_secret)


def _object_in(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(status: int, error: object) -> str:
    known = f", {error}" if error in _OAUTH_ERRORS else ""
    return f"the token endpoint refused our client: HTTP {status}{known}"


def _is_bearer(document: dict[str, object]) -> bool:
    return str(document.get("token_type")).lower() == "bearer"
