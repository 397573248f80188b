"""Speech to text with PocketSphinx 5 and the English model inside its wheel."""

import io
import re
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import soundfile

from post_call.rules.turns import Word
from shared.errors import SpeechEngineMissing

SAMPLE_RATE = 16_000
FRAME_MS = 10
MISSING = (
    "the speech engine PocketSphinx or its English model is not in the function's package: build"
    " and deploy it again, with `make deploy` on a laptop, `sam build && sam deploy` on AWS"
)


def transcribe(flac: bytes, spans: Sequence[tuple[int, int]]) -> list[Word]:
    """The words of one chunk, timed in the recording.

    `flac` is 16 kHz mono; `spans` says which part of the recording (milliseconds) each stretch of
    it is. Every span is decoded as an utterance of its own, which is more accurate than the chunk
    as a whole. The same chunk gives the same words, whatever was transcribed before.
    Raises SpeechEngineMissing.
    """
    decoder = _decoder()
    decoder.reinit_feat()  # Forgets the noise of the chunk before: a retry gives the same words.
    words: list[Word] = []
    with soundfile.SoundFile(io.BytesIO(flac)) as sound:
        for begin_ms, end_ms in spans:
            samples = sound.read((end_ms - begin_ms) * SAMPLE_RATE // 1000, dtype="int16")
            decoder.start_utt()
            decoder.process_raw(samples.tobytes(), full_utt=True)
            decoder.end_utt()
            words += [
                Word(
                    content=re.sub(r"\(\d+\)$", "", segment.word),
                    begin_ms=begin_ms + segment.start_frame * FRAME_MS,
                    end_ms=min(begin_ms + (segment.end_frame + 1) * FRAME_MS, end_ms),
                    confidence=round(min(max(segment.prob, 0.0), 1.0), 4),
                )
                for segment in decoder.seg()
                if not segment.word.startswith(("<", "[", "++"))
            ]
    return words


def speech_engine() -> ModuleType:
    """The pocketsphinx module; raises SpeechEngineMissing where it is not installed."""
    try:
        import pocketsphinx
    except ImportError as error:
        raise SpeechEngineMissing(MISSING) from error
    module: ModuleType = pocketsphinx
    return module


@cache
def _decoder() -> Any:
    """The decoder, which takes a second and 170 MB to load, so once in a process."""
    engine = speech_engine()
    try:
        return engine.Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    except (RuntimeError, ValueError) as error:
        raise SpeechEngineMissing(MISSING) from error
