"""Every provider that a customer may have an account at: what its secret holds, who connects.

Whoever adds one has nothing else to do here than to add a line to the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from replication.storage import box, dropbox, json_api, s3_requests, webdav_requests
from replication.storage.box import Box
from replication.storage.drive import Drive
from replication.storage.dropbox import Dropbox
from replication.storage.graph import Graph
from replication.storage.interface import Meter, Storage
from replication.storage.s3 import S3
from replication.storage.tokens import NEEDED, AccessTokens
from replication.storage.webdav import WebDav
from shared.customers import StorageAccount
from shared.errors import StorageRefused


class Connected(Protocol):
    """What is kept of an account by a warm process."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Provider[Connection: Connected]:
    """`needed` are the names that the secret must have, in one of several forms, each a text that
    is not empty; `form` says the same to a person.
    """

    needed: tuple[frozenset[str], ...]
    form: str
    connect: Callable[[StorageAccount, Mapping[str, str]], Connection]
    storage: Callable[[StorageAccount, Connection, Meter], Storage]
    optional: frozenset[str] = frozenset()

    def credentials(self, account: StorageAccount, secret: Mapping[str, Any]) -> dict[str, str]:
        """What the provider needs of a secret. StorageRefused where that is not there."""
        for names in self.needed:
            values = {name: secret.get(name) for name in names}
            if all(isinstance(value, str) and value for value in values.values()):
                also = {name: secret[name] for name in self.optional & secret.keys()}
                return {name: str(value) for name, value in (values | also).items()}
        raise StorageRefused(
            "CredentialsInvalid",
            f"the secret of a {account.provider} account must be JSON: {self.form}",
        )


def by_oauth(
    storage: Callable[[StorageAccount, json_api.Connection, Meter], Storage],
    token_url: str,
    token_path: str,
    also_needed: frozenset[str] = frozenset(),
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Provider[json_api.Connection]:
    """A provider whose access tokens come from its token endpoint, or from the one with this path
    below the account's own endpoint. `elsewhere` has the hosts of tokens for endpoints that have
    none.
    """
    needed = NEEDED | also_needed

    def connect(account: StorageAccount, _: Mapping[str, str]) -> json_api.Connection:
        own = account.endpoint
        below = own.rstrip("/") if own else token_url
        url = elsewhere.get(below, below) + token_path
        name = str(account.secret_name)
        return json_api.connect(AccessTokens(account.provider, name, url, needed))

    form = "{" + ", ".join(f'"{name}": "…"' for name in sorted(needed)) + "}"
    return Provider((needed,), form, connect, storage)


PROVIDERS: Mapping[str, Provider[Any]] = {
    "webdav": Provider(
        needed=(frozenset({"token"}), frozenset({"username", "password"})),
        form='{"username": "…", "password": "…"} or {"token": "…"}',
        connect=lambda _, credentials: webdav_requests.connect(credentials),
        storage=lambda account, session, meter: WebDav(account.location, session, meter),
    ),
    "s3": Provider(
        needed=(frozenset({"access_key_id", "secret_access_key"}),),
        optional=frozenset({"session_token"}),
        form='{"access_key_id": "…", "secret_access_key": "…"}, with a "session_token" if need be',
        connect=lambda account, credentials: s3_requests.Connection(
            credentials, endpoint=account.endpoint, region=account.region
        ),
        storage=lambda account, connection, meter: S3(account.location, connection, meter),
    ),
    "drive": by_oauth(
        lambda account, *opened: Drive(account.location, account.endpoint, *opened),
        "https://oauth2.googleapis.com",
        "/token",
    ),
    "graph": by_oauth(
        lambda account, *opened: Graph(account.location, account.endpoint, *opened),
        "https://login.microsoftonline.com",
        "/{tenant_id}/oauth2/v2.0/token",
        frozenset({"tenant_id"}),
        {
            "https://graph.microsoft.us": "https://login.microsoftonline.us",
            "https://dod-graph.microsoft.us": "https://login.microsoftonline.us",
            "https://microsoftgraph.chinacloudapi.cn": "https://login.chinacloudapi.cn",
        },
    ),
    "dropbox": by_oauth(
        lambda account, *opened: Dropbox(account.location, account.endpoint, *opened),
        dropbox.API_URL,
        "/oauth2/token",
    ),
    "box": by_oauth(
        lambda account, *opened: Box(account.location, account.endpoint, *opened),
        box.API_URL,
        "/oauth2/token",
    ),
}
