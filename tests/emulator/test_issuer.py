"""The token issuer, over HTTP, and what stops its start."""

import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from aftercall_emulator.issuer import (
    FILE_VARIABLE,
    HOST_VARIABLE,
    PATH,
    TOKEN_SECONDS,
    URL_VARIABLE,
    ensure_key,
    read_settings,
)
from aftercall_emulator.settings import SettingsError
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.emulator.running import ISSUER_CLIENT, written_issuer_file

GRANT = {"grant_type": "client_credentials"}
CLIENT_ID, CLIENT_SECRET = ISSUER_CLIENT


def configuration_of(emulator) -> dict:
    url = f"{emulator.url}{PATH}/.well-known/openid-configuration"
    return requests.get(url, timeout=10).json()


def asked_for_token(emulator, form, **arguments) -> requests.Response:
    return requests.post(f"{emulator.url}{PATH}/token", data=form, timeout=10, **arguments)


def test_tells_where_its_documents_are(emulator):
    configuration = configuration_of(emulator)

    assert configuration["issuer"] == f"{emulator.url}{PATH}"
    assert configuration["token_endpoint"] == f"{emulator.url}{PATH}/token"


def test_shows_the_public_half_of_its_key_alone(emulator):
    reply = requests.get(configuration_of(emulator)["jwks_uri"], timeout=10)

    [key] = reply.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert reply.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("way", ["header", "form"])
def test_gives_the_client_a_token_that_the_public_key_verifies(way, emulator):
    ways = {
        "header": {"form": GRANT, "auth": ISSUER_CLIENT},
        "form": {"form": GRANT | {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}},
    }

    reply = asked_for_token(emulator, **ways[way])

    body = reply.json()
    assert (reply.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 300)
    assert reply.headers["Cache-Control"] == "no-store"
    keys = KeySet.import_key_set(
        requests.get(configuration_of(emulator)["jwks_uri"], timeout=10).json()
    )
    claims = jwt.decode(body["access_token"], keys).claims
    assert claims["iss"] == f"{emulator.url}{PATH}"
    assert (claims["sub"], claims["aud"]) == (CLIENT_ID, "aftercall")
    assert claims["scope"] == "aftercall/service"
    assert "roles" not in claims
    assert claims["exp"] - claims["iat"] == TOKEN_SECONDS
    assert abs(claims["iat"] - time.time()) < 60


def test_no_two_tokens_have_the_same_id(emulator):
    tokens = [asked_for_token(emulator, GRANT, auth=ISSUER_CLIENT).json() for _ in range(2)]

    assert tokens[0]["access_token"] != tokens[1]["access_token"]


@pytest.mark.parametrize(
    ("form", "arguments", "status", "error"),
    [
        (GRANT, {}, 401, "invalid_client"),
        (GRANT, {"auth": (CLIENT_ID, "wrong")}, 401, "invalid_client"),
        (GRANT, {"auth": ("wrong", CLIENT_SECRET)}, 401, "invalid_client"),
        (GRANT, {"auth": ("ä", "ö")}, 401, "invalid_client"),
        (GRANT, {"headers": {"Authorization": "Bearer any"}}, 401, "invalid_client"),
        (GRANT, {"headers": {"Authorization": "Basic %%%"}}, 401, "invalid_client"),
        ({"grant_type": "password"}, {"auth": ISSUER_CLIENT}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, {}, 401, "invalid_client"),
        ({}, {"auth": ISSUER_CLIENT}, 400, "invalid_request"),
        ({"grant_type": ["client_credentials"] * 2}, {}, 400, "invalid_request"),
        (GRANT | {"client_secret": "any"}, {"auth": ISSUER_CLIENT}, 400, "invalid_request"),
        (GRANT | {"scope": "everything"}, {"auth": ISSUER_CLIENT}, 400, "invalid_scope"),
    ],
)
def test_refuses_as_rfc_6749_says(form, arguments, status, error, emulator):
    reply = asked_for_token(emulator, form, **arguments)

    assert (reply.status_code, reply.json()["error"]) == (status, error)
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)
    assert CLIENT_SECRET not in reply.text


def test_no_secret_is_in_the_log(emulator):
    token = asked_for_token(emulator, GRANT, auth=ISSUER_CLIENT).json()["access_token"]

    log = emulator.log.read_text()
    assert CLIENT_SECRET not in log
    assert token not in log


def test_is_not_served_without_its_variables():
    assert read_settings({}) is None


def test_does_not_show_its_secrets_when_it_is_printed(tmp_path):
    file = written_issuer_file(tmp_path)

    settings = read_settings({FILE_VARIABLE: str(file), URL_VARIABLE: f"http://[::1]:1{PATH}"})

    assert CLIENT_SECRET not in repr(settings)
    assert "PRIVATE KEY" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://192.0.2.1:4566{PATH}", "is not a loopback address"),
        (f"http://localhost.example.org{PATH}", "is not a loopback address"),
        (f"http://0.0.0.0:4566{PATH}", "is not a loopback address"),
        ("http://127.0.0.1:4566", "does not end in"),
        ("", "must be set together"),
    ],
)
def test_refuses_to_start_at_another_address(url, reason, tmp_path):
    file = written_issuer_file(tmp_path)

    with pytest.raises(SettingsError, match=reason):
        read_settings({FILE_VARIABLE: str(file), URL_VARIABLE: url})


@pytest.mark.parametrize("content", ["no JSON: secret", json.dumps({"client_id": "secret"})])
def test_refuses_to_start_with_another_file_and_does_not_quote_it(content, tmp_path):
    file = tmp_path / "issuer.json"
    file.write_text(content)

    with pytest.raises(SettingsError, match=FILE_VARIABLE) as error:
        read_settings({FILE_VARIABLE: str(file), URL_VARIABLE: f"http://127.0.0.1{PATH}"})

    assert "secret" not in str(error.value)


def test_serves_another_machine_by_the_one_name_that_it_is_told(tmp_path):
    environment = {
        FILE_VARIABLE: str(written_issuer_file(tmp_path)),
        URL_VARIABLE: f"http://localstack:4566{PATH}",
        HOST_VARIABLE: "localstack",
    }

    assert read_settings(environment).url == f"http://localstack:4566{PATH}"
    with pytest.raises(SettingsError, match="is not a loopback address"):
        read_settings(environment | {URL_VARIABLE: f"http://elsewhere:4566{PATH}"})


def test_makes_a_key_that_only_the_owner_reads_and_leaves_nothing_beside_it(tmp_path):
    file = tmp_path / "instance" / "issuer.json"

    ensure_key(file)
    first = file.read_text()
    ensure_key(file)

    assert file.read_text() == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["issuer.json"]


def test_whoever_comes_second_takes_the_key_of_the_first(tmp_path):
    file = tmp_path / "issuer.json"

    def written(_: int) -> str:
        ensure_key(file)
        return file.read_text()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(written, range(8)))) == 1
