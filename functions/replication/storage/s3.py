"""A customer's bucket at S3, or at what speaks S3, with the customer's own keys.

S3 has no folders: an empty object whose key ends with `/` stands for one, as in its own console.
The server checks the SHA-256 of what arrives; it is kept beside each object for later comparison.
"""

import base64
import hashlib
import io
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from replication.checksums import NOTE, in_hexadecimal, sha256_told
from replication.storage import uploading
from replication.storage.interface import Document, Found, Meter, Operation, Upload
from replication.storage.s3_requests import (
    BUCKET_MISSING,
    Connection,
    NotThere,
    PreconditionFailed,
    heed_reply,
)
from shared.errors import StorageRefused, TransientError

PART_BYTES = 16 * 1024 * 1024
"""Longer documents go in parts of this size, which are in memory one at a time."""

MOST_PARTS = 10_000
LARGEST_BYTES = 5 * 1024**4
LONGEST_KEY_BYTES = 1024
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class _Part:
    number: int
    size: int
    etag: str
    sha256: str | None
    """In base64; None where the server has not told it."""


class S3(uploading.Uploads):
    """See `Storage`. `location` is `<bucket>` or `<bucket>/<prefix>`."""

    def __init__(self, location: str, connection: Connection, meter: Meter) -> None:
        self._bucket, _, prefix = location.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._connection = connection
        self._client = connection.client
        self._meter = meter

    def illegal(self, path: str) -> str | None:
        if any(name in ("", ".", "..") for name in path.split("/")):
            return "has a part that is empty, `.` or `..`"
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
            return "has a character that cannot be printed"
        left = LONGEST_KEY_BYTES - len(self._prefix.encode()) - 1  # The `/` of a folder.
        if len(path.encode()) > left:
            return f"has more than {left} bytes, which is what the account's location leaves"
        return None

    def create_folder(self, path: str) -> bool:
        try:
            with self._asking("create_folder", in_doubt=True):
                reply = self._client.put_object(
                    Bucket=self._bucket, Key=f"{self._key(path)}/", Body=b"", IfNoneMatch="*"
                )
        except PreconditionFailed:
            return False
        except NotThere:
            raise StorageRefused(*BUCKET_MISSING) from None
        heed_reply(self._meter, reply)
        return True

    def find(self, folder: str) -> Mapping[str, Found]:
        prefix = f"{self._key(folder)}/" if folder else self._prefix
        try:
            return dict(self._objects_below(prefix))
        except NotThere:
            raise StorageRefused(*BUCKET_MISSING) from None

    def _objects_below(self, prefix: str) -> Iterator[tuple[str, Found]]:
        more: dict[str, Any] = {}
        while True:
            with self._asking("find"):
                reply = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, Delimiter="/", **more
                )
            heed_reply(self._meter, reply)
            for entry in reply.get("Contents", []):
                if name := entry["Key"].removeprefix(prefix):
                    yield name, Found(entry["Size"], None, entry.get("ETag"))
            if not reply.get("NextContinuationToken"):
                return
            more = {"ContinuationToken": reply["NextContinuationToken"]}

    # --- what `uploading` needs

    def look(self, path: str) -> Found | None:
        """The object at a path."""
        try:
            with self._asking("find"):
                reply = self._client.head_object(
                    Bucket=self._bucket, Key=self._key(path), ChecksumMode="ENABLED"
                )
        except NotThere:
            return None
        heed_reply(self._meter, reply)
        return Found(reply["ContentLength"], sha256_told(reply), reply.get("ETag"))

    def sha256_of(self, path: str, found: Found) -> str | None:
        """What is kept beside the object, or else worked out by reading it back."""
        if found.sha256 is None:
            now = self.look(path)
            if now is None:
                return None
            if found.etag not in (None, now.etag):
                raise TransientError("FileChanged", "the file changes while it is compared")
            found = now
        return found.sha256 or self.read_back(path, found)

    def read_back(self, path: str, found: Found) -> str | None:
        try:
            return self._read_back(path, found.etag)
        except PreconditionFailed:
            raise TransientError("FileChanged", "the file changes while it is compared") from None

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        """Send a document; the server compares what arrives with its checksums."""
        if document.size > LARGEST_BYTES:
            raise StorageRefused("FileTooLarge", "S3 takes no object of more than 5 TiB")
        condition = {"IfMatch": str(replaced.etag)} if replaced else {"IfNoneMatch": "*"}
        if progress.get(NOTE) != document.sha256:
            self.give_up(path, progress)
            progress.clear()
        try:
            if document.size > PART_BYTES:
                return self._put_in_parts(path, document, condition, progress)
            return self._put_whole(path, document, condition)
        except (PreconditionFailed, NotThere):  # The latter where what is replaced is gone.
            return None

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """Remove the parts of an upload: they cost money and are seen nowhere."""
        if "upload_id" not in progress:
            return
        try:
            with self._asking("upload"):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._key(path), UploadId=progress["upload_id"]
                )
        except NotThere:
            return

    # --- sending

    def _put_whole(self, path: str, document: Document, condition: dict[str, Any]) -> Upload:
        with _part_in_memory(document, 0, document.size) as (data, sha256):
            if in_hexadecimal(sha256) != document.sha256:
                raise TransientError("DocumentChanged", "it is not what its checksum says")
            with self._asking("upload", in_doubt=True):
                reply = self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(path),
                    Body=data,
                    ChecksumSHA256=sha256,
                    Metadata={NOTE: document.sha256},
                    **condition,
                )
        heed_reply(self._meter, reply)
        if reply.get("ChecksumSHA256") == sha256:
            return "uploaded"
        return self._verified(path, document, reply.get("ETag"))

    def _put_in_parts(
        self, path: str, document: Document, condition: dict[str, Any], progress: dict[str, Any]
    ) -> Upload:
        """`progress` keeps the upload's id and the parts' size; S3 knows which have arrived."""
        if "upload_id" in progress:
            parts = {part.number: part for part in self._parts_that_are_there(path, progress)}
        else:
            parts = {}
            self._begin(path, document, progress)
        size = progress["part_bytes"]
        starts = range(0, document.size, size)
        for number, start in enumerate(starts, 1):
            length = min(size, document.size - start)
            if number not in parts or parts[number].size != length:
                parts[number] = self._put_part(path, document, (number, start, length), progress)
        ordered = [parts[number] for number in range(1, len(starts) + 1)]
        return self._completed(path, document, ordered, condition, progress)

    def _begin(self, path: str, document: Document, progress: dict[str, Any]) -> None:
        with self._asking("upload"):
            reply = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._key(path),
                ChecksumAlgorithm="SHA256",
                Metadata={NOTE: document.sha256},
            )
        size = max(PART_BYTES, -(-document.size // MOST_PARTS))
        progress |= {"upload_id": reply["UploadId"], "part_bytes": size, NOTE: document.sha256}
        heed_reply(self._meter, reply)

    def _parts_that_are_there(self, path: str, progress: dict[str, Any]) -> Iterator[_Part]:
        more: dict[str, Any] = {}
        while True:
            try:
                with self._asking("find"):
                    reply = self._client.list_parts(
                        Bucket=self._bucket,
                        Key=self._key(path),
                        UploadId=progress["upload_id"],
                        **more,
                    )
            except NotThere:
                raise _expired(progress) from None
            heed_reply(self._meter, reply)
            for part in reply.get("Parts", []):
                yield _Part(
                    part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumSHA256")
                )
            if not reply.get("IsTruncated"):
                return
            more = {"PartNumberMarker": reply["NextPartNumberMarker"]}

    def _put_part(
        self,
        path: str,
        document: Document,
        place: tuple[int, int, int],
        progress: dict[str, Any],
    ) -> _Part:
        """Send a part; `place` is its number, its start and its length."""
        number, start, length = place
        try:
            with (
                _part_in_memory(document, start, length) as (data, sha256),
                self._asking("upload"),
            ):
                reply = self._client.upload_part(
                    Bucket=self._bucket,
                    Key=self._key(path),
                    UploadId=progress["upload_id"],
                    PartNumber=number,
                    Body=data,
                    ChecksumSHA256=sha256,
                )
        except NotThere:
            raise _expired(progress) from None
        heed_reply(self._meter, reply)
        told = reply.get("ChecksumSHA256")
        if told not in (None, sha256):
            raise TransientError("ChecksumMismatch", "other bytes have arrived than were sent")
        return _Part(number, length, reply["ETag"], told)

    def _completed(
        self,
        path: str,
        document: Document,
        parts: list[_Part],
        condition: dict[str, Any],
        progress: dict[str, Any],
    ) -> Upload:
        """Have the parts made an object. An upload that is gone may have been completed."""
        try:
            with self._asking("upload", in_doubt=True):
                reply = self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=self._key(path),
                    UploadId=progress["upload_id"],
                    MultipartUpload={"Parts": [_told(part) for part in parts]},
                    **condition,
                )
        except NotThere:
            raise _expired(progress) from None
        progress.clear()
        heed_reply(self._meter, reply)
        told = reply.get("ChecksumSHA256")
        if told is not None and told.partition("-")[0] == _composite(parts):
            return "uploaded"
        return self._verified(path, document, reply.get("ETag"))

    # --- verifying

    def _verified(self, path: str, document: Document, etag: str | None) -> Upload:
        """Read back what was sent to a server that tells no checksum. What has arrived broken is
        removed: its note says that it is the document.
        """
        try:
            arrived = self._read_back(path, etag)
        except PreconditionFailed:
            return "conflict"  # Somebody has changed it since.
        if arrived == document.sha256:
            return "uploaded"
        if arrived is not None:
            with self._asking("upload"):
                self._client.delete_object(Bucket=self._bucket, Key=self._key(path))
        raise TransientError("ChecksumMismatch", "other bytes have arrived than were sent")

    def _read_back(self, path: str, etag: str | None) -> str | None:
        """The SHA-256 of an object that has still that ETag; None where it is gone."""
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {}
        try:
            with self._asking("verify"):
                reply = self._client.get_object(
                    Bucket=self._bucket, Key=self._key(path), **condition
                )
                heed_reply(self._meter, reply)
                with closing(reply["Body"]) as body:
                    return uploading.sha256_and_size(body.iter_chunks(_PIECE_BYTES))[0]
        except NotThere:
            return None

    def _asking(self, operation: Operation, *, in_doubt: bool = False) -> Any:
        return self._connection.asking(self._meter, operation, in_doubt=in_doubt)

    def _key(self, path: str) -> str:
        return f"{self._prefix}{path}"


@contextmanager
def _part_in_memory(
    document: Document, start: int, length: int
) -> Iterator[tuple[io.BytesIO, str]]:
    """A part of a document and its SHA-256 in base64.

    As a file it is copied by nobody; it is closed in the end, since botocore keeps a request until
    garbage is collected.
    """
    digest = hashlib.sha256()
    with io.BytesIO() as data:
        with document.read(start, length) as pieces:
            for piece in pieces:
                data.write(piece)
                digest.update(piece)
        if data.tell() != length:
            raise TransientError("DocumentChanged", "the document has another size than before")
        data.seek(0)
        yield data, base64.b64encode(digest.digest()).decode()


def _told(part: _Part) -> Any:
    checksum = {"ChecksumSHA256": part.sha256} if part.sha256 else {}
    return {"PartNumber": part.number, "ETag": part.etag} | checksum


def _composite(parts: list[_Part]) -> str | None:
    """The SHA-256 of the parts' own; None where the server has not told those."""
    digest = hashlib.sha256()
    for part in parts:
        if part.sha256 is None:
            return None
        digest.update(base64.b64decode(part.sha256))
    return base64.b64encode(digest.digest()).decode()


def _expired(progress: dict[str, Any]) -> TransientError:
    progress.clear()
    return TransientError("UploadExpired", "the storage has no such upload: begin again")
