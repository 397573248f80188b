"""An issuer of tokens for development, as an API's authoriser expects one on AWS.

Below `/_aftercall/issuer` it serves its OpenID configuration, its public key, and tokens by OAuth 2
client credentials (RFC 6749, section 4.4) to the one client that the key's file names; a file that
does not exist is made with a new key. It serves this machine alone: an address that is not a
loopback address stops the start. In a container the emulator is another machine for its functions,
by a name that only the containers' own network knows: AFTERCALL_ISSUER_HOST is that name.
"""

import base64
import binascii
import contextlib
import functools
import hmac
import ipaddress
import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

from localstack.http import Request, Response
from localstack.runtime import hooks

from aftercall_emulator.settings import SettingsError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

FILE_VARIABLE = "AFTERCALL_ISSUER_FILE"
URL_VARIABLE = "AFTERCALL_ISSUER_URL"
HOST_VARIABLE = "AFTERCALL_ISSUER_HOST"

PATH = "/_aftercall/issuer"
AUDIENCE = "aftercall"
CLIENT_ID = "aftercall-service"
SCOPE = "aftercall/service"
TOKEN_SECONDS = 300
KEY_SECONDS = 300
"""How long a reader may keep the public key; it stays the same as long as its file."""


@dataclass(frozen=True)
class IssuerSettings:
    """The issuer's name, its key, and the one client that gets tokens."""

    url: str
    private_key: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)


class Refusal(Exception):
    """An error reply according to RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


@hooks.on_runtime_create()
def serve_token_issuer() -> None:
    """Serve it where both variables are set; refuse to start where they are wrong."""
    settings = read_settings(os.environ)
    if settings is not None:
        from localstack.services.edge import ROUTER

        issuer = Issuer(settings)
        ROUTER.add(
            f"{PATH}/.well-known/openid-configuration", issuer.configuration, methods=["GET"]
        )
        ROUTER.add(f"{PATH}/jwks.json", issuer.public_keys, methods=["GET"])
        ROUTER.add(f"{PATH}/token", issuer.token, methods=["POST"])


def read_settings(environment: Mapping[str, str]) -> IssuerSettings | None:
    """Read the settings; None where there are none. Errors never quote the file."""
    file, url = environment.get(FILE_VARIABLE), environment.get(URL_VARIABLE)
    if file is None and url is None:
        return None
    if not file or not url:
        raise SettingsError(f"{FILE_VARIABLE} and {URL_VARIABLE} must be set together")
    _check_url(url, environment.get(HOST_VARIABLE))
    try:
        ensure_key(Path(file))
        content = json.loads(Path(file).read_text())
        return IssuerSettings(
            url, content["private_key"], content["client_id"], content["client_secret"]
        )
    except OSError as error:
        raise SettingsError(f"{FILE_VARIABLE}={file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{FILE_VARIABLE}={file} is not an issuer's file") from error


def ensure_key(file: Path) -> None:
    """Write a new key and the client's credentials once, where only their owner can read them."""
    if file.exists():
        return
    content = {
        "private_key": _new_private_key(),
        "client_id": CLIENT_ID,
        "client_secret": secrets.token_urlsafe(32),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".issuer-")  # Its mode is 0600.
    try:
        with os.fdopen(descriptor, "w") as unfinished:
            json.dump(content, unfinished)
        with contextlib.suppress(FileExistsError):  # Another process was first: its key is the key.
            os.link(name, file)
    finally:
        Path(name).unlink()


def _new_private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def _check_url(url: str, own_name: str | None) -> None:
    parts = urlsplit(url)
    if parts.path != PATH:
        raise SettingsError(f"{URL_VARIABLE}={url} does not end in {PATH}")
    if parts.hostname != own_name and not _is_loopback(parts.hostname or ""):
        raise SettingsError(f"{URL_VARIABLE}={url} is not a loopback address: others could get in")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Issuer:
    """The issuer's three documents."""

    def __init__(self, settings: IssuerSettings) -> None:
        self._settings = settings

    def configuration(self, request: Request) -> Response:
        """What OpenID Connect Discovery asks for."""
        url = self._settings.url
        return _json(
            {
                "issuer": url,
                "jwks_uri": f"{url}/jwks.json",
                "token_endpoint": f"{url}/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
                "grant_types_supported": ["client_credentials"],
                "scopes_supported": [SCOPE],
                "response_types_supported": [],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            },
            {"Cache-Control": f"public, max-age={KEY_SECONDS}"},
        )

    def public_keys(self, request: Request) -> Response:
        """The key that verifies what this issuer signed."""
        key = self._key
        public = key.as_dict(private=False) | {
            "kid": key.thumbprint(),
            "use": "sig",
            "alg": "ES256",
        }
        return _json({"keys": [public]}, {"Cache-Control": f"public, max-age={KEY_SECONDS}"})

    def token(self, request: Request) -> Response:
        """A token for the client, or the error that RFC 6749 has for what was asked."""
        headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
        try:
            check_request(request, self._settings)
        except Refusal as refusal:
            if refusal.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="aftercall"'
            body = {"error": refusal.error, "error_description": refusal.description}
            return _json(body, headers, refusal.status)
        body = {
            "access_token": self._signed_token(),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": SCOPE,
        }
        return _json(body, headers)

    def _signed_token(self) -> str:
        from joserfc import jwt

        now = int(time.time())
        claims = {
            "iss": self._settings.url,
            "sub": self._settings.client_id,
            "aud": AUDIENCE,
            "scope": SCOPE,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_hex(16),
        }
        header = {"alg": "ES256", "typ": "JWT", "kid": self._key.thumbprint()}
        return jwt.encode(header, claims, self._key)

    @functools.cached_property
    def _key(self) -> "ECKey":
        from joserfc.jwk import ECKey

        return ECKey.import_key(self._settings.private_key)


def check_request(request: Request, settings: IssuerSettings) -> None:
    """Raise a Refusal unless the known client asks, in one of two ways, for what there is."""
    form = request.form
    if any(len(values) > 1 for _, values in form.lists()):
        raise Refusal("invalid_request", "a parameter comes twice")
    if "grant_type" not in form:
        raise Refusal("invalid_request", "grant_type is missing from the form")
    client_id, client_secret = _client_of(request)
    known = hmac.compare_digest(client_id.encode(), settings.client_id.encode())
    if (
        not hmac.compare_digest(client_secret.encode(), settings.client_secret.encode())
        or not known
    ):
        raise Refusal("invalid_client", "the client is unknown or its secret is wrong", 401)
    if form["grant_type"] != "client_credentials":
        raise Refusal("unsupported_grant_type", "only client_credentials is supported")
    if form.get("scope", SCOPE) != SCOPE:
        raise Refusal("invalid_scope", f"the only scope is {SCOPE}")


def _client_of(request: Request) -> tuple[str, str]:
    """The client's id and secret, from the Authorization header or from the form."""
    header = request.headers.get("Authorization")
    form = request.form
    if header is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise Refusal("invalid_request", "the client authenticates in two ways at once")
    scheme, _, encoded = header.partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pair = ""
    if scheme.lower() != "basic" or ":" not in pair:
        raise Refusal("invalid_client", "the Authorization header is not HTTP Basic", 401)
    client_id, _, client_secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(client_secret)


def _json(body: dict[str, Any], headers: dict[str, str], status: int = 200) -> Response:
    return Response(
        json.dumps(body), status, headers={"Content-Type": "application/json", **headers}
    )
