"""Tokens of the laptop cloud, as whoever receives one checks them."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local.cloud import settings
from local.cloud.issuer import issue_token
from local.cloud.settings import CloudError, Instance, issuer_url

ENDPOINT = "http://127.0.0.1:4566"


@pytest.fixture
def instance(tmp_path, monkeypatch) -> Instance:
    """A laptop cloud that was started."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    started = Instance("any")
    started.folder.mkdir(parents=True)
    started.process_file.write_text(json.dumps({"pid": 1, "endpoint": ENDPOINT}))
    started.issuer_file.write_text(json.dumps({"private_key": any_private_key()}))
    return started


def any_private_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def claims_of(token: str, instance, **options) -> dict:
    content = json.loads(instance.issuer_file.read_text())
    key = serialization.load_pem_private_key(content["private_key"].encode(), None).public_key()
    return jwt.decode(
        token, key, ["ES256"], audience="aftercall", issuer=issuer_url(ENDPOINT), **options
    )


def test_a_token_says_who_and_which_roles_and_for_how_long(instance):
    token = issue_token(instance, "somebody", ["operator", "supervisor"], seconds=60)

    claims = claims_of(token, instance, options={"require": ["exp", "iat", "jti"]})
    assert (claims["sub"], claims["roles"]) == ("somebody", ["operator", "supervisor"])
    assert claims["exp"] - claims["iat"] == 60


def test_a_token_names_its_key_by_the_thumbprint(instance):
    names = [jwt.get_unverified_header(issue_token(instance, "any", []))["kid"] for _ in range(2)]

    assert names[0] == names[1]
    assert len(names[0]) == 43


@pytest.mark.parametrize("missing", ["issuer_file", "process_file"])
def test_says_in_plain_words_when_no_cloud_runs(missing, instance):
    getattr(instance, missing).unlink()

    with pytest.raises(CloudError, match="does not run"):
        issue_token(instance, "any", ["operator"])
