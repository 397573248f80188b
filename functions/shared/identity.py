"""Who calls an API, from a token that any OpenID Connect provider may have issued.

The token is verified here, on every route, and not only by the gateway: emulators enforce no
authoriser, and a function must not depend on what is in front of it. Nothing here logs, and no
error's text holds a token or a claim's value.
"""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jwt
import requests

from shared.endpoints import trusted_endpoint

ISSUER = trusted_endpoint("TOKEN_ISSUER", os.environ["TOKEN_ISSUER"])
AUDIENCES = frozenset(name.strip() for name in os.environ["TOKEN_AUDIENCE"].split(",")) - {""}
JWKS_URL = trusted_endpoint("TOKEN_JWKS_URL", os.environ["TOKEN_JWKS_URL"])
ROLES_CLAIM = os.environ["TOKEN_ROLES_CLAIM"]
if not AUDIENCES:
    raise ValueError("TOKEN_AUDIENCE names nobody: list the audiences or client ids to accept")

type Role = Literal["representative", "supervisor", "operator", "service"]

ROLES: frozenset[Role] = frozenset(get_args(Role.__value__))
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
LEEWAY_SECONDS = 30
"""How far the issuer's clock and ours may be apart."""

KEYS_LIFETIME_SECONDS = 600
STALE_KEYS_LIFETIME_SECONDS = 3600
"""How long known keys serve while the issuer does not answer."""

SECONDS_BETWEEN_FETCHES = 10
"""Whatever tokens come, the issuer is not asked for its keys more often than that."""

LONGEST_SUBJECT = 255
"""As OpenID Connect has it."""

_SCOPE_PREFIX = "aftercall/"
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_LONGEST_TOKEN = 8192
_TIMEOUTS = (2, 5)
"""Seconds to connect, and to wait for an answer."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request, by the issuer's word, and what they may be."""

    subject: str
    roles: frozenset[Role]


class Unauthenticated(Exception):
    """There is no token, or none that counts. The text says why without quoting it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IdentityProviderUnavailable(Exception):
    """The issuer's keys cannot be had: the caller's token may well be good."""

    def __init__(self) -> None:
        super().__init__("the identity provider's keys cannot be read")


def authenticate(headers: Mapping[str, str]) -> Caller:
    """Verify the bearer token among a request's headers, whatever their case.

    Raises Unauthenticated, or IdentityProviderUnavailable where the token cannot be judged.
    """
    token = _bearer_token(headers)
    key = _keys.find(_key_id(token))
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
        )
    except jwt.PyJWTError as error:
        raise Unauthenticated(_reason(error)) from None
    except (OverflowError, RecursionError, TypeError, ValueError):
        raise Unauthenticated("the token is malformed") from None
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
        raise Unauthenticated("the token's subject is empty or too long")
    if not _audiences_of(claims) & AUDIENCES:
        raise Unauthenticated("the token is for another audience")
    return Caller(subject=claims["sub"], roles=_roles_of(claims))


def _bearer_token(headers: Mapping[str, str]) -> str:
    given = [value for name, value in headers.items() if name.lower() == "authorization"]
    if not given:
        raise Unauthenticated("there is no Authorization header")
    scheme, _, token = given[0].strip().partition(" ")
    token = token.strip()
    if len(given) > 1 or scheme.lower() != "bearer":
        raise Unauthenticated("the Authorization header is no single bearer token")
    if len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise Unauthenticated("the token is malformed")
    return token


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError, ValueError):
        raise Unauthenticated("the token is malformed") from None
    if header.get("alg") not in ALGORITHMS:
        raise Unauthenticated("the token is not signed by an algorithm that is accepted")
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        raise Unauthenticated("the token does not name its key")
    return key_id


_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.MissingRequiredClaimError: "the token lacks a required claim",
    jwt.InvalidSignatureError: "the token's signature is wrong",
    jwt.InvalidAlgorithmError: "the token is not signed by the algorithm of its key",
}


def _reason(error: jwt.PyJWTError) -> str:
    return _REASONS.get(type(error), "the token is malformed")


def _audiences_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """A token without `aud`, as Cognito's access tokens are, is for the client it was issued to."""
    return frozenset(_texts(claims["aud"] if "aud" in claims else claims.get("client_id")))


def _roles_of(claims: Mapping[str, Any]) -> frozenset[Role]:
    scopes = [word for text in _texts(claims.get("scope")) for word in text.split()]
    by_scope = {
        scope.removeprefix(_SCOPE_PREFIX) for scope in scopes if scope.startswith(_SCOPE_PREFIX)
    }
    named = by_scope.union(_texts(claims.get(ROLES_CLAIM)))
    return frozenset(role for role in ROLES if role in named)


def _texts(value: object) -> list[str]:
    """A claim that may be one text or a list of them."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


class _Keys:
    """The issuer's public keys, as long as they may be believed."""

    def __init__(self) -> None:
        self._by_id: dict[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._answered = False

    def find(self, key_id: str) -> jwt.PyJWK:
        if self._age() > KEYS_LIFETIME_SECONDS:
            self._refresh()
        if key_id not in self._by_id and self._may_fetch():
            self._fetch()
        if key_id not in self._by_id and not self._answered:
            raise IdentityProviderUnavailable
        if key_id not in self._by_id:
            raise Unauthenticated("the token's key is not the issuer's")
        return self._by_id[key_id]

    def _age(self) -> float:
        return time.time() - self._read_at

    def _may_fetch(self) -> bool:
        return time.time() - self._tried_at >= SECONDS_BETWEEN_FETCHES

    def _refresh(self) -> None:
        try:
            if not self._may_fetch():
                raise IdentityProviderUnavailable
            self._fetch()
        except IdentityProviderUnavailable:
            if self._age() > STALE_KEYS_LIFETIME_SECONDS:
                raise

    def _fetch(self) -> None:
        self._tried_at, self._answered = time.time(), False
        try:
            reply = requests.get(JWKS_URL, timeout=_TIMEOUTS, allow_redirects=False)
            document = reply.json() if reply.status_code == 200 else None
        except (requests.RequestException, RecursionError):
            raise IdentityProviderUnavailable from None
        keys = document.get("keys") if isinstance(document, dict) else None
        by_id = _signing_keys(keys) if isinstance(keys, list) else {}
        if not by_id:
            raise IdentityProviderUnavailable
        self._by_id, self._read_at, self._answered = by_id, self._tried_at, True


def _signing_keys(documents: list[Any]) -> dict[str, jwt.PyJWK]:
    """The usable keys by their ids; an issuer may publish others, for encryption or unknown to us.

    A key that does not say its algorithm gets the usual one of its type: RS256 if it is RSA.
    """
    found = {}
    for document in documents:
        if not isinstance(document, dict) or document.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(document)
        except jwt.PyJWTError:
            continue
        if isinstance(key.key_id, str) and key.algorithm_name in ALGORITHMS:
            found[key.key_id] = key
    return found


_keys = _Keys()
