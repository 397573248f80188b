"""Requests to a provider's API: JSON over HTTP, with an access token that all processes share.

A client says what the errors of its provider mean, by a function that is given an `Answer` and may
leave it to the status by answering None.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import requests
from pydantic import BaseModel, ConfigDict, ValidationError

from replication.storage.credentials import object_in
from replication.storage.folder_ids import FolderIds
from replication.storage.interface import Meter, Operation, Throttled
from replication.storage.replies import retry_after
from replication.storage.sending import Bearer, Body, Sender, new_session
from shared.errors import StorageRefused, TransientError

_LARGEST_REPLY = 32 * 1024 * 1024
_PIECE_BYTES = 64 * 1024

_REFUSALS = {
    401: ("CredentialsRefused", "the provider does not take the app's token: have the customer"
          " authorise the app again, and store the new refresh token in the account's secret"),
    403: ("CredentialsRefused", "the app may not do this here: give it the permission, or its user"
          " access to the folder"),
    404: ("LocationMissing", "the account's location is not there, or the app's user may not see"
          " it: correct it, or share the folder with them"),
    413: ("FileTooLarge", "the provider takes no file of this size"),
    507: ("StorageFull", "the account has no space left: free some, or raise its quota"),
}  # fmt: skip


class Tokens(Protocol):
    """Where access tokens come from; see tokens.py."""

    def token(self, refused: str | None = None) -> str: ...


class Reply(BaseModel):
    """What a reply must have; whatever else is in it may be."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


@dataclass(frozen=True)
class Answer:
    """A reply that has been read. `document` is empty where it was no JSON object."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    def read[Kind: Reply](self, kind: type[Kind]) -> Kind:
        return read(kind, self.document)


type Meaning = Callable[[Answer], Exception | None]


@dataclass(frozen=True)
class Connection:
    """What a process keeps of an account: connections, where its tokens come from, and the ids of
    its folders where the provider needs them.
    """

    session: requests.Session
    tokens: Tokens
    folder_ids: FolderIds = field(default_factory=FolderIds)

    def close(self) -> None:
        self.session.close()


def connect(tokens: Tokens) -> Connection:
    return Connection(new_session(), tokens)


class _Refused(Exception):
    """The token was not taken, and its age may be why."""


class Api:
    """A connection, who pays for what is sent over it, and what the provider's errors mean."""

    def __init__(self, connection: Connection, meter: Meter, meaning: Meaning) -> None:
        self._tokens = connection.tokens
        self._meaning = meaning
        send = partial(Sender, connection.session, meter)
        self._first = send(partial(self._refusal, may_renew=True))
        self._second = send(partial(self._refusal, may_renew=False))

    def ask(
        self,
        operation: Operation,
        method: str,
        url: str,
        statuses: Collection[int],
        *,
        headers: Mapping[str, str] | None = None,
        document: Any = None,
        body: bytes | Body | None = None,
        in_doubt: bool = False,
        with_token: bool = True,
    ) -> Answer:
        """Send a request, with a document in JSON or another body; its status is one of `statuses`.

        It is sent twice where the token was too old for the first time. `in_doubt`: whether nobody
        knows what is at the customer's path where the reply is lost. An URL that is good by itself
        goes without a token.
        """
        sent_headers = {"Accept": "application/json", **(headers or {})}
        if document is not None:
            body = json.dumps(document).encode()
            sent_headers["Content-Type"] = "application/json"

        def sent_by(sender: Sender, token: str | None) -> Answer:
            with sender.open(
                *(operation, method, url, statuses),
                headers=sent_headers,
                body=body,
                auth=Bearer(token),
                in_doubt=in_doubt,
            ) as reply:
                return _answer(reply)

        if not with_token:
            return sent_by(self._second, None)
        token = self._tokens.token()
        try:
            return sent_by(self._first, token)
        except _Refused:
            return sent_by(self._second, self._tokens.token(refused=token))

    def _refusal(self, reply: requests.Response, *, may_renew: bool) -> Exception:
        answer = _answer(reply)
        meant = self._meaning(answer)
        if meant is not None:
            return meant
        return _Refused() if may_renew and answer.status == 401 else by_status(answer)


def read[Kind: Reply](kind: type[Kind], document: Mapping[str, Any]) -> Kind:
    """A part of a reply; StorageRefused where it has another form than the provider documents."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StorageRefused(
            "ReplyNotUnderstood",
            f"the provider's reply is not as it is documented, at {place or 'its beginning'}",
        ) from None


def by_status(answer: Answer) -> Exception:
    """What a status means of which the provider's error says nothing more."""
    status = answer.status
    if status in (429, 503):
        return Throttled(f"HTTP{status}", retry_after(answer.headers))
    if status in _REFUSALS:
        return StorageRefused(*_REFUSALS[status])
    if status in (409, 412, 423):
        return TransientError(f"HTTP{status}", "somebody else is at the same place just now")
    if status in (408, 425) or status >= 500:
        return TransientError(f"HTTP{status}", "the provider cannot answer now")
    if 300 <= status < 400:
        return StorageRefused(
            "LocationMoved", "the provider sends us elsewhere: correct the account's endpoint"
        )
    return StorageRefused(f"HTTP{status}", "the provider refused the request")


def safe_code(code: object) -> str:
    """A provider's word for an error, as it may stand in an error of ours."""
    return code if isinstance(code, str) and re.fullmatch(r"\w{1,60}", code) else "Unknown"


def _answer(reply: requests.Response) -> Answer:
    text = bytearray()
    for piece in reply.iter_content(_PIECE_BYTES):
        text += piece
        if len(text) > _LARGEST_REPLY:
            raise StorageRefused("ReplyNotUnderstood", "the provider's reply is too long")
    return Answer(reply.status_code, reply.headers, object_in(bytes(text)))
