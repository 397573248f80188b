"""The ids of an account's folders, for providers that know folders by these alone.

They are kept for some minutes: until then a folder that has been moved or renamed is still the
one that was meant. One that is gone is noticed at once, as the provider does not know it any more.
"""

import time
from collections.abc import Callable

KEPT_SECONDS = 300.0
MOST_KEPT = 10_000


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
