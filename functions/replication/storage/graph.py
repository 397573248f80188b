"""A customer's folder in OneDrive or SharePoint, by Microsoft Graph.

Names are there once, whatever their capital letters, and are put on condition that they are free.
SharePoint writes properties of its own into some documents as they arrive, Office's above all: such
a file is longer than what was sent, and is what we have sent all the same.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from replication.storage import graph_replies, uploading
from replication.storage.graph_replies import (
    SELECTED,
    Begun,
    Item,
    NotThere,
    Page,
    Session,
    same_origin,
)
from replication.storage.interface import Document, Found, Meter, Upload
from replication.storage.json_api import Answer, Api, Connection
from replication.storage.names import GRAPH, illegal
from replication.storage.sending import Bearer, Body, Sender
from replication.storage.upload_sessions import UploadGone, part_refused, send_parts
from shared.errors import StorageRefused, TransientError

MICROSOFT = "https://graph.microsoft.com"
VERSION = "/v1.0"

AT_ONCE_BYTES = 4 * 1024 * 1024
"""What goes in one request instead of three: little enough to be sent again, and taken by every
national cloud, which more need not be.
"""

MOST_AT_ONCE_BYTES = 250_000_000
"""What Microsoft documents for one request; it advises against more than 10 MiB."""

PART_BYTES = 32 * 320 * 1024
"""Longer documents go in parts of a multiple of 320 KiB, of 10 MiB as Microsoft advises."""

LONGEST_PATH = 400
LONGEST_NAME = 255
PAGE_ITEMS = 999
_PIECE_BYTES = 1024 * 1024
_FAIL = {"@microsoft.graph.conflictBehavior": "fail"}


class Graph(uploading.Uploads):
    """See `Storage`. `location` is `<drive id>` or `<drive id>/<folder's id>`."""

    def __init__(
        self, location: str, endpoint: str | None, connection: Connection, meter: Meter
    ) -> None:
        drive, _, folder = location.partition("/")
        base = (endpoint or MICROSOFT).rstrip("/") + VERSION
        self._drive = f"{base}/drives/{quote(drive)}"
        self._root = f"{self._drive}/" + (f"items/{quote(folder)}" if folder else "root")
        self._api = Api(connection, meter, graph_replies.meaning)
        self._downloads = Sender(connection.session, meter, graph_replies.meaning_of_download)

    def illegal(self, path: str) -> str | None:
        if len(GRAPH.path_written(path)) > LONGEST_PATH:
            return f"has more than {LONGEST_PATH} characters"
        return illegal(path, GRAPH, LONGEST_NAME)

    def create_folder(self, path: str) -> bool:
        above, _, name = path.rpartition("/")
        said = {"name": GRAPH.written(name), "folder": {}} | _FAIL
        try:
            answer = self._api.ask(
                *("create_folder", "POST", self._url(above, "/children"), (200, 201, 409)),
                document=said,
                in_doubt=True,
            )
        except NotThere:
            raise self._nothing_above(above) from None
        if answer.status != 409:
            return True
        there = self._item(path)
        if there is None:
            raise _folder_gone()
        if there.folder is None:
            raise StorageRefused(
                "NameTaken", "a file has the folder's name: rename or move the file"
            )
        return False

    def find(self, folder: str) -> Mapping[str, Found]:
        found: dict[str, Found] = {}
        query = urlencode({"$select": SELECTED, "$top": str(PAGE_ITEMS)}, safe="$,")
        url: str | None = f"{self._url(folder, '/children')}?{query}"
        while url is not None:
            try:
                page = self._api.ask("find", "GET", url, (200,)).read(Page)
            except NotThere:
                if not folder:
                    raise _location_missing() from None
                return {}
            read = ((GRAPH.read(item.name), item) for item in page.value if item.folder is None)
            found |= {name: item.found for name, item in read if name is not None}
            if page.next and not same_origin(page.next, url):
                raise StorageRefused("LocationMoved", "Microsoft sends us to another host")
            url = page.next
        return found

    # --- what `uploading` needs

    def look(self, path: str) -> Found | None:
        item = self._item(path)
        return item.found if item else None

    def sha256_of(self, path: str, found: Found) -> str | None:
        return found.sha256 or self.read_back(path, found)

    def read_back(self, path: str, found: Found) -> str | None:
        return self._read_back(self._url(path, "/content"))

    def put(
        self, path: str, document: Document, replaced: Found | None, progress: dict[str, Any]
    ) -> Upload | None:
        """Send a document, if its name is free, and verify what has arrived. Microsoft shows
        nothing of an upload that broke off, so nothing is ever replaced.

        `progress` has where a long one goes.
        """
        if progress.get("sha256") != document.sha256:
            self.give_up(path, progress)
            progress.clear()
        try:
            if document.size <= AT_ONCE_BYTES:
                item = self._sent_at_once(path, document)
            else:
                item = self._sent_in_parts(path, document, progress)
        except NotThere:
            raise self._nothing_above(path.rpartition("/")[0]) from None
        except UploadGone:  # It has ended, and nobody has heard how; or it was too old.
            progress.clear()
            return None
        if item is None:
            self.give_up(path, progress)
            progress.clear()
            return None
        progress.clear()
        return self._verified(item, document)

    def give_up(self, path: str, progress: dict[str, Any]) -> None:
        """Have what has arrived of a long upload removed; else it counts until it is too old."""
        if "url" in progress:
            with suppress(NotThere):
                self._api.ask("upload", "DELETE", progress["url"], (200, 204), with_token=False)

    # --- sending

    def _sent_at_once(self, path: str, document: Document) -> Item | None:
        """What it has become; None where something has its name."""
        answer = self._api.ask(
            *("upload", "PUT", f"{self._url(path, '/content')}?{urlencode(_FAIL, safe='@')}"),
            (200, 201, 409),
            headers={"Content-Type": "application/octet-stream"},
            body=Body(document, 0, document.size),
            in_doubt=True,
        )
        return None if answer.status == 409 else answer.read(Item)

    def _sent_in_parts(
        self, path: str, document: Document, progress: dict[str, Any]
    ) -> Item | None:
        begin = 0
        if "url" in progress:
            begin = self._where_it_goes_on(progress["url"])
        elif not self._begun(path, document, progress):
            return self._sent_beside_another(path, document)
        return send_parts(
            *(self._api, progress["url"], document, begin),
            part_bytes=PART_BYTES,
            statuses=(200, 201, 202, 400, 404, 409, 410, 416),
            read=_came_of_part,
        )

    def _sent_beside_another(self, path: str, document: Document) -> Item | None:
        """Something has the name, or an upload to it is under way, such as one of ours of which
        nobody knows any more: then it goes in one request, as far as Microsoft takes that.
        """
        if self.look(path) is not None:
            return None
        if document.size > MOST_AT_ONCE_BYTES:
            raise TransientError("UploadUnderWay", "the document is being uploaded already")
        return self._sent_at_once(path, document)

    def _begun(self, path: str, document: Document, progress: dict[str, Any]) -> bool:
        """Ask for a URL; False where something has the document's name."""
        said = {"item": {"name": GRAPH.written(path.rpartition("/")[2])} | _FAIL}
        answer = self._api.ask(
            *("upload", "POST", self._url(path, "/createUploadSession"), (200, 201, 409)),
            document=said,
        )
        if answer.status == 409:
            return False
        progress |= {"sha256": document.sha256, "url": answer.read(Begun).url}
        return True

    def _where_it_goes_on(self, url: str) -> int:
        try:
            answer = self._api.ask("find", "GET", url, (200,), with_token=False)
            return answer.read(Session).begins
        except NotThere:
            raise UploadGone from None

    # --- verifying

    def _verified(self, item: Item, document: Document) -> Upload:
        """Compare what has arrived, by Microsoft's hash where it tells one. What is broken goes to
        the recycle bin, where it does not stand in the way of the next attempt, unless somebody has
        changed it since.
        """
        url = f"{self._drive}/items/{quote(item.id)}"
        now = item if item.found.digest is not None else self._at(url) or item
        if now.size > document.size:
            return "uploaded"  # Nobody can lengthen it on the way: SharePoint has.
        if now.size == document.size and self._is_whole(now, url, document):
            return "uploaded"
        if item.etag:
            with suppress(NotThere):
                condition = {"If-Match": item.etag}
                self._api.ask("upload", "DELETE", url, (200, 204, 412), headers=condition)
        raise TransientError("ChecksumMismatch", "other bytes have arrived than were sent")

    def _is_whole(self, item: Item, url: str, document: Document) -> bool:
        digest = item.found.digest
        if digest is not None:
            return uploading.digest_of_document(document, digest.name) == digest
        return not document.size or self._read_back(f"{url}/content") == document.sha256

    def _read_back(self, url: str) -> str | None:
        """A file's SHA-256, from wherever Microsoft keeps its bytes; None where it is gone."""
        try:
            place = self._api.ask("verify", "GET", url, (302,)).headers["Location"]
            with self._downloads.open("verify", "GET", place, (200,), auth=Bearer(None)) as reply:
                pieces = reply.raw.stream(_PIECE_BYTES, decode_content=False)
                return uploading.sha256_and_size(pieces)[0]
        except NotThere:
            return None

    # --- asking

    def _item(self, path: str) -> Item | None:
        return self._at(self._url(path))

    def _at(self, url: str) -> Item | None:
        query = urlencode({"$select": SELECTED}, safe="$,")
        try:
            return self._api.ask("find", "GET", f"{url}?{query}", (200,)).read(Item)
        except NotThere:
            return None

    def _nothing_above(self, folder: str) -> Exception:
        return _folder_gone() if folder else _location_missing()

    def _url(self, path: str, action: str = "") -> str:
        """The URL of what is at a path, or of what is done with it."""
        if not path:
            return self._root + action
        written = "/".join(quote(GRAPH.written(name), safe="") for name in path.split("/"))
        return f"{self._root}:/{written}" + (f":{action}" if action else "")


def _came_of_part(answer: Answer) -> int | Item | None:
    """Where an upload goes on, or the file that it has made; None where something has its name."""
    if answer.status in (404, 410):
        raise UploadGone
    if answer.status in (400, 416):
        raise part_refused()
    if answer.status == 409:
        return None
    return answer.read(Session).begins if answer.status == 202 else answer.read(Item)


def _folder_gone() -> TransientError:
    return TransientError("FolderMissing", "the folder above is not there (any more)")


def _location_missing() -> StorageRefused:
    return StorageRefused(
        "LocationMissing",
        "the app sees no drive or folder with the location's ids: correct them, or give it access",
    )
