"""Where Microsoft Graph sends a client for content: an address that is good without a token."""

import hashlib
import hmac
import json
import secrets
import time

from local.providers.dav import file_response
from local.providers.graph_errors import invalid, not_found, refused
from local.providers.graph_items import Items
from local.providers.ids import from_url_safe, url_safe
from local.providers.messages import Request, Response
from local.providers.store import Account, Entry

PATH = "/_layouts/15/download.aspx"
_SECONDS = 3600


class Downloads:
    """Addresses of one store's files, which are known again after a kill."""

    def __init__(self, items: Items) -> None:
        self._items, self._store = items, items.store
        if self._store.setting("download key") is None:
            self._store.set("download key", secrets.token_hex(16))

    def url(self, request: Request, account: Account, entry: Entry) -> str:
        grant = packed(json.dumps([account.name, entry.id, time.time() + _SECONDS]))
        query = f"UniqueId={self._items.id_of(account, entry.id)}&tempauth={grant}."
        return f"{request.base}{PATH}?{query}{self._seal(grant)}"

    def _seal(self, grant: str) -> str:
        key: str = self._store.setting("download key")
        return hmac.new(key.encode(), grant.encode(), hashlib.sha256).hexdigest()

    def granted(self, request: Request) -> tuple[str, int] | None:
        """Whose file may be fetched, and its number; None where the address is good no longer."""
        grant, _, seal = request.query.get("tempauth", "").partition(".")
        if not hmac.compare_digest(self._seal(grant), seal):
            return None
        account, number, expires = json.loads(unpacked(grant))
        return (account, number) if time.time() < expires else None

    def answer(self, request: Request) -> Response:
        """The file, or the part of it that is asked for; raises Refused."""
        granted = self.granted(request)
        if granted is None:
            raise refused(401, "unauthenticated", "The address is not valid, or no longer.")
        entry = self._store.entry_of(*granted)
        opened = self._store.opened(granted[0], entry.path) if entry else None
        if opened is None:
            raise not_found()
        return file_response(request, *opened, error=lambda _, text: invalid(text))


def packed(text: str) -> str:
    """Text as it may stand in an address."""
    return url_safe(text.encode())


def unpacked(text: str) -> str:
    try:
        return from_url_safe(text).decode()
    except ValueError:
        raise invalid("The token is not one that was given out.") from None
