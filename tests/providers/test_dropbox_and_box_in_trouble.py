"""Trees that go to Dropbox and Box while requests, replies and parts of bodies are lost by chance.

Each try is one of another process: it knows nothing but what the one before has noted, if that.
"""

from collections.abc import Callable
from typing import Any

import pytest

from replication.storage import box, dropbox
from replication.storage.box import Box
from replication.storage.dropbox import Dropbox
from replication.storage.interface import Pause, Storage, Throttled
from replication.storage.json_api import connect
from shared.errors import AmbiguousError, TransientError
from tests.providers.api_accounts import OneToken
from tests.providers.simulators import ACCOUNT, access_token, simulator
from tests.storages import PIECE_BYTES, BytesDocument, LongDocument, Purse

MOST_TRIES = 100
TROUBLE: tuple[dict[str, Any], ...] = (
    {"action": "lose_reply", "share": 0.15},
    {"action": "refuse", "share": 0.08},
    {"action": "truncate", "share": 0.08, "keep_bytes": 100},
    {"action": "status", "status": 429, "share": 0.05, "headers": {"Retry-After": "1"}},
    {"action": "status", "status": 503, "share": 0.05},
)


@pytest.fixture(params=["dropbox", "box"])
def server(request, tmp_path, monkeypatch):
    """To which documents of more than 1 MiB go in parts of that size."""
    for module in (dropbox, box):
        monkeypatch.setattr(module, "LARGEST_REQUEST", PIECE_BYTES)
    monkeypatch.setattr(dropbox, "CHUNK_BYTES", PIECE_BYTES)
    settings = {"box": {"chunk_minimum": 1, "part_size": PIECE_BYTES}}
    with simulator(request.param, tmp_path, **settings.get(request.param, {})) as running:
        yield running


@pytest.mark.parametrize("lost", [False, True], ids=["progress kept", "progress lost"])
def test_a_tree_arrives_once_whatever_goes_wrong(server, lost):
    documents = {
        f"{folder}/{name}": document
        for folder in ("2026-11", "2026-11/Bücher")
        for name, document in {
            "empty.pdf": BytesDocument(b""),
            "short.pdf": BytesDocument(b"what the customer is to get" * 1000),
            "long.bin": LongDocument(3),
        }.items()
    }
    token = access_token(server)
    theirs = BytesDocument(b"somebody's own")
    server.set_faults(*TROUBLE)

    for folder in ("2026-11", "2026-11/Bücher"):
        until_done(server, token, lambda storage, _, path=folder: storage.create_folder(path))
    until_done(server, token, uploading("2026-11/taken.pdf", theirs))
    for path, document in documents.items():
        came_of_it = until_done(server, token, uploading(path, document), lost=lost)
        assert came_of_it in ("uploaded", "identical")
    taken = until_done(server, token, uploading("2026-11/taken.pdf", BytesDocument(b"ours")))

    assert taken == "conflict"
    assert sum(server.fault_hits()) > 5
    assert server.files(ACCOUNT["name"]) == {"2026-11/taken.pdf": theirs.sha256} | {
        path: document.sha256 for path, document in documents.items()
    }
    assert server.folders(ACCOUNT["name"]) == {"2026-11", "2026-11/Bücher"}


@pytest.mark.parametrize("same_session", [True, False])
def test_two_that_send_the_same_document_leave_one(server, same_session):
    """An attempt that was given up still goes on while the next one is at work."""
    token, progress = access_token(server), {}
    met: list[int] = []

    def meanwhile(number: int) -> None:
        if number == 3 and not met:
            met.append(number)
            beside = dict(progress) if same_session else {}
            document = LongDocument(5)
            until_done(server, token, uploading("long.bin", document), progress=beside)

    document = LongDocument(5, meanwhile)
    with pytest.raises(Pause):
        opened(server, token, Purse(limit=3)).upload(
            "long.bin", LongDocument(5), there=None, progress=progress
        )

    came_of_it = until_done(server, token, uploading("long.bin", document), progress=progress)

    assert met == [3]
    assert (came_of_it, progress) == ("identical", {})
    assert server.files(ACCOUNT["name"]) == {"long.bin": document.sha256}


def uploading(path: str, document: Any) -> Callable[[Storage, dict[str, Any]], str]:
    return lambda storage, progress: storage.upload(path, document, there=None, progress=progress)


def opened(server: Any, token: str, purse: Purse) -> Storage:
    made = {"dropbox": Dropbox, "box": Box}[server.profile]
    root = {"dropbox": "/", "box": "0"}[server.profile]
    return made(root, server.url, connect(OneToken(token)), purse)


def until_done(
    server: Any,
    token: str,
    action: Callable[[Storage, dict[str, Any]], Any],
    *,
    progress: dict[str, Any] | None = None,
    lost: bool = False,
) -> Any:
    """Try it as steps do until it succeeds."""
    progress = {} if progress is None else progress
    for _ in range(MOST_TRIES):
        try:
            return action(opened(server, token, Purse()), {} if lost else progress)
        except (AmbiguousError, Pause, Throttled, TransientError):
            continue
    raise AssertionError("it never succeeds")
