"""Cuts a recording's speech into chunks that are recognised side by side.

A chunk is one channel's speech with the silence left out, so that the time to decode it is bounded
by its length. Its spans keep where in the recording it came from. Chunks never overlap: speech
that goes on for longer than a chunk is cut at its quietest moment in the second half of the bound,
which costs at worst one word and needs no alignment when the chunks are joined.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import samplerate
import soundfile
from numpy.typing import NDArray

from post_call.audio.activity import FRAME_MS, ChannelActivity, Span, to_int16
from post_call.audio.recording import open_recording, read_blocks
from post_call.audio.speech import SAMPLE_RATE

UTTERANCE_GAP_MS = 500
"""Shorter silence stays inside an utterance: the language model needs the words around it."""
MARGIN_MS = 200
"""Kept on either side of an utterance: the detector misses soft beginnings and ends."""
QUIET_FRAMES = 5
"""A cut looks for the quietest 150 ms, which no single closed consonant fills."""


@dataclass(frozen=True)
class Chunk:
    """Utterances of one channel, in order, as spans of the recording."""

    channel: int
    spans: list[Span]

    @property
    def duration_ms(self) -> int:
        return sum(end - begin for begin, end in self.spans)


def plan_chunks(channels: Sequence[ChannelActivity], *, max_chunk_ms: int) -> list[Chunk]:
    """Chunks that hold all speech once, none longer than `max_chunk_ms` (at least 1000).

    Ordered by channel, then by time. There are at most twice as many as the bound asks for, and
    one for each channel.
    """
    if max_chunk_ms < 1000:
        raise ValueError(f"a chunk of {max_chunk_ms} ms cannot hold a sentence")
    chunks: list[Chunk] = []
    for channel, activity in enumerate(channels):
        left_ms = 0
        for span in _bounded(_utterances(activity), activity.levels, max_chunk_ms):
            length = span[1] - span[0]
            if length > left_ms:
                chunks.append(Chunk(channel, []))
                left_ms = max_chunk_ms
            chunks[-1].spans.append(span)
            left_ms -= length
    return chunks


def chunk_audio(path: Path, chunks: Sequence[Chunk]) -> Iterator[tuple[int, bytes]]:
    """Each chunk's place in `chunks` with its audio: 16 kHz mono 16-bit FLAC, span after span.

    The recording is read once from the beginning, because seeking is not exact in every format;
    chunks come in the order in which they end.
    """
    with open_recording(path) as sound:
        waiting = {n: _Cutter(chunk, sound.samplerate) for n, chunk in enumerate(chunks)}
        begin = 0
        for block in read_blocks(sound):
            for cutter in waiting.values():
                cutter.take(block, begin)
            begin += len(block)
            for number in [n for n, cutter in waiting.items() if cutter.ends_before(begin)]:
                yield number, waiting.pop(number).flac()
    for number, cutter in waiting.items():
        yield number, cutter.flac()


def _utterances(activity: ChannelActivity) -> list[Span]:
    last_ms = len(activity.levels) * FRAME_MS
    utterances: list[Span] = []
    for begin, end in activity.speech:
        begin, end = max(0, begin - MARGIN_MS), min(last_ms, end + MARGIN_MS)
        if utterances and begin - utterances[-1][1] < UTTERANCE_GAP_MS - 2 * MARGIN_MS:
            utterances[-1] = (utterances[-1][0], end)
        else:
            utterances.append((begin, end))
    return utterances


def _bounded(spans: list[Span], levels: NDArray[np.float32], max_ms: int) -> list[Span]:
    """The same spans, those longer than `max_ms` cut in quiet places."""
    bounded: list[Span] = []
    for begin, end in spans:
        while end - begin > max_ms:
            cut = _quietest_ms(levels, begin + max_ms // 2, begin + max_ms)
            bounded.append((begin, cut))
            begin = cut
        bounded.append((begin, end))
    return bounded


def _quietest_ms(levels: NDArray[np.float32], begin_ms: int, end_ms: int) -> int:
    """The middle of the quietest `QUIET_FRAMES` within a part of the recording."""
    first = begin_ms // FRAME_MS + 1
    around = np.convolve(levels[first : end_ms // FRAME_MS], np.ones(QUIET_FRAMES), "valid")
    return (first + int(np.argmin(around)) + QUIET_FRAMES // 2) * FRAME_MS


class _Cutter:
    """Collects the samples of one chunk while its recording is read."""

    def __init__(self, chunk: Chunk, rate: int) -> None:
        self._chunk = chunk
        self._rate = rate
        self._frames = [(b * rate // 1000, e * rate // 1000) for b, e in chunk.spans]
        self._pieces: list[list[NDArray[np.float32]]] = [[] for _ in chunk.spans]

    def take(self, block: NDArray[np.float32], begin: int) -> None:
        """Keeps what the chunk needs of a block whose first frame is number `begin`."""
        end = begin + len(block)
        if end <= self._frames[0][0]:
            return
        for (first, last), pieces in zip(self._frames, self._pieces, strict=True):
            if first < end and last > begin:
                piece = block[max(first - begin, 0) : last - begin, self._chunk.channel]
                pieces.append(piece.copy())

    def ends_before(self, frame: int) -> bool:
        return self._frames[-1][1] <= frame

    def flac(self) -> bytes:
        spans = zip(self._chunk.spans, self._pieces, strict=True)
        samples = np.concatenate([self._resampled(span, pieces) for span, pieces in spans])
        flac = io.BytesIO()
        soundfile.write(flac, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        return flac.getvalue()

    def _resampled(self, span: Span, pieces: list[NDArray[np.float32]]) -> NDArray[np.int16]:
        """Exactly as many samples as the span has milliseconds, so that times add up."""
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        if self._rate != SAMPLE_RATE:
            samples = samplerate.resample(samples, SAMPLE_RATE / self._rate, "sinc_medium")
        length = (span[1] - span[0]) * SAMPLE_RATE // 1000
        return to_int16(np.pad(samples[:length], (0, max(0, length - len(samples)))))
