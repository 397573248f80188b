"""What of an entity is not as it should be: a document beside the replication, by paths.

Files' names are a customer's words: they stand here, and neither in an execution nor in a log. Each
batch that an entity is in has a document of its own: so a retry begins with nothing noted.
"""

import os
from collections.abc import Iterable
from typing import Any, Literal

from botocore.exceptions import ClientError

from shared.clients import error_code
from shared.documents import read_json, write_json

DOCUMENTS_BUCKET_NAME = os.environ["DOCUMENTS_BUCKET_NAME"]
MOST = 1000
"""How many paths of a kind are kept of one entity."""

type Kind = Literal["conflicts", "illegal"]
type Problems = dict[Kind, list[str]]


def read_problems(
    replication_id: str, customer_id: str, entity_id: str, provider: str, batch: int
) -> Problems:
    """What was noted so far; empty lists where nothing was."""
    found: dict[str, Any] = {}
    try:
        key = _key(replication_id, customer_id, entity_id, provider, batch)
        found = read_json(DOCUMENTS_BUCKET_NAME, key)
    except ClientError as error:
        if error_code(error) != "NoSuchKey":
            raise
    return {"conflicts": found.get("conflicts", []), "illegal": found.get("illegal", [])}


def note_problems(
    replication_id: str,
    customer_id: str,
    entity_id: str,
    provider: str,
    batch: int,
    new: Iterable[tuple[Kind, str]],
) -> None:
    """Add paths to what was noted; one that is there already stays once."""
    known = read_problems(replication_id, customer_id, entity_id, provider, batch)
    for kind, path in new:
        if path not in known[kind] and len(known[kind]) < MOST:
            known[kind].append(path)
    document = {"conflicts": known["conflicts"], "illegal": known["illegal"]}
    key = _key(replication_id, customer_id, entity_id, provider, batch)
    write_json(DOCUMENTS_BUCKET_NAME, key, document)


def _key(replication_id: str, customer_id: str, entity_id: str, provider: str, batch: int) -> str:
    return f"reports/{replication_id}/{customer_id}/{entity_id}/{provider}-{batch}.json"
