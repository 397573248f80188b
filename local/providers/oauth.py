"""The token endpoints of the providers that speak OAuth 2 (RFC 6749), each in its own words.

Clients exchange a refresh token for an access token. Their id and secret come in the form or by
HTTP Basic. Nothing of this is charged to the limits of the storage.
"""

import base64
import hmac
import json
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from local.providers.messages import Refused, Request, Response
from local.providers.profiles import Profile
from local.providers.store import Account
from local.providers.tokens import Tokens, UnknownGrant, VoidGrant


@dataclass(frozen=True)
class _Error:
    status: int
    error: str
    description: str = ""


@dataclass(frozen=True)
class _Words:
    """How a provider puts it; `more` are the fields of an answer that RFC 6749 does not know."""

    path: str
    unknown_client: _Error
    wrong_secret: _Error
    unknown_grant: _Error
    void_grant: _Error
    prefix: str = ""
    token_type: str = "bearer"  # noqa: S105 - no secret
    more: dict[str, Any] = field(default_factory=dict)


def _grant(description: str) -> _Error:
    return _Error(400, "invalid_grant", description)


_BOX_CLIENT = _Error(400, "invalid_client", "The client credentials are invalid")
# Dropbox says both in one: a client that compares the code alone misses it.
_DROPBOX_CLIENT = _Error(400, "invalid_client: Invalid client_id or client_secret")
_DROPBOX_GRANT = _grant("refresh token is invalid or revoked")

_WORDS = {
    "dropbox": _Words(
        path="/oauth2/token",
        unknown_client=_DROPBOX_CLIENT,
        wrong_secret=_DROPBOX_CLIENT,
        unknown_grant=_DROPBOX_GRANT,
        void_grant=_DROPBOX_GRANT,
        prefix="sl.u.",
    ),
    "box": _Words(
        path="/oauth2/token",
        unknown_client=_BOX_CLIENT,
        wrong_secret=_BOX_CLIENT,
        unknown_grant=_grant("Invalid refresh token"),
        void_grant=_grant("Refresh token has expired"),
        more={"restricted_to": []},
    ),
    "drive": _Words(
        path="/token",
        unknown_client=_Error(401, "invalid_client", "The OAuth client was not found."),
        wrong_secret=_Error(401, "invalid_client", "Unauthorized"),
        unknown_grant=_grant("Bad Request"),
        void_grant=_grant("Token has been expired or revoked."),
        prefix="ya29.",
        token_type="Bearer",  # noqa: S106 - no secret
        more={"scope": "https://www.googleapis.com/auth/drive"},
    ),
    "graph": _Words(
        path=r"/[^/]+/oauth2/v2\.0/token",
        unknown_client=_Error(
            400,
            "unauthorized_client",
            "AADSTS700016: Application with identifier '{client}' was not found in the directory.",
        ),
        wrong_secret=_Error(
            401, "invalid_client", "AADSTS7000215: Invalid client secret provided."
        ),
        unknown_grant=_grant("AADSTS9002313: Invalid request. Request is malformed or invalid."),
        void_grant=_grant(
            "AADSTS50173: The provided grant has expired due to it being revoked,"
            " a fresh auth token is needed."
        ),
        token_type="Bearer",  # noqa: S106 - no secret
        more={"scope": "Files.ReadWrite.All", "ext_expires_in": "{seconds}"},
    ),
}
"""By the name of a profile."""


class TokenEndpoint:
    """Answers the requests for tokens to one simulator."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def serves(self, request: Request, profile: Profile) -> bool:
        """Whether this is a request for a token."""
        words = _WORDS.get(profile.name)
        if words is None or profile.rotation is None:
            return False
        return re.fullmatch(words.path, request.path) is not None

    def account(self, request: Request) -> str:
        """Whose token is asked for; raises Refused where the request is too large."""
        return self._tokens.owner(_form(request).get("refresh_token", ""))

    def answer(self, request: Request, profile: Profile, accounts: Iterable[Account]) -> Response:
        """Give tokens out; raises Refused."""
        words, form = _WORDS[profile.name], _form(request)
        client = _client(request, form, words, accounts)
        if form.get("grant_type") != "refresh_token":
            raise _refused(_Error(400, "unsupported_grant_type", "The grant type is not known"))
        if not form.get("refresh_token"):
            raise _refused(_Error(400, "invalid_request", "The refresh token is missing"))
        assert profile.rotation is not None  # noqa: S101 - `serves` has seen to it
        try:
            granted = self._tokens.exchange(
                form["refresh_token"],
                client,
                profile.rotation,
                profile.token_seconds,
                words.prefix,
            )
        except UnknownGrant:
            raise _refused(words.unknown_grant) from None
        except VoidGrant:
            raise _refused(words.void_grant) from None
        seconds = int(profile.token_seconds)
        document = {
            "access_token": granted.access_token,
            "token_type": words.token_type,
            "expires_in": seconds,
            **{name: seconds if said == "{seconds}" else said for name, said in words.more.items()},
        }
        if granted.refresh_token is not None:
            document["refresh_token"] = granted.refresh_token
        return _json(200, document)


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.command().decode("utf-8", "replace")))


def _client(
    request: Request, form: dict[str, str], words: _Words, accounts: Iterable[Account]
) -> str:
    """The client's id; raises Refused where it is unknown, or its secret is wrong."""
    client, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, given = (request.header("Authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        client, secret = _basic(given)
    secrets_known = [one.client_secret for one in accounts if client and one.client_id == client]
    if not secrets_known:
        raise _refused(words.unknown_client, client=client)
    if not any(hmac.compare_digest(one.encode(), secret.encode()) for one in secrets_known):
        raise _refused(words.wrong_secret)
    return client


def _basic(given: str) -> tuple[str, str]:
    try:
        name, _, secret = base64.b64decode(given).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def _refused(error: _Error, client: str = "") -> Refused:
    description = error.description.replace("{client}", client)
    document: dict[str, Any] = {"error": error.error}
    if description:
        document["error_description"] = description
    code = re.match(r"AADSTS(\d+)", description)
    if code is not None:
        document |= _traced(description, int(code[1]))
    response = _json(error.status, document)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="simulator"'
    return Refused(response)


def _traced(description: str, code: int) -> dict[str, Any]:
    """What Microsoft says besides, so that its support can find the request."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    tail = f" Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}"
    return {
        "error_description": description + tail,
        "error_codes": [code],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
    }


def _json(status: int, document: dict[str, Any]) -> Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(status, json.dumps(document).encode(), headers)
