"""Tokens of the laptop cloud's own issuer, signed with a key that stays in the instance's folder.

The emulator makes the key, serves its public half, and gives tokens to a service (its plugin
`issuer`). Here a person or a test gets a token with roles, as people get one from their identity
provider on AWS.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Sequence

import jwt
from jwt.algorithms import ECAlgorithm

from local.cloud.settings import CloudError, Instance, issuer_url

ROLES = ("representative", "supervisor", "operator", "service")
AUDIENCE = "aftercall"


def service_credentials(instance: Instance) -> dict[str, str]:
    """With what our own functions ask the issuer for a token."""
    content: dict[str, str] = json.loads(instance.issuer_file.read_text())
    return {name: content[name] for name in ("client_id", "client_secret")}


def issue_token(instance: Instance, subject: str, roles: Sequence[str], seconds: int = 3600) -> str:
    """A signed token that says who somebody is and which roles they have.

    Raises CloudError when the instance was never started, and so has no key or no address.
    """
    try:
        private_key: str = json.loads(instance.issuer_file.read_text())["private_key"]
    except FileNotFoundError as error:
        raise CloudError("the laptop cloud does not run; `make up` starts it.") from error
    now = int(time.time())
    claims = {
        "iss": issuer_url(instance.functions_endpoint),
        "sub": subject,
        "aud": AUDIENCE,
        "roles": list(roles),
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_hex(16),
    }
    headers = {"kid": _thumbprint(private_key)}
    return jwt.encode(claims, private_key, algorithm="ES256", headers=headers)


def _thumbprint(private_key: str) -> str:
    """The public key's name according to RFC 7638."""
    algorithm = ECAlgorithm(ECAlgorithm.SHA256)
    public_key = ECAlgorithm.to_jwk(algorithm.prepare_key(private_key).public_key(), as_dict=True)
    members = {name: public_key[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
