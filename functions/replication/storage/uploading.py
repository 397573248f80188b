"""How a document comes to be where nothing was, whatever happened to earlier attempts.

It is put only where nothing is; what is there already is compared: the document itself is left,
its beginning, which an upload that broke off has left behind, is replaced, and anything else is
somebody else's and left alone.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

from replication.storage.hashes import Digest, HashName, digest_of
from replication.storage.interface import Document, Found, Upload
from shared.errors import AmbiguousError, TransientError

type Relation = Literal["same", "beginning", "other", "gone"]
"""What a file is to a document; `gone` where there is none any more."""

EMPTY = hashlib.sha256().hexdigest()


class Client(Protocol):
    """What a provider's client does itself."""

    def look(self, path: str) -> Found | None:
        """The file at a path."""

    def sha256_of(self, path: str, found: Found) -> str | None:
        """A file's SHA-256 in hexadecimal, read back if nobody tells it; None if it is gone."""

    def read_back(self, path: str, found: Found) -> str | None:
        """A file's SHA-256 as its bytes have it, whatever is told of it; None if it is gone."""

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        """Put a document where nothing is, or in place of `replaced`, which has an ETag.

        None where something else is there. An AmbiguousError may have put it.
        """

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """Remove what a long upload has left at the provider."""


class Uploads:
    """What every client does in the same way: see `Storage`. The rest of `Client` is its own."""

    def go_on(self, folders: Sequence[str], notes: dict[str, Any]) -> None:
        """To most providers a path says all."""

    def upload(
        self: Client,
        path: str,
        document: Document,
        *,
        there: Found | None,
        progress: dict[str, Any],
    ) -> Upload:
        """An AmbiguousError only where nothing can be compared."""
        came_of_it = _attempt(self, path, document, there, progress)
        if progress:
            self.give_up(path, progress)
            progress.clear()
        return came_of_it

    def same(self: Client, path: str, found: Found, document: Document) -> bool:
        if found.size != document.size:
            return False
        return relation_of(self, path, found, document) == "same"


class KnownByDigest(Uploads):
    """A client whose provider tells a hash of each file: nothing is read back."""

    def sha256_of(self, path: str, found: Found) -> str | None:
        return found.sha256

    def read_back(self, path: str, found: Found) -> str | None:
        return found.sha256


def _attempt(
    client: Client, path: str, document: Document, there: Found | None, progress: dict[str, Any]
) -> Upload:
    found = there
    for _ in range(2):  # What stands in the way at first may be the document's beginning.
        relation = relation_of(client, path, found, document)
        if relation == "same":
            return "identical"
        replaced = found if relation == "beginning" else None
        if relation == "other" or (replaced and replaced.etag is None):
            return "conflict"
        came_of_it = _put_once(client, path, document, replaced, progress)
        if came_of_it is not None:
            return came_of_it
        found = client.look(path)
    raise TransientError("FileChanged", "what is at the document's place keeps changing")


def _put_once(
    client: Client,
    path: str,
    document: Document,
    replaced: Found | None,
    progress: dict[str, Any],
) -> Upload | None:
    """Put it; where the reply is lost, find out what has come of it."""
    try:
        return client.put(path, document, replaced, progress)
    except AmbiguousError as error:
        lost = str(error)
    try:
        relation = relation_of(client, path, client.look(path), document)
    except TransientError as error:
        raise AmbiguousError(f"{lost}; and what is there cannot be found out: {error}") from None
    if relation == "same":
        return "identical"
    if relation == "other":
        return "conflict"
    raise TransientError("UploadBrokeOff", "the connection ended before the document was whole")


def relation_of(client: Client, path: str, found: Found | None, document: Document) -> Relation:
    """What a file is to a document, by checksums."""
    if found is None:
        return "gone"
    if not 0 <= found.size <= document.size:
        return "other"
    whole = found.size == document.size
    if found.digest is not None:  # Such a provider shows nothing of an upload that broke off.
        return (
            "same"
            if whole and digest_of_document(document, found.digest.name) == found.digest
            else "other"
        )
    expected = document.sha256 if whole else sha256_of_beginning(document, found.size)
    if found.size == 0:
        theirs: str | None = EMPTY
    elif whole:
        theirs = client.sha256_of(path, found)
    else:  # What is told would be of the document that broke off.
        theirs = client.read_back(path, found)
    if theirs is None:
        return "gone"
    if theirs != expected:
        return "other"
    return "same" if whole else "beginning"


def digest_of_document(document: Document, name: HashName) -> Digest:
    """A document's hash as a provider reckons it."""
    if name == "sha256":
        return Digest(name, document.sha256)
    return digest_of_part(document, name, 0, document.size)


def digest_of_part(document: Document, name: HashName, start: int, length: int) -> Digest:
    """The hash of some of a document's bytes."""
    if not length:
        return digest_of(name, ())
    with document.read(start, length) as pieces:
        return digest_of(name, pieces)


def sha256_of_beginning(document: Document, length: int) -> str:
    """The SHA-256 of so many bytes of a document."""
    with document.read(0, length) as pieces:
        return sha256_and_size(pieces)[0]


def sha256_and_size(pieces: Iterable[bytes]) -> tuple[str, int]:
    """The SHA-256 in hexadecimal of pieces that come one after another, and their bytes."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size
