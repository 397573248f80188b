"""One recording through the whole state machine, against the speech engine alone on the same audio.

The baseline decodes the same chunks in as many processes as the machine transcribes at once, with
the model loaded beforehand: what is over that is orchestration, analysis and storage.
"""

import argparse
import multiprocessing
import time
from pathlib import Path

from benchmarks.cloud import deployed_cloud
from local.cloud.client import Cloud, wait_until
from local.cloud.deployment import PARAMETERS
from post_call.audio.activity import find_activity
from post_call.audio.chunks import chunk_audio, plan_chunks
from post_call.audio.recording import probe
from post_call.audio.speech import transcribe
from post_call.execution import call_id_of
from post_call.plan_chunks import MAX_CHUNK_MS

CONCURRENCY = int(PARAMETERS["ChunkConcurrency"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs (default: 3)")
    parser.add_argument("--agent-channel", default="0", choices=("0", "1"))
    arguments = parser.parse_args()
    path: Path = arguments.recording
    minutes = probe(path, name=path.name, max_seconds=14_400).duration_ms / 60_000
    with deployed_cloud() as cloud:
        through_cloud(cloud, path, arguments.agent_channel, run=0)  # warms the processes
        print(f"{'run':>3} {'engine':>9} {'machine':>9} {'ratio':>6}   s per minute of audio")
        for run in range(1, arguments.runs + 1):
            engine = engine_alone(path)
            machine = through_cloud(cloud, path, arguments.agent_channel, run)
            print(
                f"{run:3} {engine / minutes:9.1f} {machine / minutes:9.1f} {machine / engine:6.2f}"
            )


def engine_alone(path: Path) -> float:
    """Seconds to decode the recording's chunks, side by side."""
    chunks = plan_chunks(find_activity(path), max_chunk_ms=MAX_CHUNK_MS)
    flacs = dict(chunk_audio(path, chunks))
    work = [(flacs[number], chunk.spans) for number, chunk in enumerate(chunks)]
    with multiprocessing.get_context("spawn").Pool(CONCURRENCY) as pool:
        pool.starmap(transcribe, [(flacs[0], [])] * CONCURRENCY, chunksize=1)  # loads the model
        begin = time.monotonic()
        pool.starmap(transcribe, work, chunksize=1)
        return time.monotonic() - begin


def through_cloud(cloud: Cloud, path: Path, agent_channel: str, run: int) -> float:
    """Seconds from the drop of the recording until its analysis is stored."""
    bucket, key = cloud.outputs["RecordingsBucketName"], f"recordings/{run}/{path.name}"
    begin = time.monotonic()
    reply = cloud.s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=path.read_bytes(),
        Metadata={"agent-channel": agent_channel},
    )
    call_id = call_id_of(bucket, key, reply["ETag"])

    def ended() -> str | None:
        state = (cloud.call(call_id) or {}).get("state")
        return state if state in ("ANALYSED", "FAILED") else None

    state = wait_until(ended, 1800, f"the call {call_id}")
    if state == "FAILED":
        raise SystemExit(f"the call failed: {cloud.call(call_id)}")
    return time.monotonic() - begin


if __name__ == "__main__":
    main()
