"""Requests to a WebDAV server: each paid for, sent once, and what its reply means."""

import contextlib
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3.exceptions
from requests.auth import AuthBase, HTTPBasicAuth

from replication.storage.interface import Document, Meter, Operation, Throttled
from replication.storage.replies import heed, retry_after
from shared.errors import AmbiguousError, StorageRefused, TransientError

_TIMEOUTS = (5, 60)
_DRAINED_BYTES = 64 * 1024

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


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def connect(credentials: Mapping[str, str]) -> requests.Session:
    """Connections to be reused, with `username` and `password`, or a `token`.

    Cookies are taken from nobody: each request says by itself who sends it.
    """
    session = requests.Session()
    if "token" in credentials:
        session.auth = _Bearer(credentials["token"])
    else:
        names = credentials["username"].encode(), credentials["password"].encode()
        session.auth = HTTPBasicAuth(*names)
    session.headers.update({"User-Agent": "Aftercall", "Accept-Encoding": "identity"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class Body:
    """A part of a document, which is opened when the first byte is wanted.

    With a length requests writes Content-Length; without one some servers take nothing.
    """

    def __init__(self, document: Document, start: int, length: int) -> None:
        self._document, self._start, self._length = document, start, length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        with self._document.read(self._start, self._length) as pieces:
            yield from pieces


class Server:
    """A connection and who pays for what is sent over it."""

    def __init__(self, session: requests.Session, meter: Meter) -> None:
        self._session = session
        self._meter = meter

    def ask(
        self,
        operation: Operation,
        method: str,
        url: str,
        statuses: Collection[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        in_doubt: bool = True,
    ) -> tuple[int, Mapping[str, str]]:
        """Send a request whose reply's body says nothing; its status is one of `statuses`."""
        with self.open(
            operation, method, url, statuses, headers=headers, body=body, in_doubt=in_doubt
        ) as reply:
            return reply.status_code, reply.headers

    @contextmanager
    def open(
        self,
        operation: Operation,
        method: str,
        url: str,
        statuses: Collection[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        in_doubt: bool = False,
    ) -> Iterator[requests.Response]:
        """Send a request; errors say what a reply means, or that it is lost.

        `in_doubt`: whether nobody knows what is at the customer's path where the reply is lost.
        """
        self._meter.spend(operation)
        try:
            reply = self._session.request(
                method,
                url,
                headers=dict(headers or {}),
                data=body if body is None or len(body) else b"",
                timeout=_TIMEOUTS,
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _no_reply(error, in_doubt) from None
        try:
            heed(self._meter, reply.headers)
            if reply.status_code not in statuses:
                raise _meaning(reply)
            yield reply
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TransientError(type(error).__name__, "the server's reply broke off") from None
        finally:
            _let_go(reply)


def _no_reply(error: Exception, in_doubt: bool) -> Exception:
    """What it means that a request failed without a reply."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return StorageRefused(
            "CertificateRefused", "the server's certificate is not valid: have it renewed"
        )
    unsent = (
        urllib3.exceptions.ConnectTimeoutError,  # A refused connection and an unknown host, too.
        urllib3.exceptions.ProxyError,
    )
    if not in_doubt or any(isinstance(cause, unsent) for cause in causes):
        return TransientError(type(error).__name__, "the connection to the server failed")
    return AmbiguousError("ReplyLost: the connection to the server ended before its reply")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from; libraries hold them in `reason` or as an argument."""
    waiting = [error]
    while waiting:
        current = waiting.pop()
        yield current
        held = [current.__cause__, getattr(current, "reason", None), *current.args]
        waiting += [one for one in held if isinstance(one, BaseException)]


def _meaning(reply: requests.Response) -> Exception:
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


def _let_go(reply: requests.Response) -> None:
    """Leave the connection usable for the next request, unless much is left to be read."""
    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
        reply.raw.read(_DRAINED_BYTES)
    reply.close()
