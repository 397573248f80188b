"""What the folders and documents of a period are called, below a customer's storage account.

The tree is `<entity folder>/<period>/<folder>`. Names are in Unicode's NFC, so that an umlaut is
the same however it was typed; two names that differ in no more than case are one, because some
providers tell them apart and others do not.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from replication.rules.periods import Period

_NO_PART_OF_A_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENDS = re.compile(r"^[\s.]+|[\s.]+$")


def folder_names(entities: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Entity id -> folder name, for all the entities of one customer as pairs of id and name.

    It is the entity's name without what a folder's name cannot hold. Entities that would share a
    folder all get their id behind it, so that nobody's name depends on the order.
    """
    plain = {entity_id: _tidy(name) or _tidy(entity_id) for entity_id, name in entities}
    marks = _marks(list(plain))
    names, marked = dict(plain), set[str]()
    # A name with an id behind it can be what another entity is called: so until none is marked new.
    while new := _clashing(names) - marked:
        marked |= new
        names |= {entity_id: f"{plain[entity_id]} ({marks[entity_id]})" for entity_id in new}
    return names


def folders_of(
    entity_folder: str, period: Period, folders: Iterable[str], template_folders: Iterable[str]
) -> list[str]:
    """All folders of an entity's new period, with all their parents, each after its own.

    `folders` and `template_folders` are relative to the period's folder. Where two differ in case
    only, there is one, written as the templates write it, else as it comes first. Raises ValueError
    for a folder that leads elsewhere (`.`, `..`).
    """
    root = _root(entity_folder, period)
    found: dict[str, str] = {}
    for folder in ("", *template_folders, *folders):
        path = ""
        for segment in (*root, *_segments(folder)):
            path = f"{path}/{segment}" if path else segment
            path = found.setdefault(_key(path), path)
    return list(found.values())


def document_path(
    entity_folder: str, period: Period, path: str, folders: Iterable[str] = ()
) -> str:
    """Where a document of an entity's period lies; `path` is relative to the period's folder.

    `folders` are those of `folders_of`: a document lies in the one that is written otherwise, if it
    differs in case only. Raises ValueError for a path that leads elsewhere (`.`, `..`), or to no
    file.
    """
    segments = _segments(path)
    if not segments:
        raise ValueError("the path of a document must end with its name")
    there = {_key(one): one for one in folders}
    folder = ""
    for name in (*_root(entity_folder, period), *segments[:-1]):
        below = f"{folder}/{name}" if folder else name
        folder = there.get(_key(below), below)
    return f"{folder}/{segments[-1]}"


def mark_of(name: str) -> str:
    """What stands for a name or a path where these must not be, as in an execution's history."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _root(entity_folder: str, period: Period) -> tuple[str, ...]:
    segments = _segments(entity_folder)
    if not segments:
        raise ValueError("the folder of an entity must have a name")
    return (*segments, str(period))


def _segments(path: str) -> tuple[str, ...]:
    segments = tuple(name for name in unicodedata.normalize("NFC", path).split("/") if name)
    if any(name.strip() in (".", "..") for name in segments):
        raise ValueError(f"{path!r} must not lead elsewhere: '.' and '..' are no names of folders")
    return segments


def _tidy(name: str) -> str:
    return _ENDS.sub("", _NO_PART_OF_A_NAME.sub("-", unicodedata.normalize("NFC", name)))


def _key(name: str) -> str:
    """The same for names that differ in case or in how their characters are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _clashing(names: dict[str, str]) -> set[str]:
    """The ids of those that share a name."""
    taken = Counter(map(_key, names.values()))
    return {entity_id for entity_id, name in names.items() if taken[_key(name)] > 1}


def _marks(ids: Sequence[str]) -> dict[str, str]:
    """Id -> what tells it from the others: the id, with a part of its hash if case alone would."""
    taken = Counter(map(_key, ids))
    return {
        one: one
        if taken[_key(one)] == 1
        else f"{one} {hashlib.sha256(one.encode()).hexdigest()[:8]}"
        for one in ids
    }
