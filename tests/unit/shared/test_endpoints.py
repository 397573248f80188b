"""Whom functions trust."""

import pytest

from shared.endpoints import trusted_endpoint

EMULATOR = "http://localstack:4566/any"


def test_a_host_on_a_network_of_our_own_may_speak_plain_http(monkeypatch):
    monkeypatch.setenv("PLAIN_HTTP_HOSTS", "nextcloud, localstack")

    assert trusted_endpoint("ANY", EMULATOR) == EMULATOR


@pytest.mark.parametrize("named", [None, "", "nextcloud", "stack", "http://localstack:4566"])
def test_any_other_host_may_not(named, monkeypatch):
    if named is not None:
        monkeypatch.setenv("PLAIN_HTTP_HOSTS", named)

    with pytest.raises(ValueError, match=r"^ANY is plain http"):
        trusted_endpoint("ANY", EMULATOR)


def test_an_empty_list_trusts_no_url_without_a_host(monkeypatch):
    monkeypatch.setenv("PLAIN_HTTP_HOSTS", ",")

    with pytest.raises(ValueError, match=r"^ANY must be a URL"):
        trusted_endpoint("ANY", "http:///path")
