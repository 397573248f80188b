"""Put an entity's documents into the folders of its new period: those that every period begins
with, and those that were made of templates.

Documents are streamed from our own bucket, and what arrived is verified. What is there already is
left alone, whether it is the same or somebody's own; that is reported. A dry run only looks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.documents import StoredDocument
from replication.entity_work import Input, Output, work_on
from replication.problems import DOCUMENTS_BUCKET_NAME
from replication.rules.paths import mark_of
from replication.storage.interface import Found, Upload
from replication.storage_work import StorageWork
from shared.clients import s3, transient_failures
from shared.observability import step

KEYS_AT_ONCE = 1000

BEGINNING: dict[str, Any] = {"source": 0, "after": None, "progress": {}, "made": []}

_COUNTED: dict[Upload, str] = {
    "uploaded": "uploaded",
    "identical": "identical",
    "conflict": "conflicts",
}


@step
def handler(event: Input, context: LambdaContext) -> Output:
    return work_on(StorageWork, event, "upload_folders", upload_folders, BEGINNING)


@dataclass
class Folders:
    """The folders that are there, and what lies in the one at hand."""

    work: StorageWork
    there: set[str] = field(default_factory=set)
    looked_into: str | None = None
    files: Mapping[str, Found] = field(default_factory=dict)

    def found(self, path: str) -> Found | None:
        """What lies at a path. A folder that nobody had before us is not looked into."""
        folder, _, name = path.rpartition("/")
        self._make(folder)
        if self.work.cursor.get("fresh"):
            return None
        if self.looked_into != folder:
            self.files = self.work.storage.find(folder)
            self.looked_into = folder
        return self.files.get(name)

    def _make(self, folder: str) -> None:
        """Make a folder that only a document asks for, with those above it.

        A dry run counts each of them once: a folder's documents come one after another, so those
        of the last one are all that the next step must know of.
        """
        if folder in self.there:
            return
        place = self.work.cursor["position"]
        names = folder.split("/")
        paths = ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]
        for path in paths:
            if path not in self.there and mark_of(path) not in place["made"]:
                self.work.make_folder(path)
            self.there.add(path)
        if self.work.dry_run:
            place["made"] = [mark_of(path) for path in paths]


def upload_folders(work: StorageWork) -> None:
    """`cursor["position"]` is where it is: in which of the sources, behind which key, and what an
    upload that has begun needs to go on.

    Keys and paths are there by their marks: they hold names, and the history keeps the cursor.
    """
    place = work.cursor["position"]
    folders = Folders(work, set() if work.cursor.get("again") else set(work.folders))
    sources = (work.documents_prefix, work.rendered_prefix)
    for source, prefix in enumerate(sources[place["source"] :], place["source"]):
        for key, left in keys_below(prefix, place["after"]):
            work.meter.expect("upload", left)
            upload_document(work, folders, key, key.removeprefix(prefix), place["progress"])
            place |= {"after": mark_of(key), "progress": {}}
            work.look_around()
        place |= {"source": source + 1, "after": None, "progress": {}}


def upload_document(
    work: StorageWork, folders: Folders, key: str, name: str, progress: dict[str, Any]
) -> None:
    """Upload one document, unless something is in its way; `name` is below the period's folder."""
    path = work.place_of(name)
    if path is None:
        return
    there = folders.found(path)
    document = StoredDocument(DOCUMENTS_BUCKET_NAME, key)
    if not work.dry_run:
        outcome = work.storage.upload(path, document, there=there, progress=progress)
    elif there is None:
        outcome = "uploaded"
    else:
        outcome = "identical" if work.storage.same(path, there, document) else "conflict"
    work.counts[_COUNTED[outcome]] += 1
    if outcome == "uploaded":
        work.counts["bytes"] += document.size
    if outcome == "conflict":
        work.problems.append(("conflicts", name))


def keys_below(prefix: str, after: str | None) -> Iterator[tuple[str, int]]:
    """The documents of a source behind a key, each with how many of its page are left, itself
    among them; `after` is the key's mark.

    Those before are read again and left out here. Where the key has been removed meanwhile, all
    come once more: what has arrived is there, and is left alone.
    """
    for keys in pages_of(prefix):
        if after is not None:
            marks = [mark_of(key) for key in keys]
            if after not in marks:
                continue
            keys, after = keys[marks.index(after) + 1 :], None
        for number, key in enumerate(keys):
            yield key, len(keys) - number
    if after is not None:
        yield from keys_below(prefix, None)


def pages_of(prefix: str) -> Iterator[list[str]]:
    """The keys of all documents of a source. Those that stand for folders in consoles are none."""
    pages = (
        s3()
        .get_paginator("list_objects_v2")
        .paginate(
            Bucket=DOCUMENTS_BUCKET_NAME,
            Prefix=prefix,
            PaginationConfig={"PageSize": KEYS_AT_ONCE},
        )
    )
    with transient_failures():
        for page in pages:
            yield [one["Key"] for one in page.get("Contents", []) if one["Key"][-1] != "/"]
