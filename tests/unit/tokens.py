"""An issuer of tokens: real keys and signatures, a JWKS document that the test serves."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.unit import http_stub

ISSUER = "https://issuer.example/pool"
SETTINGS = {
    "TOKEN_ISSUER": ISSUER,
    "TOKEN_AUDIENCE": "aftercall-api, other-client",
    "TOKEN_JWKS_URL": "https://issuer.example/pool/jwks.json",
    "TOKEN_ROLES_CLAIM": "roles",
}
_ENV_READERS = ("shared.identity", "shared.rest", "shared.service_token")


@cache
def key_of(algorithm: str, name: str = "any") -> Any:
    """A private key for an algorithm; one of each name, because RSA keys take long to make."""
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    return ec.generate_private_key(curves[algorithm]())


class FromNow(NamedTuple):
    """A time in a claim, by its distance from the moment at which the token is made."""

    seconds: int


class Issuer:
    """Signs tokens, and answers whoever asks for its keys."""

    def __init__(self, stub: http_stub.HttpStub) -> None:
        self._stub = stub
        self._stub.answer = self._answer
        self.keys: list[Any] = []
        self.status = 200
        self.document: Any = None
        self.broken = False
        self.add_key("k1")

    @property
    def fetches(self) -> int:
        return len(self._stub.requests)

    @property
    def timeouts(self) -> list[Any]:
        return self._stub.timeouts

    def add_key(self, key_id: str, algorithm: str = "ES256", **changed: Any) -> None:
        public = key_of(algorithm, key_id).public_key()
        document = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(public))
        self.keys.append(document | {"kid": key_id, "alg": algorithm, "use": "sig"} | changed)

    def token(
        self,
        *,
        key_id: str | None = "k1",
        algorithm: str = "ES256",
        signed_by: Any = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        now = int(time.time())
        given = {
            "iss": ISSUER,
            "sub": "any-subject",
            "aud": "aftercall-api",
            "iat": now,
            "exp": now + 300,
        } | claims
        payload = {
            name: now + value.seconds if isinstance(value, FromNow) else value
            for name, value in given.items()
            if name not in without
        }
        headers = {"kid": key_id} if key_id else None
        key = key_of(algorithm, key_id or "none") if signed_by is None else signed_by
        return jwt.encode(payload, key, algorithm=algorithm, headers=headers)

    def headers(self, *roles: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(roles=list(roles), **claims)}"}

    def _answer(self, _: requests.PreparedRequest) -> requests.Response:
        if self.broken:
            raise requests.ConnectionError("refused")
        document = {"keys": self.keys} if self.document is None else self.document
        return http_stub.reply(self.status, document)


@contextmanager
def fresh(monkeypatch: pytest.MonkeyPatch, module: str, **settings: str) -> Iterator[ModuleType]:
    """Import a module of `shared` under settings of its own; nobody else gets to see it."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    kept = {name: sys.modules.pop(name, None) for name in _ENV_READERS}
    try:
        yield import_module(module)
    finally:
        for name, before in kept.items():
            sys.modules.pop(name, None)
            if before is not None:
                sys.modules[name] = before
