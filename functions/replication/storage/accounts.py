"""Opening a customer's storage: its credentials, and connections that a warm function reuses.

Credentials are read once by a process. When the provider refuses them they are read again, once a
step: somebody may have changed them meanwhile.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from replication.storage.credentials import read_secret
from replication.storage.interface import Document, Found, Meter, Storage, Upload
from replication.storage.providers import PROVIDERS, Connected
from shared.customers import StorageAccount
from shared.errors import StorageRefused

MOST_KEPT = 32
"""A process sees many customers: the connections of the one not used for longest are closed."""

_NAME_A_SECRET = (
    "CredentialsMissing",
    "name a secret with the credentials in the customer's storage account",
)


@dataclass(frozen=True)
class _Kept:
    """What is reused: the credentials and what was made with them."""

    credentials: Mapping[str, str] = field(repr=False)
    connection: Connected


_kept: OrderedDict[StorageAccount, _Kept] = OrderedDict()


class Account:
    """See `Storage`: a customer's, whose credentials are read again where they are refused."""

    def __init__(self, account: StorageAccount, meter: Meter) -> None:
        self._account = account
        self._meter = meter
        self._storage = _storage(account, meter)
        self._entity: tuple[Sequence[str], dict[str, Any]] = ((), {})
        self._may_renew = True

    def illegal(self, path: str) -> str | None:
        return self._storage.illegal(path)

    def go_on(self, folders: Sequence[str], notes: dict[str, Any]) -> None:
        self._entity = (folders, notes)
        self._storage.go_on(folders, notes)

    def create_folder(self, path: str) -> bool:
        return self._ask(lambda storage: storage.create_folder(path))

    def find(self, folder: str) -> Mapping[str, Found]:
        return self._ask(lambda storage: storage.find(folder))

    def upload(
        self, path: str, document: Document, *, there: Found | None, progress: dict[str, Any]
    ) -> Upload:
        return self._ask(
            lambda storage: storage.upload(path, document, there=there, progress=progress)
        )

    def same(self, path: str, found: Found, document: Document) -> bool:
        return self._ask(lambda storage: storage.same(path, found, document))

    def _ask[T](self, action: Callable[[Storage], T]) -> T:
        try:
            return action(self._storage)
        except StorageRefused as error:
            if error.code != "CredentialsRefused" or not self._renewed():
                raise
        return action(self._storage)

    def _renewed(self) -> bool:
        """Read the credentials again, and tell whether they are others."""
        if not self._may_renew:
            return False
        self._may_renew = False
        before = _kept.get(self._account)
        credentials = _credentials(self._account)
        if before is not None and before.credentials == credentials:
            return False
        forget(self._account)
        _keep(self._account, credentials)
        self._storage = _storage(self._account, self._meter)
        self._storage.go_on(*self._entity)
        return True


def open_storage(account: StorageAccount, meter: Meter) -> Account:
    """A customer's storage, whose requests the meter pays for; nobody is asked but for the secret.

    Raises StorageRefused where there are no credentials of the right form.
    """
    return Account(account, meter)


def forget(account: StorageAccount) -> None:
    """Close an account's connections and forget its credentials."""
    kept = _kept.pop(account, None)
    if kept is not None:
        kept.connection.close()


def _storage(account: StorageAccount, meter: Meter) -> Storage:
    if account not in _kept:
        _keep(account, _credentials(account))
    _kept.move_to_end(account)
    return PROVIDERS[account.provider].storage(account, _kept[account].connection, meter)


def _keep(account: StorageAccount, credentials: Mapping[str, str]) -> None:
    connection = PROVIDERS[account.provider].connect(account, credentials)
    _kept[account] = _Kept(credentials, connection)
    while len(_kept) > MOST_KEPT:
        forget(next(iter(_kept)))


def _credentials(account: StorageAccount) -> dict[str, str]:
    if account.secret_name is None:
        raise StorageRefused(*_NAME_A_SECRET)
    secret = read_secret(account.secret_name)
    return PROVIDERS[account.provider].credentials(account, secret)
