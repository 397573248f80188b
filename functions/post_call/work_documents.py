"""What the steps of one attempt leave for each other, and where.

The documents lie under `work/<call id>/<attempt>/` in the transcripts bucket, whose key protects
originals, and expire after some days. A step that runs twice writes the same key again.
"""

from typing import Any, TypedDict

from post_call.model import Role, S3Pointer
from post_call.recording_object import RecordingObject


class Work(TypedDict):
    """The folder of one attempt."""

    bucket: str
    prefix: str


class RecordingDocument(TypedDict):
    """`recording.json`: what is known of a recording once it was decoded.

    `created_at` is when the call took place, as far as anybody said, else when its recording
    arrived; `metadata` has agent, customer_id, guid and started_at where they are known; `audio`
    is a `post_call.audio.recording.Recording`.
    """

    call_id: str
    object: RecordingObject
    sha256: str
    created_at: str
    agent_channel: int
    metadata: dict[str, str]
    audio: dict[str, Any]


class ChannelDocument(TypedDict):
    """One channel of `plan.json`: who is on it, speech in ms, loudness of each second in dB."""

    role: Role
    speech: list[tuple[int, int]]
    loudness: list[float | None]


class PlanDocument(TypedDict):
    """`plan.json`: what each channel holds; chunk n lies in `chunks/<n>.*`."""

    channels: list[ChannelDocument]
    chunk_channels: list[int]


def work_pointer(work: Work, name: str) -> S3Pointer:
    """Point at the document `name` of this attempt."""
    return {"bucket": work["bucket"], "key": f"{work['prefix']}/{name}"}
