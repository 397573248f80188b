"""What Nextcloud adds to WebDAV: its paths, checksums, and large files in chunks (version 2).

Files lie at `/remote.php/dav/files/<account>/`, and what is being uploaded in chunks at
`/remote.php/dav/uploads/<account>/<upload>/<number>`. A checksum that a client sends (OC-Checksum)
is kept and given back, and not compared with the content: so it is with Nextcloud.
"""

from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from local.providers.dav import Dav, checked, multistatus, refused, wanted_properties
from local.providers.limiter import Call
from local.providers.messages import Request, Response, pieces, precondition, whole_number
from local.providers.profiles import Profile
from local.providers.store import Entry

_OC = "{http://owncloud.org/ns}"
_ROOT = "/remote.php/dav/"
_LAST_CHUNK = 10_000
_CHUNK_MAXIMUM = 5 * 1024**3
_UPLOADS = "/uploads/"
"""In front of a path among the uploads; a file's path has no slash in front."""


class Nextcloud(Dav):
    """A server whose users each have files and uploads of their own."""

    def call(self, request: Request) -> Call:
        call = super().call(request)
        tree, owner, _ = _parts(request.path)
        if tree == "uploads" or owner == call.account or not call.account:
            return call
        return Call(call.kind, call.account, size=call.size)

    def root(self, account: str) -> str:
        return f"{_ROOT}files/{account}"

    def located(self, path: str) -> str:
        tree, _, rest = _parts(path)
        if tree not in ("files", "uploads"):
            raise refused(404, f"File not found: {path}")
        return _UPLOADS + checked(rest) if tree == "uploads" else checked(rest)

    def authorised(self, request: Request, account: str, profile: Profile) -> Response:
        tree, owner, rest = _parts(request.path)
        if tree in ("files", "uploads") and owner != account:
            raise refused(404, f"Principal with name {owner} not found")
        destination = unquote(urlsplit(request.header("Destination") or "").path)
        if destination and _parts(destination)[1] != account:
            raise refused(403, "The destination is somebody else's")
        if tree == "uploads":
            upload, _, name = checked(rest).partition("/")
            return self._uploading(request, account, upload, name, profile)
        return super().authorised(request, account, profile)

    def _uploading(
        self, request: Request, account: str, upload: str, name: str, profile: Profile
    ) -> Response:
        key = f"{account}/{upload}"
        if request.method == "MKCOL" and upload and not name:
            return self._begin(request, account, key)
        if self.store.upload(key) is None:
            raise refused(404, f"File not found: {upload}")
        match request.method, name:
            case "PUT", _ if name:
                return self._put_chunk(request, account, key, name)
            case "PROPFIND", "":
                return self._chunks(request, account, key)
            case "MOVE", ".file":
                return self._assemble(request, account, key, profile)
            case "DELETE", "":
                self.store.end_upload(key)
                return Response(204)
        raise refused(405, "Chunks can only be put, listed and assembled")

    def _begin(self, request: Request, account: str, key: str) -> Response:
        if not self.store.begin_upload(key, account, self._destination(request), {}):
            raise refused(405, "The resource you tried to create already exists")
        return Response(201)

    def _put_chunk(self, request: Request, account: str, key: str, name: str) -> Response:
        if not (name.isascii() and name.isdigit() and 1 <= int(name) <= _LAST_CHUNK):
            raise refused(400, "Invalid chunk name, must be numeric between 1 and 10000")
        self._check_destination(request, key)
        total = whole_number(request.header("OC-Total-Length"))
        stored = sum(part.size for part in self.store.parts(key))
        self.store.check_quota(account, max(total - stored, request.size))
        with self.store.arriving(pieces(request.body)) as blob:
            if blob.size > _CHUNK_MAXIMUM:
                raise refused(400, "Chunk size must be at most 5 GB")
            if not self.store.put_part(key, int(name), name, blob, blob.md5, {}):
                raise refused(404, "File not found")
        return Response(201, headers={**self.hash_headers(request, blob.sha256)})

    def _chunks(self, request: Request, account: str, key: str) -> Response:
        wanted = wanted_properties(request.command())
        upload = key.partition("/")[2]
        root = f"{_ROOT}uploads/{account}/{upload}"
        files = [
            Entry(0, part.name, part.sha256, part.size, part.etag, part.modified, {})
            for part in (self.store.parts(key) if request.header("Depth") != "0" else [])
        ]
        folder = Entry(0, upload, None, 0, upload, 0.0, {})
        return multistatus(
            [(f"{root}/", self.properties(account, folder), wanted)]
            + [(f"{root}/{file.path}", self.properties(account, file), wanted) for file in files]
        )

    def _assemble(self, request: Request, account: str, key: str, profile: Profile) -> Response:
        target = self._check_destination(request, key)
        if precondition(request, key):  # It is about what is moved, not about the destination.
            raise refused(412, "An If-Match or If-None-Match header did not hold.")
        parts = self.store.parts(key)
        size = sum(part.size for part in parts)
        total = whole_number(request.header("OC-Total-Length"), size)
        if total != size:
            raise refused(400, f"Chunks on server do not sum up to {total} but to {size} bytes")
        if any(part.size < profile.chunk_minimum for part in parts[:-1]):
            raise refused(400, "Each chunk but the last must have 5 MB at least")

        def check(before: Entry | None) -> None:
            overwrite = (request.header("Overwrite") or "T").upper() != "F"
            if before is not None and (not overwrite or before.sha256 is None):
                raise refused(412, "The destination node already exists, and overwrite is F")
            self._need_parent(account, target)

        check(self.store.entry(account, target))
        meta, modified = self.said_of(request)
        with self.store.joining(part.sha256 for part in parts) as blob:
            made, replaced = self.store.put(
                account, target, blob, meta, check, modified=modified, upload=key
            )
        headers = {**self.made_headers(made), **self.hash_headers(request, blob.sha256)}
        return Response(204 if replaced else 201, headers=headers)

    def _check_destination(self, request: Request, key: str) -> str:
        begun, target = self.store.upload(key), self._destination(request)
        if begun is None:
            raise refused(404, "File not found")
        if begun[1] != target:
            raise refused(400, "The destination is not the one with which the upload began")
        return target

    def properties(self, account: str, entry: Entry) -> dict[str, str]:
        shown = super().properties(account, entry)
        shown[f"{_OC}fileid"] = str(entry.id)
        shown[f"{_OC}size"] = str(entry.size)
        shown[f"{_OC}permissions"] = "RGDNVCK" if entry.sha256 is None else "RGDNVW"
        if "checksum" in entry.meta:
            checksum = escape(entry.meta["checksum"])
            shown[f"{_OC}checksums"] = f"<oc:checksum>{checksum}</oc:checksum>"
        return shown

    def made_headers(self, made: Entry) -> dict[str, str]:
        headers = {**super().made_headers(made), "OC-FileId": f"{made.id:08}simulator"}
        if made.sha256 is not None:
            headers["OC-ETag"] = headers["ETag"]
        if "modified" in made.meta:
            headers["X-OC-MTime"] = "accepted"
        return headers

    def hash_headers(self, request: Request, sha256: str) -> dict[str, str]:
        wanted = (request.header("X-Hash") or "").lower()
        return {"X-Hash-SHA256": sha256} if wanted in ("sha256", "all") else {}

    def said_of(self, request: Request) -> tuple[dict[str, str], float | None]:
        meta = {}
        checksum, modified = request.header("OC-Checksum"), request.header("X-OC-MTime")
        if checksum:
            meta["checksum"] = checksum
        if modified and modified.isdigit():
            meta["modified"] = modified
        return meta, float(modified) if "modified" in meta and modified else None


def _parts(path: str) -> tuple[str, str, str]:
    """Which tree a URL's path leads to, whose, and the path within it."""
    if not path.startswith(_ROOT):
        return "", "", ""
    tree, _, rest = path.removeprefix(_ROOT).strip("/").partition("/")
    owner, _, rest = rest.partition("/")
    return tree, owner, rest
