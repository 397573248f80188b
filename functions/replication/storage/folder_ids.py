"""The ids of an account's folders, for providers that know folders by these alone.

A process keeps them for some minutes, and an entity's steps as long as they go on: until then a
folder that has been moved or renamed is still the one that was meant. One that is gone is noticed
at once, as the provider does not know it any more.
"""

import time
from collections.abc import Callable, Iterable

from replication.rules.paths import mark_of

KEPT_SECONDS = 300.0
MOST_KEPT = 10_000
MOST_NOTED = 500
"""Notes are part of an execution's state, of which Step Functions takes 256 KB."""


class FolderIds:
    """By path below the account's location."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ids: dict[str, tuple[str, float]] = {}

    def get(self, path: str) -> str | None:
        folder_id, until = self._ids.get(path, ("", 0.0))
        return folder_id if self._clock() < until else None

    def put(self, path: str, folder_id: str) -> None:
        if len(self._ids) >= MOST_KEPT:
            self._ids.clear()
        self._ids[path] = (folder_id, self._clock() + KEPT_SECONDS)

    def clear(self) -> None:
        self._ids.clear()


class EntityFolderIds:
    """What is kept of an account, and the ids of an entity's folders, which are noted as well.

    Notes go from step to step, whichever process does it, and so have marks in the place of paths.
    """

    def __init__(self, kept: FolderIds) -> None:
        self._kept = kept
        self._marks: dict[str, str] = {}
        self._noted: dict[str, str] = {}

    def go_on(self, folders: Iterable[str], noted: dict[str, str]) -> None:
        self._marks = {folder: mark_of(folder) for folder in folders}
        self._noted = noted

    def get(self, path: str) -> str | None:
        return self._noted.get(self._marks.get(path, "")) or self._kept.get(path)

    def put(self, path: str, folder_id: str) -> None:
        self._kept.put(path, folder_id)
        mark = self._marks.get(path)
        if mark is not None and (mark in self._noted or len(self._noted) < MOST_NOTED):
            self._noted[mark] = folder_id

    def clear(self) -> None:
        self._kept.clear()
        self._noted.clear()
