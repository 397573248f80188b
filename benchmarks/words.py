"""Word error rate of each sample against its script, and the engine's time for it."""

import argparse
import time
from pathlib import Path

from post_call.audio.activity import find_activity
from post_call.audio.chunks import chunk_audio, plan_chunks
from post_call.audio.recording import probe
from post_call.audio.speech import transcribe
from post_call.plan_chunks import MAX_CHUNK_MS
from post_call.rules.word_errors import word_errors
from samples.make_samples import parse_script

SAMPLES = Path(__file__).parents[1] / "samples"
ROLES = ("AGENT", "CUSTOMER")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", type=Path, help="default: those in samples/")
    arguments = parser.parse_args()
    print(f"{'sample':24} {'channel':9} {'words':>5} {'errors':>6} {'WER':>5}")
    for script in arguments.scripts or sorted(SAMPLES.glob("*.script.md")):
        measure(script)


def measure(path: Path) -> None:
    """One row for each channel, and what the recognition cost."""
    script = parse_script(path.read_text())
    recording = path.parent / script.file_name
    duration_s = probe(recording, name=recording.name, max_seconds=14_400).duration_ms / 1000
    name = path.name.removesuffix(".script.md")
    begin = time.process_time()
    heard = hear(recording)
    cpu_s = time.process_time() - begin
    for channel, role in enumerate(ROLES):
        spoken = " ".join(line.text for line in script.lines if line.role == role)
        errors = word_errors(spoken, heard[channel])
        wrong = errors.substitutions + errors.insertions + errors.deletions
        print(f"{name:24} {role:9} {errors.reference_length:5} {wrong:6} {errors.rate:5.1%}")
    print(f"{name:24} {cpu_s / duration_s:.2f} s of processor for each second of call")


def hear(recording: Path) -> list[str]:
    """What the engine understands on each channel."""
    channels = find_activity(recording)
    chunks = plan_chunks(channels, max_chunk_ms=MAX_CHUNK_MS)
    flacs = dict(chunk_audio(recording, chunks))
    heard: list[list[str]] = [[] for _ in channels]
    for number, chunk in enumerate(chunks):
        words = transcribe(flacs[number], chunk.spans)
        heard[chunk.channel] += [word.content for word in words]
    return [" ".join(words) for words in heard]


if __name__ == "__main__":
    main()
