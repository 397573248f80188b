"""Documents that customers are to get: objects in a bucket of our own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from botocore.exceptions import ClientError

from replication.checksums import sha256_told
from replication.storage.uploading import sha256_and_size
from shared.clients import error_code, s3, transient_failures
from shared.errors import TransientError

PIECE_BYTES = 1024 * 1024
_GONE = {"NoSuchKey", "404"}
_CHANGED = {"PreconditionFailed", "412", "InvalidRange"}


class StoredDocument:
    """See `Document` in storage/interface.py. It is one version of an object: if another comes in
    its place while it is read, that is a TransientError, after which it is to be opened again.
    """

    def __init__(self, bucket: str, key: str) -> None:
        """Raises TransientError where there is no such object (any more)."""
        self._bucket = bucket
        self._key = key
        with _failures():
            head = s3().head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        self._size = head["ContentLength"]
        self._etag = head["ETag"]
        self._sha256 = sha256_told(head)

    @property
    def size(self) -> int:
        return self._size

    @property
    def sha256(self) -> str:
        """S3's own checksum, or what is noted in the metadata; without either it is read once."""
        if self._sha256 is None:
            with self.read(0, self._size) as pieces:
                self._sha256, _ = sha256_and_size(pieces)
        return self._sha256

    @contextmanager
    def read(self, start: int, length: int) -> Iterator[Iterator[bytes]]:
        """Stream `length` bytes from `start` on, in pieces of up to PIECE_BYTES."""
        if length == 0:
            yield iter(())
            return
        with _failures():
            reply = s3().get_object(
                Bucket=self._bucket,
                Key=self._key,
                IfMatch=self._etag,
                Range=f"bytes={start}-{start + length - 1}",
            )
        with closing(reply["Body"]) as body:
            yield _pieces(body, length)


def _pieces(body: Any, length: int) -> Iterator[bytes]:
    with _failures():
        for piece in body.iter_chunks(PIECE_BYTES):
            length -= len(piece)
            yield piece
    if length:
        raise TransientError("DocumentChanged", "the document is shorter than it was")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        with transient_failures():
            yield
    except ClientError as error:
        if error_code(error) in _GONE:
            raise TransientError("DocumentMissing", "the document has been removed") from None
        if error_code(error) in _CHANGED:
            raise TransientError("DocumentChanged", "the document has been replaced") from None
        raise
