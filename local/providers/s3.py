"""S3's REST API, with buckets in the path: what boto3 and rclone need to store files.

Any signature (version 4) will do if the access key is a known account's. A bucket belongs to the
account that made it, and nobody else sees into it.
"""

import base64
import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from local.providers.dav import file_response
from local.providers.limiter import Call
from local.providers.messages import Refused, Request, Response, precondition, whole_number
from local.providers.payload import Mismatch, Payload, composite
from local.providers.profiles import Kind, Profile
from local.providers.store import LAST, Blob, Entry, NoRoom, Store, Stored

_STATUSES = {
    "AccessDenied": 403,
    "BucketAlreadyExists": 409,
    "BucketNotEmpty": 409,
    "InvalidAccessKeyId": 403,
    "InvalidRange": 416,
    "MethodNotAllowed": 405,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "QuotaExceeded": 403,
}
"""All other codes come with 400."""

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")
_META = "x-amz-meta-"
_SUBRESOURCES = ("uploads", "uploadId", "location", "delete", "versioning", "acl", "policy", "cors")


def error(code: str, message: str) -> Refused:
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Refused(_xml(body, _STATUSES.get(code, 400)))


def _xml(body: str, status: int = 200) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return Response(status, text.encode(), {"Content-Type": "application/xml"})


def _result(name: str, *content: str) -> Response:
    body = "".join(content)
    return _xml(f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{body}</{name}>')


def _tags(**values: object) -> str:
    """Elements by their names, without those of None."""
    return "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in values.items()
        if value is not None
    )


class S3:
    """Answers the requests to one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def call(self, request: Request) -> Call:
        bucket, _, key = request.path[1:].partition("/")
        prefix = f"{bucket}/{key.partition('/')[0]}" if "/" in key else bucket
        path, account = request.path[1:], self._account(request) or ""
        return Call(_kind(request, key), account, path, "", prefix, request.size)

    def answer(self, request: Request, call: Call, profile: Profile) -> Response:
        try:
            response = self._answer(request, call.account, profile)
        except Mismatch as mismatch:
            raise error(*mismatch.args) from None
        except NoRoom:
            raise error("QuotaExceeded", "The account's storage is used up.") from None
        response.headers["x-amz-request-id"] = uuid.uuid4().hex[:16].upper()
        return response

    def _account(self, request: Request) -> str | None:
        found = _CREDENTIAL.search(request.header("Authorization") or "")
        key = found[1] if found else request.query.get("X-Amz-Credential", "").partition("/")[0]
        for account in self._store.accounts.values():
            if account.access_key_id == key:
                return account.name
        return None

    def _answer(self, request: Request, account: str, profile: Profile) -> Response:
        bucket, _, key = request.path[1:].partition("/")
        if not account:
            if request.header("Authorization") or "X-Amz-Credential" in request.query:
                raise error("InvalidAccessKeyId", "The access key ID does not exist.")
            raise error("AccessDenied", "Access Denied")
        if not bucket:
            return self._buckets(account)
        if request.method == "PUT" and not key:
            return self._create_bucket(account, bucket)
        owner = self._store.owner(bucket)
        if owner != account:
            code = "NoSuchBucket" if owner is None else "AccessDenied"
            raise error(code, "The specified bucket does not exist or is somebody else's.")
        if len(key.encode()) > 1024:
            raise error("KeyTooLongError", "Your key is too long")
        return self._route(request, key)(request, bucket, key, profile)

    def _route(self, request: Request, key: str) -> Callable[..., Response]:
        subresource = next((name for name in _SUBRESOURCES if name in request.query), "")
        routes: dict[tuple[str, bool, str], Callable[..., Response]] = {
            ("HEAD", False, ""): lambda *_: Response(200),
            ("GET", False, ""): self._list,
            ("GET", False, "location"): lambda *_: _result("LocationConstraint"),
            ("GET", False, "uploads"): self._list_uploads,
            ("DELETE", False, ""): self._delete_bucket,
            ("PUT", True, ""): self._put,
            ("GET", True, ""): self._get,
            ("HEAD", True, ""): self._get,
            ("DELETE", True, ""): self._delete,
            ("POST", True, "uploads"): self._create_upload,
            ("PUT", True, "uploadId"): self._upload_part,
            ("GET", True, "uploadId"): self._list_parts,
            ("POST", True, "uploadId"): self._complete,
            ("DELETE", True, "uploadId"): self._abort,
        }
        route = routes.get((request.method, bool(key), subresource))
        if route is None:
            raise error("NotImplemented", "The simulator does not know this operation.")
        return route

    # Buckets

    def _buckets(self, account: str) -> Response:
        buckets = (
            f"<Bucket>{_tags(Name=name, CreationDate=_time(made))}</Bucket>"
            for name, made in self._store.spaces(account)
        )
        return _result(
            "ListAllMyBucketsResult",
            f"<Owner>{_tags(ID=account)}</Owner><Buckets>{''.join(buckets)}</Buckets>",
        )

    def _create_bucket(self, account: str, bucket: str) -> Response:
        if not self._store.add_space(bucket, account) and self._store.owner(bucket) != account:
            raise error("BucketAlreadyExists", "The requested bucket name is not available.")
        return Response(200, headers={"Location": f"/{bucket}"})

    def _delete_bucket(self, _request: Request, bucket: str, *_: object) -> Response:
        with self._store.transaction():
            if self._store.below(bucket, "", LAST, 1):
                raise error("BucketNotEmpty", "The bucket you tried to delete is not empty")
            self._store.remove_space(bucket)
        return Response(204)

    def _list(self, request: Request, bucket: str, *_: object) -> Response:
        """ListObjectsV2, and its elder that rclone still asks for."""
        query = request.query
        second = query.get("list-type") == "2"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        count = min(whole_number(query.get("max-keys"), 1000), 1000)
        after = query.get("start-after" if second else "marker", "")
        cursor = after + "\0" if after else ""
        if delimiter and after.endswith(delimiter):
            cursor = after + LAST  # A common prefix: all that begins so has been told.
        if "continuation-token" in query:
            cursor = base64.urlsafe_b64decode(query["continuation-token"]).decode()
        entries, prefixes, rest = self._page(bucket, prefix, delimiter, cursor, count)
        encode: Callable[[str], str] = quote if query.get("encoding-type") == "url" else str
        shown = _tags(
            Name=bucket,
            Prefix=encode(prefix),
            Delimiter=encode(delimiter) if delimiter else None,
            MaxKeys=count,
            EncodingType=query.get("encoding-type"),
            IsTruncated=str(rest is not None).lower(),
        )
        if second:
            token = None if rest is None else base64.urlsafe_b64encode(rest.encode()).decode()
            shown += _tags(
                KeyCount=len(entries) + len(prefixes),
                ContinuationToken=query.get("continuation-token"),
                NextContinuationToken=token,
                StartAfter=encode(after) if after else None,
            )
        else:
            last = max([entry.path for entry in entries] + prefixes, default="")
            shown += _tags(Marker=encode(after), NextMarker=encode(last) if rest else None)
        contents = (f"<Contents>{_listed(entry, encode)}</Contents>" for entry in entries)
        commons = (
            f"<CommonPrefixes>{_tags(Prefix=encode(common))}</CommonPrefixes>"
            for common in prefixes
        )
        return _result("ListBucketResult", shown, *contents, *commons)

    def _page(
        self, bucket: str, prefix: str, delimiter: str, cursor: str, count: int
    ) -> tuple[list[Entry], list[str], str | None]:
        """Keys, common prefixes, and where the next page begins."""
        entries: list[Entry] = []
        prefixes: list[str] = []
        cursor = max(prefix, cursor)
        while batch := self._store.below(bucket, cursor, prefix + LAST, count + 1):
            for entry in batch:
                if len(entries) + len(prefixes) >= count:
                    return entries, prefixes, cursor
                name, cut, _ = entry.path[len(prefix) :].partition(delimiter or LAST)
                if cut:
                    prefixes.append(prefix + name + cut)
                    cursor = prefixes[-1] + LAST
                    break
                entries.append(entry)
                cursor = entry.path + "\0"
        return entries, prefixes, None

    # Objects

    def _put(self, request: Request, bucket: str, key: str, _: Profile) -> Response:
        if request.header("x-amz-copy-source") is not None:
            return self._copy(request, bucket, key)
        self._check_early(request, bucket, key)
        payload = Payload(request)
        with self._store.arriving(payload) as blob:
            checksums = payload.verify(blob)
            meta = {**_said_of(request), "checksums": checksums}
            made = self._stored(request, bucket, key, blob, meta, blob.md5)
        return Response(200, headers={"ETag": f'"{made.etag}"', **_checksum_headers(made)})

    def _copy(self, request: Request, bucket: str, key: str) -> Response:
        source = unquote(request.header("x-amz-copy-source") or "").lstrip("/")
        origin, _, origin_key = source.partition("/")
        found = self._store.entry(origin, origin_key)
        if found is None or self._store.owner(origin) != self._store.owner(bucket):
            raise error("NoSuchKey", "The specified key does not exist.")
        replaced = (request.header("x-amz-metadata-directive") or "").upper() == "REPLACE"
        meta = {**found.meta, **_said_of(request)} if replaced else found.meta
        with self._store.joining([str(found.sha256)]) as blob:
            made = self._stored(request, bucket, key, blob, meta, found.etag)
        modified = _time(made.modified)
        return _result("CopyObjectResult", _tags(ETag=f'"{made.etag}"', LastModified=modified))

    def _check_early(self, request: Request, bucket: str, key: str) -> None:
        """Refuse what cannot be stored before its content is sent."""
        _check(request)(self._store.entry(bucket, key))
        self._store.check_quota(self._store.owner(bucket) or "", request.size)

    def _stored(
        self,
        request: Request,
        bucket: str,
        key: str,
        blob: Blob,
        meta: dict[str, Any],
        etag: str,
        upload: str | None = None,
    ) -> Entry:
        check = _check(request)
        return self._store.put(bucket, key, blob, meta, check, etag=etag, upload=upload)[0]

    def _get(self, request: Request, bucket: str, key: str, _: Profile) -> Response:
        opened = self._store.opened(bucket, key)
        if opened is None:
            raise error("NoSuchKey", "The specified key does not exist.")
        entry = opened[0]
        try:
            response = file_response(
                request, *opened, error=lambda _, message: error("PreconditionFailed", message)
            )
        except Refused as refusal:
            if refusal.response.status == 416:
                raise error("InvalidRange", "The range is not satisfiable") from None
            raise
        response.headers.update(entry.meta.get("user", {}))
        if request.header("x-amz-checksum-mode") == "ENABLED" and response.status == 200:
            response.headers.update(_checksum_headers(entry))
        return response

    def _delete(self, _request: Request, bucket: str, key: str, _: Profile) -> Response:
        self._store.delete(bucket, key, within=False)
        return Response(204)

    # Uploads in parts

    def _create_upload(self, request: Request, bucket: str, key: str, _: Profile) -> Response:
        upload = uuid.uuid4().hex
        algorithm = (request.header("x-amz-checksum-algorithm") or "").lower()
        meta = {**_said_of(request), "algorithm": algorithm}
        self._store.begin_upload(upload, bucket, key, meta)
        result = _tags(Bucket=bucket, Key=key, UploadId=upload)
        return _result("InitiateMultipartUploadResult", result)

    def _begun(self, request: Request, bucket: str, key: str) -> tuple[str, dict[str, Any]]:
        upload = request.query["uploadId"]
        begun = self._store.upload(upload)
        if begun is None or begun[:2] != (bucket, key):
            raise _no_upload()
        return upload, begun[2]

    def _upload_part(self, request: Request, bucket: str, key: str, _: Profile) -> Response:
        upload, _meta = self._begun(request, bucket, key)
        number = whole_number(request.query.get("partNumber"))
        if not 1 <= number <= 10_000:
            raise error("InvalidArgument", "Part number must be between 1 and 10000")
        payload = Payload(request)
        with self._store.arriving(payload) as blob:
            checksums = payload.verify(blob)
            meta = {"checksums": checksums}
            if not self._store.put_part(upload, number, str(number), blob, blob.md5, meta):
                raise _no_upload()
        headers = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
        return Response(200, headers={"ETag": f'"{blob.md5}"', **headers})

    def _list_parts(self, request: Request, bucket: str, key: str, _: Profile) -> Response:
        upload, _meta = self._begun(request, bucket, key)
        marker = whole_number(request.query.get("part-number-marker"))
        count = min(whole_number(request.query.get("max-parts"), 1000), 1000)
        parts = [part for part in self._store.parts(upload) if part.number > marker]
        shown = parts[:count]
        return _result(
            "ListPartsResult",
            _tags(
                Bucket=bucket,
                Key=key,
                UploadId=upload,
                PartNumberMarker=marker,
                NextPartNumberMarker=shown[-1].number if shown else 0,
                MaxParts=count,
                IsTruncated=str(len(parts) > count).lower(),
            ),
            *(f"<Part>{_listed_part(part)}</Part>" for part in shown),
        )

    def _list_uploads(self, request: Request, bucket: str, *_: object) -> Response:
        prefix = request.query.get("prefix", "")
        uploads = (
            f"<Upload>{_tags(Key=key, UploadId=upload, Initiated=_time(begun))}</Upload>"
            for key, upload, begun in self._store.uploads(bucket)
            if key.startswith(prefix)
        )
        shown = _tags(Bucket=bucket, Prefix=prefix, MaxUploads=1000, IsTruncated="false")
        return _result("ListMultipartUploadsResult", shown, *uploads)

    def _complete(self, request: Request, bucket: str, key: str, profile: Profile) -> Response:
        upload, meta = self._begun(request, bucket, key)
        parts = _chosen(_parts_named(request.command()), self._store.parts(upload))
        if any(part.size < profile.chunk_minimum for part in parts[:-1]):
            raise error("EntityTooSmall", "Your proposed upload is smaller than the minimum")
        md5 = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts))  # noqa: S324
        etag = f"{md5.hexdigest()}-{len(parts)}"
        algorithm = meta.pop("algorithm")
        values = [part.meta["checksums"].get(algorithm) for part in parts]
        whole = composite(algorithm, values) if all(values) else None
        if request.header(f"x-amz-checksum-{algorithm}") not in (None, whole):
            raise error("BadDigest", "The checksum you specified did not match the parts.")
        meta["checksums"] = {algorithm: whole} if whole else {}
        with self._store.joining(part.sha256 for part in parts) as blob:
            self._stored(request, bucket, key, blob, meta, etag, upload)
        checksum = {f"Checksum{algorithm.upper()}": whole} if whole else {}
        result = _tags(Bucket=bucket, Key=key, ETag=f'"{etag}"', **checksum)
        return _result("CompleteMultipartUploadResult", result)

    def _abort(self, request: Request, bucket: str, key: str, _: Profile) -> Response:
        self._store.end_upload(self._begun(request, bucket, key)[0])
        return Response(204)


def _kind(request: Request, key: str) -> Kind:
    if request.method in ("PUT", "POST"):
        return "upload" if key else "other"
    if request.method == "DELETE":
        return "delete"
    return "read" if key and "uploadId" not in request.query else "find"


def _check(request: Request) -> Callable[[Entry | None], None]:
    def check(before: Entry | None) -> None:
        if precondition(request, before.etag if before else None):
            raise error("PreconditionFailed", "A precondition you specified did not hold")

    return check


def _said_of(request: Request) -> dict[str, Any]:
    user = {name.lower(): value for name, value in request.headers.items() if _is_user_header(name)}
    return {"content-type": request.header("Content-Type") or "binary/octet-stream", "user": user}


def _is_user_header(name: str) -> bool:
    return name.lower().startswith(_META)


def _checksum_headers(entry: Entry) -> dict[str, str]:
    checksums = entry.meta.get("checksums") or {}
    headers = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
    if headers:
        in_parts = any("-" in value for value in headers.values())
        headers["x-amz-checksum-type"] = "COMPOSITE" if in_parts else "FULL_OBJECT"
    return headers


def _listed(entry: Entry, encode: Callable[[str], str]) -> str:
    return _tags(
        Key=encode(entry.path),
        LastModified=_time(entry.modified),
        ETag=f'"{entry.etag}"',
        Size=entry.size,
        StorageClass="STANDARD",
    )


def _listed_part(part: Stored) -> str:
    checksums = {f"Checksum{name.upper()}": v for name, v in part.meta["checksums"].items()}
    return _tags(
        PartNumber=part.number,
        LastModified=_time(part.modified),
        ETag=f'"{part.etag}"',
        Size=part.size,
        **checksums,
    )


def _parts_named(body: bytes) -> list[dict[str, str]]:
    """The parts that make up an object, as the client says, each by the names of its elements."""
    try:
        if b"<!" in body:
            raise ValueError
        document = ElementTree.fromstring(body)  # noqa: S314 - small, and without declarations
    except (ElementTree.ParseError, ValueError):
        raise error("MalformedXML", "The XML you provided was not well-formed") from None
    parts = [element for element in document if element.tag.endswith("Part")]
    if not parts:
        raise error("MalformedXML", "An object has at least one part")
    return [{e.tag.rpartition("}")[2]: (e.text or "") for e in part} for part in parts]


def _chosen(named: list[dict[str, str]], stored: Iterable[Stored]) -> list[Stored]:
    there = {part.number: part for part in stored}
    numbers = [whole_number(part.get("PartNumber")) for part in named]
    if numbers != sorted(set(numbers)):
        raise error("InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, said in zip(numbers, named, strict=True):
        part = there.get(number)
        if part is None or said.get("ETag", "").strip('"') != part.etag:
            raise error("InvalidPart", "One or more of the specified parts could not be found.")
        for name, value in part.meta["checksums"].items():
            if said.get(f"Checksum{name.upper()}", value) != value:
                raise error("InvalidPart", "A part's checksum is not the one that was said.")
    return [there[number] for number in numbers]


def _no_upload() -> Refused:
    return error("NoSuchUpload", "The specified multipart upload does not exist.")


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
