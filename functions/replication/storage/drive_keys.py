"""Ids under which an entity's folders and documents are to be made, noted before the first one is.

Google refuses to make a second thing of an id. So whoever does a step again, or beside somebody
who is taken for dead, makes nothing twice; and in a folder that was itself made under such an id
nothing has to be looked for, because all that is ours in there was made under the next ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

from replication.rules.paths import mark_of
from replication.storage.folder_ids import MOST_NOTED
from replication.storage.interface import Pause

DOCUMENTS_AHEAD = 100
"""With those of folders no more than Google gives in a reply, which is 1000."""


class Keys:
    """`notes` are those of `Storage.go_on`; `generate` asks Google for some ids."""

    def __init__(
        self, folders: Sequence[str], notes: dict[str, Any], generate: Callable[[int], list[str]]
    ) -> None:
        self._marks = {folder: mark_of(folder) for folder in folders}
        self._notes = notes
        self._generate = generate

    def of_folder(self, path: str) -> str | None:
        """The id for a folder of the entity; None where there is none. The first time it raises a
        Pause, so that all are noted.
        """
        if path not in self._marks:
            return None
        if "keys" not in self._notes:
            self._reserve()
        keys: dict[str, str] = self._notes["keys"]
        return keys.get(self._marks[path])

    def of_next_document(self) -> str:
        """The id for one more document. It raises a Pause whenever others are noted."""
        spare: list[str] = self._notes["spare"]
        if not spare:
            self._notes["spare"] = self._generate(DOCUMENTS_AHEAD)
            raise Pause
        return spare.pop(0)

    def made(self, folder_id: str | None) -> bool:
        """Whether a folder was made under one of these ids."""
        return folder_id is not None and folder_id in self._notes.get("keys", {}).values()

    def give_up(self) -> None:
        """An id belongs to something else: others have come into their places. No more of them."""
        self._notes |= {"keys": {}, "spare": []}

    def _reserve(self) -> None:
        """Note ids for folders, those above first, and for some documents."""
        marks = list(self._marks.values())[:MOST_NOTED]
        ids = self._generate(len(marks) + DOCUMENTS_AHEAD)
        keys = dict(zip(marks, ids, strict=False))
        self._notes |= {"keys": keys, "spare": ids[len(keys) :]}
        raise Pause
