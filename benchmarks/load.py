"""Many small recordings dropped at once: each analysed exactly once, and processes bounded."""

import argparse
import io
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

from benchmarks.cloud import deployed_cloud
from local.cloud.client import Cloud
from local.cloud.settings import LAMBDA_PYTHON, max_processes
from post_call.execution import call_id_of

SAMPLES = Path(__file__).parents[1] / "samples"
DEADLINE_SECONDS = 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each (default: 3)")
    arguments = parser.parse_args()
    with deployed_cloud() as cloud:
        measure(cloud, short_recordings(arguments.recordings, arguments.seconds))


def short_recordings(number: int, seconds: int) -> list[bytes]:
    """Pieces of a sample, each with other bytes: FLAC, stereo."""
    samples, rate = soundfile.read(sorted(SAMPLES.glob("*.flac"))[0], dtype="int16")
    pieces = []
    for index in range(number):
        begin = (index * rate // 4) % (len(samples) - seconds * rate)
        piece = io.BytesIO()
        soundfile.write(piece, samples[begin : begin + seconds * rate], rate, format="FLAC")
        pieces.append(piece.getvalue())
    return pieces


def measure(cloud: Cloud, recordings: list[bytes]) -> None:
    """Drop them all, watch until every call has ended, and count what came of them."""
    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        call_ids = list(pool.map(lambda item: drop(cloud, *item), enumerate(recordings)))
    print(f"{len(call_ids)} recordings dropped in {time.monotonic() - begin:.0f} s")
    most_processes = most_running = 0
    states: Counter[str] = Counter()
    while states["ANALYSED"] + states["FAILED"] < len(call_ids):
        if time.monotonic() - begin > DEADLINE_SECONDS:
            raise SystemExit(f"not done after {DEADLINE_SECONDS} s: {dict(states)}")
        most_processes = max(most_processes, lambda_processes())
        most_running = max(most_running, running(cloud))
        states = Counter((cloud.call(id_) or {}).get("state", "WAITING") for id_ in call_ids)
        print(f"  {time.monotonic() - begin:5.0f} s {dict(states)}", flush=True)
        time.sleep(2)
    seconds = time.monotonic() - begin
    documents = list_documents(cloud)
    print(f"calls                    {dict(states)}")
    print(f"documents                {len(documents)}, of different calls {len(set(documents))}")
    print(f"executions at once       {most_running} at most")
    print(f"Lambda processes         {most_processes} at most, the bound is {max_processes()}")
    print(f"calls per minute         {len(call_ids) / seconds * 60:.0f}")


def drop(cloud: Cloud, index: int, recording: bytes) -> str:
    bucket, key = cloud.outputs["RecordingsBucketName"], f"recordings/load/{index}.flac"
    reply = cloud.s3.put_object(Bucket=bucket, Key=key, Body=recording)
    return call_id_of(bucket, key, reply["ETag"])


def running(cloud: Cloud) -> int:
    arn = cloud.outputs["PostCallStateMachineArn"]
    listed = cloud.stepfunctions.list_executions(stateMachineArn=arn, statusFilter="RUNNING")
    return len(listed["executions"])


def lambda_processes() -> int:
    """How many processes of the functions' interpreter there are."""
    return sum(
        command.startswith(str(LAMBDA_PYTHON).encode()) and b"awslambdaric" in command
        for command in (read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
    )


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def list_documents(cloud: Cloud) -> list[str]:
    """The call id of each document version in the analyses bucket."""
    pages = cloud.s3.get_paginator("list_object_versions").paginate(
        Bucket=cloud.outputs["AnalysesBucketName"]
    )
    return [v["Key"].split("/")[1] for page in pages for v in page.get("Versions", [])]


if __name__ == "__main__":
    main()
