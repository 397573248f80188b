"""Whose requests count together."""

import pytest

from replication.scopes import scope_ids
from shared.customers import StorageAccount


@pytest.mark.parametrize(
    ("account", "server", "own"),
    [
        ({"provider": "s3", "location": "books/2026"}, "aws", "aws/books"),
        (
            {"provider": "s3", "location": "books", "endpoint": "https://s3.example:9000"},
            "s3.example:9000",
            "s3.example:9000/books",
        ),
        ({"provider": "webdav", "location": "https://cloud.example/dav"}, "cloud.example", "1003"),
        ({"provider": "dropbox", "location": "/Books"}, "dropbox", "1003"),
        (
            {"provider": "graph", "location": "b!x", "endpoint": "https://graph.example"},
            "graph.example",
            "1003",
        ),
    ],
)
def test_names_the_quotas_of_a_customer(account, server, own):
    ids = scope_ids("1003", StorageAccount(secret_name="any", **account))

    assert (ids["provider"], ids["server"]) == ("all", server)
    assert {ids[level] for level in ("tenant", "account", "uploads")} == {own}
