"""Makes the sample recordings from the scripts beside this file.

Each script becomes one 16 kHz stereo FLAC file, agent on the left, customer on the right, spoken
by flite (Debian: apt-get install flite). The same scripts and the same flite give the same bytes.
"""

import argparse
import re
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000
CHANNELS = {"AGENT": 0, "CUSTOMER": 1}
LEAD_MS = 600
TURN_GAP_MS = 650
SENTENCE_GAP_MS = 450
TRUNCATED_NAME = "Outage_GUID_7f3a04_AGENT_ChrisL_CUST_1002_DT_2026-03-02T16-58-10_truncated.wav"


@dataclass(frozen=True)
class Line:
    """One utterance; `gap_ms` after the end of the line before, negative where it cuts in."""

    role: str
    text: str
    gap_ms: int


@dataclass(frozen=True)
class Script:
    file_name: str
    voices: dict[str, str]
    lines: list[Line]


def parse_script(text: str) -> Script:
    """A script is a list of settings, then `ROLE: words`, `(pause N ms)` and `(overlap N ms)`."""
    settings = dict(re.findall(r"^- (\w+): (\S+)$", text, re.MULTILINE))
    lines: list[Line] = []
    gap_ms = LEAD_MS
    for raw in text.splitlines():
        if direction := re.fullmatch(r"\((pause|overlap) (\d+) ms\)", raw):
            gap_ms = int(direction[2]) * (1 if direction[1] == "pause" else -1)
        elif spoken := re.fullmatch(r"(AGENT|CUSTOMER): (.+)", raw):
            lines.append(Line(spoken[1], spoken[2], gap_ms))
            gap_ms = TURN_GAP_MS
    voices = {"AGENT": settings["agent"], "CUSTOMER": settings["customer"]}
    return Script(settings["file"], voices, lines)


def say(text: str, voice: str) -> np.ndarray:
    """The text spoken by a flite voice: int16 samples at 16 kHz, with a pause after sentences."""
    gap = np.zeros(SENTENCE_GAP_MS * SAMPLE_RATE // 1000, dtype=np.int16)
    parts: list[np.ndarray] = []
    for sentence in re.split(r"(?<=[.?]) ", text):
        parts += [say_sentence(sentence, voice), gap]
    return np.concatenate(parts[:-1])


def say_sentence(text: str, voice: str) -> np.ndarray:
    """Without the silence that flite puts around it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as spoken:
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", spoken.name], check=True)
        samples, rate = soundfile.read(spoken.name, dtype="int16")
    if rate != SAMPLE_RATE:
        raise SystemExit(f"the voice {voice} speaks at {rate} Hz, not {SAMPLE_RATE}")
    loud = np.flatnonzero(np.abs(samples) > 200)
    return samples[loud[0] : loud[-1] + 1]


def perform(script: Script) -> np.ndarray:
    """The dialogue as int16 frames of shape (n, 2)."""
    placed: list[tuple[int, int, np.ndarray]] = []
    end = 0
    for line in script.lines:
        samples = say(line.text, script.voices[line.role])
        begin = end + line.gap_ms * SAMPLE_RATE // 1000
        end = begin + len(samples)
        placed.append((CHANNELS[line.role], begin, samples))
    frames = np.zeros((end + LEAD_MS * SAMPLE_RATE // 1000, 2), dtype=np.int16)
    for channel, begin, samples in placed:
        frames[begin : begin + len(samples), channel] = samples
    return frames


def truncated_wav(frames: np.ndarray, *, promised_s: int, kept_s: int) -> bytes:
    """A WAV file whose upload broke off: its header promises more seconds than follow."""
    promised = promised_s * SAMPLE_RATE * 4
    kept = frames[: kept_s * SAMPLE_RATE].astype("<i2").tobytes()
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, SAMPLE_RATE, SAMPLE_RATE * 4, 4, 16)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + promised, b"WAVE")
    return riff + fmt + struct.pack("<4sI", b"data", promised) + kept


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=here, help="folder to write to (%(default)s)")
    out = parser.parse_args().out
    (out / "broken").mkdir(parents=True, exist_ok=True)
    for path in sorted(here.glob("*.script.md")):
        script = parse_script(path.read_text())
        frames = perform(script)
        soundfile.write(out / script.file_name, frames, SAMPLE_RATE, compression_level=1.0)
        print(f"{script.file_name}: {len(frames) / SAMPLE_RATE:.0f} s")
        if path.name.startswith("outage"):
            broken = truncated_wav(frames, promised_s=60, kept_s=2)
            (out / "broken" / TRUNCATED_NAME).write_bytes(broken)


if __name__ == "__main__":
    main()
