"""Recordings for tests: short clips of the samples, and bytes that nobody can hear."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

SAMPLES = Path(__file__).parents[1] / "samples"
RATE = 16_000

TRUNCATED = next((SAMPLES / "broken").glob("*_truncated.wav")).read_bytes()


def clip(name: str, begin: float, end: float, *, mono: bool = False) -> bytes:
    """A part of the sample whose name begins so, in seconds: FLAC, the agent on the left."""
    sample = next(SAMPLES.glob(f"{name}_*.flac"))
    first, last = int(begin * RATE), int(end * RATE)
    samples, rate = soundfile.read(sample, dtype="float32", start=first, stop=last)
    return encoded(samples.mean(axis=1) if mono else samples, rate, "FLAC")


def goodbye() -> bytes:
    """Two seconds in which the customer says goodbye."""
    return clip("Billing", 67.0, 69.3)


def angry_customer() -> bytes:
    """A customer cancels and asks for a supervisor."""
    return clip("Outage", 41.3, 48.6)


def account_number_and_email() -> bytes:
    """The agent asks for an account number and an e-mail address; the customer says both."""
    return clip("Billing", 13.3, 29.8)


def mono() -> bytes:
    """Both people on one channel."""
    return clip("Billing", 64.0, 69.3, mono=True)


def silence(seconds: float = 2.0) -> bytes:
    """Both channels without a sound."""
    return encoded(np.zeros((int(seconds * RATE), 2), np.int16), RATE, "FLAC")


def six_channels() -> bytes:
    """A conference, each of its people on a channel."""
    return encoded(np.zeros((RATE, 6), np.int16), RATE, "WAV")


def hours(count: float) -> bytes:
    """A recording of that many hours in a few bytes: ten samples a second."""
    return encoded(np.zeros((int(count * 3600 * 10), 1), np.int16), 10, "WAV")


def raw_samples() -> bytes:
    """Samples without a header."""
    return bytes(range(256)) * 64


def no_audio() -> bytes:
    """Text, under whatever name."""
    return b"This is the text of an invoice and no call at all.\n" * 20


def encoded(samples: Any, rate: int, file_format: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=file_format, subtype="PCM_16")
    return file.getvalue()
