"""Tokens of the laptop cloud, as whoever receives one checks them."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.cloud.issuer import ensure_key, issue_token, issuer_url
from local.cloud.settings import CloudError

ENDPOINT = "http://127.0.0.1:4566"


@pytest.fixture
def instance(tmp_path) -> SimpleNamespace:
    """A laptop cloud that was started."""
    started = SimpleNamespace(
        folder=tmp_path,
        issuer_file=tmp_path / "issuer.json",
        process_file=tmp_path / "emulator.json",
    )
    started.process_file.write_text(json.dumps({"pid": 1, "endpoint": ENDPOINT}))
    ensure_key(started)
    return started


def claims_of(token: str, instance, **options) -> dict:
    content = json.loads(instance.issuer_file.read_text())
    key = load_pem_private_key(content["private_key"].encode(), None).public_key()
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


def test_only_the_owner_reads_the_key(instance):
    assert stat.S_IMODE(instance.issuer_file.stat().st_mode) == 0o600


def test_a_key_stays_the_same_and_leaves_nothing_beside_it(instance):
    first = instance.issuer_file.read_text()

    ensure_key(instance)

    assert instance.issuer_file.read_text() == first
    assert {path.name for path in instance.folder.iterdir()} == {"issuer.json", "emulator.json"}


def test_whoever_comes_second_takes_the_key_of_the_first(instance):
    instance.issuer_file.unlink()

    def written(_: int) -> str:
        ensure_key(instance)
        return instance.issuer_file.read_text()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(written, range(8)))) == 1


@pytest.mark.parametrize("missing", ["issuer_file", "process_file"])
def test_says_in_plain_words_when_no_cloud_runs(missing, instance):
    getattr(instance, missing).unlink()

    with pytest.raises(CloudError, match="does not run"):
        issue_token(instance, "any", ["operator"])
