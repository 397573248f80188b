"""The former design's task: one entity's folders, templates and documents, in one go.

It runs beside Aftercall's own code in the same archive, and asks providers through the same
clients. Nobody watches over the quota: a refused request fails the task, unless it is to be tried
again at once as SDKs do (REQUEST_TRIES). A task that is tried again begins at its beginning; it
then looks into folders first, and sends nothing that is there.
"""

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from replication.documents import StoredDocument
from replication.rules.due_dates import BusinessCalendar
from replication.rules.paths import document_path, folders_of
from replication.rules.periods import Period
from replication.rules.templates import known, render
from replication.storage.accounts import open_storage
from replication.storage.interface import Document, Found, Operation, Pause, Storage, Throttled
from shared.clients import dynamodb, s3
from shared.customers import Entity, get_customer, get_entity

CUSTOMERS_TABLE_NAME = os.environ["CUSTOMERS_TABLE_NAME"]
DOCUMENTS_BUCKET_NAME = os.environ["DOCUMENTS_BUCKET_NAME"]
FORMER_TABLE_NAME = os.environ["FORMER_TABLE_NAME"]
REQUEST_TRIES = int(os.environ["REQUEST_TRIES"])
LONGEST_BACKOFF = 8.0
LONGEST_WAIT = 60.0
"""Seconds: no SDK waits for longer, as until the next day."""


class Unpaced:
    """A Meter that grants everything at once."""

    def spend(self, operation: Operation) -> None:
        pass

    def advise(self, remaining: float, reset_seconds: float) -> None:
        pass


class Rendered:
    """A Document that was made of a template."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)
        self.sha256 = hashlib.sha256(content).hexdigest()

    @contextmanager
    def read(self, start: int, length: int) -> Iterator[Iterator[bytes]]:
        yield iter([self._content[start : start + length]])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event` is {customer_id, entity_id, folder, period, attempt}; raises what went wrong."""
    customer = get_customer(CUSTOMERS_TABLE_NAME, event["customer_id"])
    entity = get_entity(CUSTOMERS_TABLE_NAME, event["customer_id"], event["entity_id"])
    assert customer is not None and customer.storage is not None and entity is not None  # noqa: PT018
    storage = open_storage(customer.storage, Unpaced())
    period = Period.parse(event["period"])
    of_templates = [known(name).folder for name in entity.templates]
    folders = folders_of(event["folder"], period, entity.folders, of_templates)
    for folder in folders:
        tried(lambda folder=folder: storage.create_folder(folder))  # type: ignore[misc]
    there: dict[str, dict[str, Found]] = {}
    for name, document in documents(entity, period):
        path = document_path(event["folder"], period, name, folders)
        upload(storage, path, document, there if event["attempt"] else None)
    note_done(entity)
    return {"folders": len(folders)}


def tried[T](action: Callable[[], T]) -> T:
    """Send a request, and again after a while where it is refused, as often as an SDK may."""
    for attempt in range(1, REQUEST_TRIES):
        try:
            return action()
        except (Throttled, Pause) as refusal:
            backoff = random.uniform(0.5, 1) * min(2.0 ** (attempt - 1), LONGEST_BACKOFF)
            wait = max(asked_for(refusal), backoff)
            if wait > LONGEST_WAIT:
                raise
            time.sleep(wait)
    return action()


def asked_for(refusal: Throttled | Pause) -> float:
    """For how many seconds the provider asks to wait: for its quota, or for Dropbox's lock."""
    if isinstance(refusal, Pause):
        return (refusal.not_before or 0.0) - time.time()
    return refusal.retry_after or 0.0


def documents(entity: Entity, period: Period) -> Iterator[tuple[str, Document]]:
    calendar = BusinessCalendar(
        weekend=entity.weekend, holidays=entity.holidays, closed_on=entity.closed_on
    )
    for template in entity.templates:
        name, content = render(known(template), entity.name, period, calendar)
        yield name, Rendered(content)
    prefix = f"documents/{entity.customer_id}/{entity.entity_id}/"
    pages = s3().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=DOCUMENTS_BUCKET_NAME, Prefix=prefix):
        for one in page.get("Contents", []):
            name = one["Key"].removeprefix(prefix)
            yield name, StoredDocument(DOCUMENTS_BUCKET_NAME, one["Key"])


def upload(
    storage: Storage, path: str, document: Document, there: dict[str, dict[str, Found]] | None
) -> None:
    """`there` has the folders that were looked into; None in a first attempt: it looks nowhere."""
    found = None
    if there is not None:
        folder, _, name = path.rpartition("/")
        if folder not in there:
            there[folder] = dict(tried(lambda: storage.find(folder)))
        found = there[folder].get(name)
    tried(lambda: storage.upload(path, document, there=found, progress={}))


def note_done(entity: Entity) -> None:
    name = f"{entity.customer_id}/{entity.entity_id}"
    dynamodb().put_item(
        TableName=FORMER_TABLE_NAME, Item={"name": {"S": name}, "state": {"S": "DONE"}}
    )
