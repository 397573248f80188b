"""Requests over `requests`: each paid for, sent once, and what it means that a reply is lost.

What a reply means is the provider's to say: whoever asks gives a function for it.
"""

import contextlib
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3.exceptions
from requests.auth import AuthBase

from replication.storage.interface import Document, Meter, Operation
from replication.storage.replies import heed
from shared.errors import AmbiguousError, StorageRefused, TransientError

TIMEOUTS = (5, 60)
_DRAINED_BYTES = 64 * 1024


def new_session() -> requests.Session:
    """Connections to be reused.

    Cookies are taken from nobody: each request says by itself who sends it.
    """
    session = requests.Session()
    session.headers.update({"User-Agent": "Aftercall", "Accept-Encoding": "identity"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class Bearer(AuthBase):
    """Says who asks by a token; by nothing at all where there is none."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Body:
    """A part of a document, which is opened when the first byte is wanted.

    With a length requests writes Content-Length; without one some servers take nothing. What has
    to stand around the part, as a form has it, is `before` and `after`.
    """

    def __init__(
        self,
        document: Document,
        start: int,
        length: int,
        *,
        before: bytes = b"",
        after: bytes = b"",
    ) -> None:
        self._document, self._start, self._length = document, start, length
        self._before, self._after = before, after

    def __len__(self) -> int:
        return len(self._before) + self._length + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        if self._before:
            yield self._before
        if self._length:
            with self._document.read(self._start, self._length) as pieces:
                yield from pieces
        if self._after:
            yield self._after


class Sender:
    """A connection, who pays for what is sent over it, and what unexpected replies mean."""

    def __init__(
        self,
        session: requests.Session,
        meter: Meter,
        meaning: Callable[[requests.Response], Exception],
    ) -> None:
        self._session = session
        self._meter = meter
        self._meaning = meaning

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
        auth: AuthBase | None = None,
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
                auth=auth,
                timeout=TIMEOUTS,
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise no_reply(error, in_doubt=in_doubt) from None
        try:
            heed(self._meter, reply.headers)
            if reply.status_code not in statuses:
                raise self._meaning(reply)
            yield reply
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if in_doubt and reply.ok:
                raise AmbiguousError("ReplyLost: the server's reply broke off") from None
            raise TransientError(type(error).__name__, "the server's reply broke off") from None
        finally:
            _let_go(reply)


def no_reply(error: Exception, *, in_doubt: bool) -> Exception:
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


def _let_go(reply: requests.Response) -> None:
    """Leave the connection usable for the next request, unless much is left to be read."""
    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
        reply.raw.read(_DRAINED_BYTES)
    reply.close()
