"""Tokens of the laptop cloud's own issuer, signed with a key that stays in the instance's folder.

The emulator serves the public half, and tokens for a service (its plugin `issuer`). Here a person
or a test gets a token with roles, as people get one from their identity provider on AWS.
"""

import base64
import contextlib
import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from local.cloud.settings import CloudError, Instance

ROLES = ("representative", "supervisor", "operator", "service")
AUDIENCE = "aftercall"
CLIENT_ID = "aftercall-service"
_PATH = "/_aftercall/issuer"


def ensure_key(instance: Instance) -> None:
    """Write the key and the service's credentials once, where only their owner can read them."""
    if instance.issuer_file.exists():
        return
    content = {
        "private_key": _new_private_key(),
        "client_id": CLIENT_ID,
        "client_secret": secrets.token_urlsafe(32),
    }
    instance.folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=instance.folder, prefix=".issuer-")  # Its mode is 0600.
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
        with contextlib.suppress(FileExistsError):  # Another process was first: its key is the key.
            os.link(name, instance.issuer_file)
    finally:
        Path(name).unlink()


def service_credentials(instance: Instance) -> dict[str, str]:
    """With what our own functions ask the issuer for a token."""
    content: dict[str, str] = json.loads(instance.issuer_file.read_text())
    return {name: content[name] for name in ("client_id", "client_secret")}


def issuer_url(endpoint: str) -> str:
    """The issuer's name, which is also where its documents are."""
    return f"{endpoint}{_PATH}"


def issue_token(instance: Instance, subject: str, roles: Sequence[str], seconds: int = 3600) -> str:
    """A signed token that says who somebody is and which roles they have.

    Raises CloudError when the instance was never started, and so has no key or no address.
    """
    try:
        private_key: str = json.loads(instance.issuer_file.read_text())["private_key"]
        endpoint: str = json.loads(instance.process_file.read_text())["endpoint"]
    except FileNotFoundError as error:
        raise CloudError("the laptop cloud does not run; `make up` starts it.") from error
    now = int(time.time())
    claims = {
        "iss": issuer_url(endpoint),
        "sub": subject,
        "aud": AUDIENCE,
        "roles": list(roles),
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_hex(16),
    }
    headers = {"kid": _thumbprint(private_key)}
    return jwt.encode(claims, private_key, algorithm="ES256", headers=headers)


def _new_private_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def _thumbprint(private_key: str) -> str:
    """The public key's name according to RFC 7638."""
    algorithm = ECAlgorithm(ECAlgorithm.SHA256)
    public_key = ECAlgorithm.to_jwk(algorithm.prepare_key(private_key).public_key(), as_dict=True)
    members = {name: public_key[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
