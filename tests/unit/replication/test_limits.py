"""The documented limits, and those that somebody sets in their place."""

from typing import get_args

import pytest

from replication.rules.limits import LEVELS, documented, limits_of
from replication.scopes import scope_ids
from shared.customers import StorageAccount

OWN = '{"webdav": [{"scope": "server", "rate": 5, "burst": 4, "published": true}]}'


def test_says_of_each_limit_where_it_comes_from():
    assert all(limit.source.endswith(".") for own in documented().values() for limit in own)


LOCATIONS = {
    "s3": "accounts/books",
    "webdav": "https://cloud.example.com/dav",
    "dropbox": "/Books",
    "drive": "root",
    "graph": "b!drive/01ABC",
    "box": "0",
}


def test_all_providers_that_a_customer_may_have_are_documented():
    assert documented().keys() == LOCATIONS.keys()
    assert set(get_args(StorageAccount.model_fields["provider"].annotation)) == LOCATIONS.keys()


@pytest.mark.parametrize("provider", LOCATIONS)
def test_there_is_a_limit_for_each_provider_and_its_scopes_have_ids(provider):
    account = StorageAccount(provider=provider, location=LOCATIONS[provider])

    limits = limits_of(provider)

    assert limits
    assert {limit.scope for limit in limits} <= scope_ids("1003", account).keys()


def test_reading_from_s3_costs_less_than_writing():
    [limit] = limits_of("s3")

    assert (limit.scope, limit.published) == ("account", True)
    assert limit.cost("find") == pytest.approx(3500 / 5500, abs=0.01)
    assert limit.cost("upload") == limit.cost("create_folder") == 1


def test_what_is_guessed_is_not_called_published():
    assert [limit.published for limit in limits_of("webdav")] == [False]


def test_limits_that_are_set_replace_the_documented_one_of_that_scope():
    [limit] = limits_of("webdav", OWN)

    assert (limit.rate, limit.burst, limit.published) == (5, 4, True)
    assert limits_of("s3", OWN) == limits_of("s3")


def test_a_further_scope_may_be_limited_too():
    further = OWN.replace('"server"', '"account"')

    assert [limit.scope for limit in limits_of("webdav", further)] == ["server", "account"]


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_nothing_need_be_set(text):
    assert limits_of("webdav", text) == limits_of("webdav")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "Invalid JSON"),
        ("[]", "should be an object"),
        (
            OWN.replace("webdav", "gopher"),
            "'gopher' is none of the providers box, drive, dropbox, graph, s3, webdav",
        ),
        (OWN.replace("burst", "brust"), r"webdav\.0\.b"),
        (OWN.replace('"rate": 5', '"rate": 0'), r"webdav\.0\.rate: .*greater than 0"),
        (OWN.replace('"rate": 5', '"rate": "NaN"'), r"webdav\.0\.rate"),
        (OWN.replace('"burst": 4', '"burst": 0'), r"webdav\.0\.burst"),
        (OWN.replace('"published": true', '"costs": {"upload": -1}'), r"webdav\.0"),
        (OWN.replace('"published": true', '"published": true, "costs": {"move": 2}'), "costs"),
        (OWN.replace('"server"', '"uploads"'), f"'uploads', only {', '.join(sorted(LEVELS))}"),
    ],
)
def test_text_that_makes_no_sense_is_refused_whichever_provider_is_asked_for(text, message):
    with pytest.raises(ValueError, match=message) as raised:
        limits_of("s3", text)

    assert str(raised.value).startswith("ProviderLimits: ")


def test_one_scope_is_not_limited_twice():
    one = '{"scope": "server", "rate": 5, "burst": 4, "published": true}'

    with pytest.raises(ValueError, match="two limits of one scope"):
        limits_of("webdav", f'{{"webdav": [{one}, {one}]}}')


def test_nobody_knows_the_limits_of_a_provider_that_is_not_there():
    with pytest.raises(ValueError, match="gopher"):
        limits_of("gopher")
