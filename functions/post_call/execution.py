"""How an execution of `post_call` is named and what it is given."""

import hashlib
import json
from typing import TypedDict

from post_call.recording_object import RecordingObject


class ExecutionInput(TypedDict):
    """What the state machine `post_call` takes; times as shared.times writes them."""

    call_id: str
    attempt: int
    recording: RecordingObject
    created_at: str
    started_at: str
    lease_expires_at: str


def call_id_of(bucket: str, key: str, etag: str) -> str:
    """The call's id: SHA-256 over bucket, key and ETag, written so that none runs into the next."""
    return hashlib.sha256(json.dumps([bucket, key, etag.strip('"')]).encode()).hexdigest()


def execution_name(call_id: str, attempt: int) -> str:
    """The name under which an attempt runs; Step Functions keeps names apart for 90 days."""
    return call_id if attempt == 1 else f"{call_id}-{attempt}"
