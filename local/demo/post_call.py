"""Calls end, and their recordings are processed: drop them, watch them, read what was found."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.cloud.client import Cloud
from local.cloud.settings import ROOT, CloudError
from local.demo.executions import execution_arn, states_entered
from local.demo.options import Options
from post_call.execution import call_id_of
from post_call.rules.word_errors import word_errors
from samples.make_samples import parse_script
from shared.times import now

SAMPLES = ROOT / "samples"
AUDIO = {".wav", ".mp3", ".flac", ".ogg", ".opus"}
DEADLINE_SECONDS_PER_CALL = 600
ENDED = {"ANALYSED", "FAILED"}


@dataclass
class Dropped:
    """A recording in the bucket, and what was last seen of its call."""

    path: Path
    call_id: str
    state: str = "WAITING"
    step: str = ""
    row: dict[str, Any] = field(default_factory=dict)


def show(cloud: Cloud, console: Console, options: Options) -> bool:
    """Drop the recordings and show each call's way; whether each ended as it should."""
    console.rule("Post-call processing")
    paths = recordings_in(options.calls or SAMPLES)
    # A folder for each run: the same recording again is another call, not a duplicate event.
    prefix = f"recordings/{now():%Y-%m-%dT%H-%M-%S}/"
    dropped = [drop(cloud, prefix, path) for path in paths]
    bucket = cloud.outputs["RecordingsBucketName"]
    console.print(f"{len(dropped)} recordings dropped into s3://{bucket}/{prefix}", soft_wrap=True)
    begin = time.monotonic()
    for call in watch(cloud, dropped):
        name = short_name(call.path)
        console.print(
            f"  {time.monotonic() - begin:5.1f} s  {name:24} {call.state:10} {call.step}",
            markup=False,
        )
    console.print(table_of(cloud, dropped))
    print_failures(console, dropped)
    print_what_next(cloud, console, dropped)
    return all(as_it_should(call) for call in dropped)


def recordings_in(folder: Path) -> list[Path]:
    """The recordings in a folder and below it; the broken sample is to fail."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO)
    if not found:
        raise CloudError(f"no recordings ({', '.join(sorted(AUDIO))}) in {folder}.")
    return found


def drop(cloud: Cloud, prefix: str, path: Path) -> Dropped:
    """Put a file where the telephone system would put it."""
    bucket, key = cloud.outputs["RecordingsBucketName"], prefix + path.name
    reply = cloud.s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return Dropped(path, call_id_of(bucket, key, reply["ETag"]))


def watch(cloud: Cloud, dropped: list[Dropped]) -> Iterator[Dropped]:
    """Give a call each time that its state or step has changed, until all have ended."""
    deadline = time.monotonic() + DEADLINE_SECONDS_PER_CALL * len(dropped)
    waiting = list(dropped)
    while waiting:
        for call in waiting:
            row = cloud.call(call.call_id) or {}
            state = row.get("state", "WAITING")
            step = row.get("failed_state", "") if state in ENDED else current_step(cloud, row)
            if (state, step) != (call.state, call.step):
                call.state, call.step, call.row = state, step, row
                yield call
        waiting = [call for call in waiting if call.state not in ENDED]
        if time.monotonic() > deadline:
            names = ", ".join(short_name(call.path) for call in waiting)
            raise CloudError(f"these calls did not end: {names}. `make logs` may tell why.")
        time.sleep(0.3)


def current_step(cloud: Cloud, row: dict[str, Any]) -> str:
    """The state that a call's execution has entered last, and how far its chunks are."""
    if "execution_arn" not in row:
        return ""
    entered = states_entered(cloud, row["execution_arn"])
    if entered and entered[-1] == "Transcribe Embedded":
        return f"{entered[-1]}{chunk_progress(cloud, row['execution_arn'])}"
    return entered[-1] if entered else ""


def chunk_progress(cloud: Cloud, arn: str) -> str:
    """How many chunks are being or have been transcribed, from the nested execution."""
    machine = cloud.outputs["TranscribeEmbeddedStateMachineArn"]
    nested = execution_arn(machine, arn.rpartition(":")[2])
    chunks = states_entered(cloud, nested).count("Transcribe Chunk")
    return f": chunk {chunks}" if chunks else ""


def table_of(cloud: Cloud, dropped: list[Dropped]) -> Table:
    table = Table(title="Calls", title_justify="left")
    for heading in ("call", "duration", "agent", "sentiment", "trend"):
        table.add_column(
            heading, no_wrap=True, justify="right" if heading == "duration" else "left"
        )
    table.add_column("categories", overflow="fold")
    table.add_column("WER", no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True)
    for call in dropped:
        table.add_row(*table_row(cloud, call))
    return table


def table_row(cloud: Cloud, call: Dropped) -> list[str]:
    row = call.row
    if call.state == "FAILED":
        return [short_name(call.path), *["-"] * 6, f"[red]{row['error']}[/red]"]
    seconds = round(int(row["duration_ms"]) / 1000)
    return [
        short_name(call.path),
        f"{seconds // 60}:{seconds % 60:02}",
        row.get("agent", "-"),
        row.get("customer_sentiment", "-"),
        row.get("customer_trend", "-"),
        ", ".join(row["categories"]) or "-",
        word_error_rate(cloud, call),
        "[yellow]follow-up[/yellow]" if row["follow_up_reasons"] else "[green]analysed[/green]",
    ]


def word_error_rate(cloud: Cloud, call: Dropped) -> str:
    """The transcript against the script, where a script says what was spoken."""
    reference = reference_of(call.path)
    if reference is None:
        return "-"
    document = cloud.document(call.row["transcript_bucket"], call.row["transcript_key"])
    heard = " ".join(
        turn["Content"]
        for role in ("AGENT", "CUSTOMER", "UNKNOWN")
        for turn in document["Transcript"]
        if turn["ParticipantRole"] == role
    )
    return f"{word_errors(reference, heard).rate:.0%}"


def reference_of(recording: Path) -> str | None:
    """What is spoken in a recording, agent first: from a script that names it."""
    for file in recording.parent.glob("*.script.md"):
        script = parse_script(file.read_text())
        if script.file_name == recording.name:
            lines = sorted(script.lines, key=lambda line: line.role)
            return " ".join(line.text for line in lines)
    return None


def print_failures(console: Console, dropped: list[Dropped]) -> None:
    for call in dropped:
        if call.state == "FAILED":
            text = f"{short_name(call.path)}: {call.row['cause']}"
            console.print(text, markup=False, soft_wrap=True)


def print_what_next(cloud: Cloud, console: Console, dropped: list[Dropped]) -> None:
    row = next((call.row for call in dropped if call.state == "ANALYSED"), None)
    if row:
        folder = f"s3://{cloud.outputs['AnalysesBucketName']}/analyses/"
        console.print(f"\nThe redacted documents are in {folder}", soft_wrap=True)
        console.print(f"  make call CALL={row['call_id'][:12]}    one of them, to read")
    console.print("  make demo CALLS=<folder>      recordings of your own")
    console.print("  make status | logs | down     the laptop cloud itself")


def short_name(path: Path) -> str:
    """The part of a recording's name by which a person knows it."""
    return path.stem.partition("_GUID_")[0] + ("!" if "broken" in path.parts else "")


def as_it_should(call: Dropped) -> bool:
    """Samples under `broken/` are there to fail, all others to be analysed."""
    return call.state == ("FAILED" if "broken" in call.path.parts else "ANALYSED")
