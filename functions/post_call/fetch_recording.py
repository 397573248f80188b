"""Find out what a recording is: decode it, measure it, hash it, and read who speaks in it.

Leaves `recording.json` for the steps that follow. A recording that nobody can use is a named
error, which the machine meets by putting the object into quarantine.
"""

import json
import tempfile
from dataclasses import asdict
from os import environ
from pathlib import Path, PurePosixPath
from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.audio.recording import Recording, probe
from post_call.model import S3Pointer
from post_call.recording_object import RecordingObject, download, read_tags
from post_call.rules.recording_names import DEFAULT_PATTERNS, RecordingMetadata, RecordingNames
from post_call.work_documents import RecordingDocument, Work, work_pointer
from shared.documents import write_json
from shared.errors import RecordingEmpty, RecordingMetadataInvalid, RecordingTooLarge
from shared.observability import count, logger, step

MAX_MEGABYTES = int(environ["MAX_RECORDING_MEGABYTES"])
MAX_SECONDS = int(environ["MAX_RECORDING_MINUTES"]) * 60
AGENT_CHANNEL = int(environ["AGENT_CHANNEL"])
NAMES = RecordingNames(
    json.loads(environ["RECORDING_NAME_PATTERNS"] or "null") or DEFAULT_PATTERNS,
    time_zone=environ["RECORDING_TIME_ZONE"],
)


class Input(TypedDict):
    call_id: str
    recording: RecordingObject
    created_at: str
    work: Work


class Output(TypedDict):
    document: S3Pointer


@step
def handler(event: Input, context: LambdaContext) -> Output:
    recording, work = event["recording"], event["work"]
    check_size(recording["size_bytes"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        downloaded = download(recording, path)
        probed = probe(path, name=PurePosixPath(recording["key"]).name, max_seconds=MAX_SECONDS)
    metadata = metadata_of(recording, downloaded["user_metadata"])
    document = describe(event, probed, metadata, downloaded["sha256"])
    pointer = work_pointer(work, "recording.json")
    write_json(**pointer, document=document)
    count("RecordingFetched")
    logger.info("recording fetched", duration_ms=probed.duration_ms, channels=probed.channels)
    return {"document": pointer}


def check_size(size_bytes: int) -> None:
    """Refuse before a byte is read what is too small or too large to be read."""
    if size_bytes == 0:
        raise RecordingEmpty("The recording has no bytes; upload it again.")
    if size_bytes > MAX_MEGABYTES * 1024 * 1024:
        raise RecordingTooLarge(
            f"The recording has {size_bytes / 1024 / 1024:.0f} MB and the limit is"
            f" {MAX_MEGABYTES} MB: compress it (FLAC, Opus), or raise MaxRecordingMegabytes."
        )


def metadata_of(recording: RecordingObject, user_metadata: dict[str, str]) -> RecordingMetadata:
    """What tags, user metadata and the name say; tags win over metadata, metadata over the name."""
    try:
        return NAMES.read(recording["key"], user_metadata=user_metadata, tags=read_tags(recording))
    except ValueError as error:
        raise RecordingMetadataInvalid(f"{error}; correct it and start the call again.") from error


def describe(
    event: Input, probed: Recording, metadata: RecordingMetadata, sha256: str
) -> RecordingDocument:
    return {
        "call_id": event["call_id"],
        "object": event["recording"],
        "sha256": sha256,
        "created_at": metadata.get("started_at", event["created_at"]),
        "agent_channel": metadata.get("agent_channel", AGENT_CHANNEL),
        "metadata": {
            name: str(value) for name, value in metadata.items() if name != "agent_channel"
        },
        "audio": asdict(probed),
    }
