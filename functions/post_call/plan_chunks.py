"""Find the speech on each channel of a recording and cut it into chunks of bounded length.

Each chunk's audio goes to `chunks/<n>.flac` (16 kHz, one channel, silence left out) so that no
later step reads the whole recording again; `plan.json` keeps who is on which channel, when they
speak and how loud. What goes back to the machine is one small item for each chunk.
"""

import tempfile
from pathlib import Path
from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.audio.activity import ChannelActivity, find_activity
from post_call.audio.chunks import Chunk, chunk_audio, plan_chunks
from post_call.model import Role
from post_call.recording_object import download
from post_call.work_documents import PlanDocument, RecordingDocument, Work, work_pointer
from shared.clients import s3, transient_failures
from shared.documents import read_json, write_json
from shared.observability import logger, step

MAX_CHUNK_MS = 30_000
"""Half a minute of speech takes under half a minute to recognise: far from any timeout, and short
enough that two processors share even a short call."""


class Input(TypedDict):
    call_id: str
    work: Work


class Output(TypedDict):
    """The numbers of the chunks, over which the machine maps."""

    chunks: list[int]


@step
def handler(event: Input, context: LambdaContext) -> Output:
    work = event["work"]
    recording: RecordingDocument = read_json(**work_pointer(work, "recording.json"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        download(recording["object"], path)
        channels = find_activity(path)
        chunks = plan_chunks(channels, max_chunk_ms=MAX_CHUNK_MS)
        for number, flac in chunk_audio(path, chunks):
            store_chunk(work, number, chunks[number], flac)
    plan = plan_document(channels, chunks, recording["agent_channel"])
    write_json(**work_pointer(work, "plan.json"), document=plan)
    logger.info("chunks planned", chunks=len(chunks), channels=len(channels))
    return {"chunks": list(range(len(chunks)))}


def store_chunk(work: Work, number: int, chunk: Chunk, flac: bytes) -> None:
    """Write one chunk: its spans first, so that audio without them never exists."""
    spans = work_pointer(work, f"chunks/{number}.spans.json")
    audio = work_pointer(work, f"chunks/{number}.flac")
    write_json(**spans, document={"spans": chunk.spans})
    with transient_failures():
        s3().put_object(
            Bucket=audio["bucket"], Key=audio["key"], Body=flac, ContentType="audio/flac"
        )


def plan_document(
    channels: list[ChannelActivity], chunks: list[Chunk], agent_channel: int
) -> PlanDocument:
    roles = channel_roles(len(channels), agent_channel)
    return {
        "channels": [
            {"role": role, "speech": activity.speech, "loudness": activity.loudness}
            for role, activity in zip(roles, channels, strict=True)
        ],
        "chunk_channels": [chunk.channel for chunk in chunks],
    }


def channel_roles(channels: int, agent_channel: int) -> list[Role]:
    """Who is on which channel. Both people on one channel stay UNKNOWN: no role is invented."""
    if channels == 1:
        return ["UNKNOWN"]
    return ["AGENT" if channel == agent_channel else "CUSTOMER" for channel in range(channels)]
