"""Long documents that go in parts to a URL of their own, as Google Drive and Microsoft have it.

The URL is leave enough for whoever has it, and for this one document alone: what is sent there
carries no token, so it does not matter when that ends. The URL stays in `progress`.
"""

from collections.abc import Callable, Collection

from replication.storage.interface import Document
from replication.storage.json_api import Answer, Api
from replication.storage.sending import Body
from shared.errors import TransientError


class UploadGone(Exception):
    """The provider knows no such upload: it was too old, has ended, or was given up."""


def part_refused() -> TransientError:
    """Another part is expected, as where two send the same document; it is asked which one."""
    return TransientError("PartRefused", "the provider expects another part of the document")


def send_parts[Ended](
    api: Api,
    url: str,
    document: Document,
    begin: int,
    *,
    part_bytes: int,
    statuses: Collection[int],
    read: Callable[[Answer], int | Ended],
) -> Ended:
    """Send a document from `begin` to its end, and return what the last reply has said.

    `read` understands a reply: where the next part begins, or what has come of the whole upload.
    """
    start, size = begin, document.size
    while True:
        length = min(part_bytes, size - start)
        said = read(
            api.ask(
                *("upload", "PUT", url, statuses),
                headers={"Content-Range": f"bytes {start}-{start + length - 1}/{size}"},
                body=Body(document, start, length),
                in_doubt=start + length == size,
                with_token=False,
            )
        )
        if not isinstance(said, int):
            return said
        if not start < said < size:
            raise TransientError("UploadStuck", "the provider takes no more of the document")
        start = said
