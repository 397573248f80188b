"""What a step needs of a customer's storage, whoever provides it.

Paths are relative to the account's location: names with `/` between them, none in front. Every
request to a provider is paid for first, by `Meter.spend`: so each one counts against the quota, and
a client knows nothing of quotas. What a request can come to:

- `Throttled`: the provider wants fewer requests. It costs no attempt; the step tells the governor;
- `TransientError` (shared): another try may succeed;
- `StorageRefused` (shared): no other try can; the message says what a person should do;
- `AmbiguousError` (shared): the reply was lost, and it may have been done. Doing it again finds
  out, and does no harm.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from replication.storage.hashes import Digest

type Operation = Literal["create_folder", "find", "upload", "verify"]
"""What a request is for; providers weigh them differently."""

OPERATIONS: tuple[Operation, ...] = get_args(Operation.__value__)


class Throttled(Exception):
    """The provider refused a request because there are too many.

    `retry_after` is how many seconds it asks to wait, `level` says whose quota it was, as
    `scopes.py` names it; None where the provider does not tell.
    """

    def __init__(
        self, code: str, retry_after: float | None = None, *, level: str | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.level = level


class Pause(Exception):
    """Not now: the step's time is up, or the quota is, or the provider wants a moment for something
    else than too many requests. What was begun goes on later.

    `not_before` is a time in seconds since 1970; None where the next step may go on at once.
    """

    def __init__(self, not_before: float | None = None) -> None:
        super().__init__("the step is to go on later")
        self.not_before = not_before


class Meter(Protocol):
    """Whoever watches over the quota and the step's time."""

    def spend(self, operation: Operation) -> None:
        """Wait until one request may be made; raises Pause where that takes too long."""

    def advise(self, remaining: float, reset_seconds: float) -> None:
        """The provider has said how many units are left until its quota is filled up again."""


class Document(Protocol):
    """A document to be uploaded. It does not change while it is read: that is a TransientError."""

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str:
        """Hexadecimal. It may have to be worked out by reading all of the document."""

    def read(self, start: int, length: int) -> AbstractContextManager[Iterator[bytes]]:
        """Stream a part of it in pieces of some size; never all at once."""


@dataclass(frozen=True)
class Found:
    """A file at the provider. `sha256` is None where the provider cannot say it; `digest` is the
    provider's own hash, if it has another one.
    """

    size: int
    sha256: str | None
    etag: str | None = None
    digest: Digest | None = None


type Upload = Literal["uploaded", "identical", "conflict"]
"""What has come of a document. It was identical where the same content was there already, from an
attempt whose reply was lost, too; a conflict where other content was there, which is left alone.
"""


class Storage(Protocol):
    """One customer's account at a provider, with credentials and a connection that is reused."""

    def illegal(self, path: str) -> str | None:
        """Why the provider takes no such path, in words that go on from the path; None if it does.

        Asks nobody."""

    def go_on(self, folders: Sequence[str], notes: dict[str, Any]) -> None:
        """Whatever is asked from now on is for an entity with these folders. Asks nobody.

        `notes` is JSON, empty at first, in which a client keeps what the entity's next step would
        have to find out once more. A client may raise a Pause to have them kept before it goes on.
        What is lost of them costs requests, and nothing else.
        """

    def create_folder(self, path: str) -> bool:
        """Make one folder; False where there is one already, if the provider tells.

        A TransientError where its parent is gone: then all begins again with the parents."""

    def find(self, folder: str) -> Mapping[str, Found]:
        """The files that lie right in a folder, by their names; none if there is no folder."""

    def upload(
        self, path: str, document: Document, *, there: Found | None, progress: dict[str, Any]
    ) -> Upload:
        """Put a document where none is, and make sure that it arrived whole.

        `there` is what `find` has seen at the path. Nothing is ever replaced but the beginning of
        the document itself, which an upload that broke off may have left. A lost reply is looked
        into at once: an AmbiguousError says that this was not possible either.

        A long upload notes in `progress`, as JSON, what it needs to go on after a Pause or in
        another process. It is empty when the upload has ended, and to be kept whatever is raised;
        if it is lost, the upload may begin again from the first byte.
        """

    def same(self, path: str, found: Found, document: Document) -> bool:
        """Whether a file is the document, by checksum; read back where the provider has none."""
