"""How one logs in at a WebDAV server, and what its replies mean."""

from collections.abc import Mapping

import requests
from requests.auth import HTTPBasicAuth

from replication.storage.interface import Throttled
from replication.storage.replies import retry_after
from replication.storage.sending import Bearer, new_session
from shared.errors import StorageRefused, TransientError

_REFUSALS = {
    400: ("RequestRefused", "the server answered HTTP 400; it may not take such a name"),
    401: ("CredentialsRefused", "the server knows no such user: correct the account's secret"),
    403: ("CredentialsRefused", "the user may not do this here: give them the right to, or correct"
          " the account's secret"),
    405: ("NameTaken", "a folder has the document's name, or the location takes no files: rename"
          " it, or correct the location"),
    413: ("FileTooLarge", "the server takes no file of this size: raise its limit"),
    414: ("NameIllegal", "the server takes no path of this length: give folders shorter names"),
    422: ("NameIllegal", "the server takes no such name: rename it"),
    507: ("StorageFull", "the account has no space left: free some, or raise its quota"),
}  # fmt: skip


def connect(credentials: Mapping[str, str]) -> requests.Session:
    """Connections to be reused, with `username` and `password`, or a `token`."""
    session = new_session()
    if "token" in credentials:
        session.auth = Bearer(credentials["token"])
    else:
        names = credentials["username"].encode(), credentials["password"].encode()
        session.auth = HTTPBasicAuth(*names)
    return session


def meaning(reply: requests.Response) -> Exception:
    """What a status means that was not expected."""
    status = reply.status_code
    if status in (429, 503):
        if "X-Nextcloud-Maintenance-Mode" in reply.headers:
            return TransientError("Maintenance", "the server is being maintained")
        return Throttled(f"HTTP{status}", retry_after(reply.headers))
    if status in _REFUSALS:
        return StorageRefused(*_REFUSALS[status])
    if status in (404, 409):
        return TransientError("FolderMissing", "the folder above is not there (any more)")
    if status == 423:
        return TransientError("Locked", "somebody has locked what is at this place")
    if status in (408, 425) or status >= 500:
        return TransientError(f"HTTP{status}", "the server cannot answer now")
    if 300 <= status < 400:
        return StorageRefused(
            "LocationMoved", "the server sends us elsewhere: write its new URL into the location"
        )
    return StorageRefused(f"HTTP{status}", "the server refused the request")
