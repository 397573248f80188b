"""What a recording is, found out before any work is spent on it.

libsndfile decides what can be read (wav, flac, ogg Vorbis and Opus, mp3 and some older formats).
What it hides is checked here: it silently shortens a WAV whose data ends early, and it only notices
a broken FLAC or MP3 while decoding. An MP3 whose first frame counts no frames, and an Ogg cut
exactly between two pages, cannot be told from short ones. Messages never hold the name of the
object: names can hold people's names, and messages end in execution histories.
"""

import io
import os
from collections.abc import Buffer, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from shared.errors import (
    RecordingEmpty,
    RecordingHeaderless,
    RecordingNotAudio,
    RecordingTooLong,
    RecordingTruncated,
    RecordingUnsupported,
)

BLOCK_SECONDS = 9
"""A whole number of voice activity frames, see activity.py."""
STREAMED_SIZE = 0x7FFFF000
"""From here on a WAV's data size is what a streaming recorder writes, not a size; so is 0."""
SLACK_BYTES = 1024
"""Recorders miscount by a header or a block; less than this missing is no broken upload."""
HEADERS = {
    ".wav": (b"RIFF", b"RIFX", b"RF64"),
    ".flac": (b"fLaC", b"ID3"),
    ".ogg": (b"OggS",),
    ".opus": (b"OggS",),
    ".mp3": (b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2"),
}
LARGEST_OGG_PAGE = 65_307
BROKEN_OFF = "the upload broke off, send the recording again"


@dataclass(frozen=True)
class Recording:
    """A readable recording; `format` and `subtype` in libsndfile's words, such as WAV and ULAW."""

    format: str
    subtype: str
    channels: int
    sample_rate: int
    duration_ms: int


def probe(path: Path, *, name: str, max_seconds: int) -> Recording:
    """Says what a recording is, after reading as much of it as proves that it is whole.

    `path` is where its bytes are, `name` what it is called (only the suffix is looked at).
    Raises RecordingEmpty, RecordingHeaderless, RecordingNotAudio, RecordingUnsupported,
    RecordingTruncated or RecordingTooLong; each message says what is wrong and what to do.
    """
    if path.stat().st_size == 0:
        raise RecordingEmpty("the file has no bytes: export the recording again")
    try:
        sound = open_recording(path)
    except soundfile.LibsndfileError as error:
        _check_header(path, Path(name).suffix.lower())
        raise RecordingNotAudio(
            f"the decoder cannot read this file ({error.error_string.strip()}): "
            "convert the recording to wav, flac, ogg or mp3"
        ) from error
    with sound:
        if sound.channels > 2:
            raise RecordingUnsupported(
                f"the recording has {sound.channels} channels and at most 2 can be told apart: "
                "export it with one channel for each side of the call"
            )
        if sound.frames > max_seconds * sound.samplerate:
            raise RecordingTooLong(
                f"the recording plays {sound.frames // sound.samplerate} s and the limit is "
                f"{max_seconds} s: split it, or raise the limit"
            )
        _check_whole(sound, path)
        if sound.frames == 0:
            raise RecordingEmpty("the file has a header and no audio: export the recording again")
        return Recording(
            format=sound.format,
            subtype=sound.subtype,
            channels=sound.channels,
            sample_rate=sound.samplerate,
            duration_ms=round(sound.frames * 1000 / sound.samplerate),
        )


def open_recording(path: Path) -> soundfile.SoundFile:
    """A recording opened for reading, whatever its container; raises LibsndfileError."""
    data = _wav_data(path)
    if data and data.promised == 0 and data.held:
        return soundfile.SoundFile(_StreamedWav(path, data))
    return soundfile.SoundFile(path)


def read_blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """The frames of an open recording in blocks of shape (frames, channels), samples in -1..1.

    Each block but the last holds `BLOCK_SECONDS`, so a recording of any length fits in memory.
    There is no way to begin later: libsndfile cannot seek in GSM, and misses in Vorbis and MP3.
    """
    while len(block := sound.read(BLOCK_SECONDS * sound.samplerate, "float32", always_2d=True)):
        yield block


def _check_header(path: Path, suffix: str) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if suffix in HEADERS and not start.startswith(HEADERS[suffix]):
        raise RecordingHeaderless(
            f"the name ends in {suffix} and the file does not begin as such a file does (raw "
            "samples, or something else under that name): write it with its header"
        )


def _check_whole(sound: soundfile.SoundFile, path: Path) -> None:
    """Raises RecordingTruncated where less audio is there than the container promises."""
    if data := _wav_data(path):
        if data.promised - data.held > SLACK_BYTES and data.promised < STREAMED_SIZE:
            raise RecordingTruncated(
                f"the header promises {data.promised} bytes of audio and the file holds "
                f"{data.held}: {BROKEN_OFF}"
            )
        return
    if sound.format == "OGG" and _last_page_is_cut(path):
        raise RecordingTruncated(f"the last Ogg page is incomplete: {BROKEN_OFF}")
    _check_decodes(sound)


def _check_decodes(sound: soundfile.SoundFile) -> None:
    """Decodes everything, as compressed audio shows only so that it is all there."""
    decoded = 0
    try:
        while len(block := sound.read(BLOCK_SECONDS * sound.samplerate, dtype="int16")):
            decoded += len(block)
    except soundfile.LibsndfileError as error:
        raise RecordingTruncated(
            f"decoding breaks off near {decoded // sound.samplerate} s: {BROKEN_OFF}"
        ) from error
    if decoded < sound.frames:
        raise RecordingTruncated(
            f"the header promises {sound.frames / sound.samplerate:.1f} s and only "
            f"{decoded / sound.samplerate:.1f} s can be decoded: {BROKEN_OFF}"
        )


def _last_page_is_cut(path: Path) -> bool:
    """Whether the file ends inside an Ogg page (RFC 3533)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LARGEST_OGG_PAGE))
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


@dataclass(frozen=True)
class _WavData:
    """The data chunk of a WAV: where its size stands, the size, and the bytes that follow."""

    size_at: int
    promised: int
    held: int


def _wav_data(path: Path) -> _WavData | None:
    """The data chunk of a little-endian RIFF file; None for every other file."""
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return None
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                begin = file.tell()
                return _WavData(begin - 4, length, path.stat().st_size - begin)
            file.seek(length + length % 2, os.SEEK_CUR)
    return None


class _StreamedWav(io.FileIO):
    """A WAV whose recorder never came back to write the data size, read as if it had.

    libsndfile takes a size of 0 for an empty file.
    """

    def __init__(self, path: Path, data: _WavData) -> None:
        super().__init__(path, "r")
        self._size_at = data.size_at
        self._size = data.held.to_bytes(4, "little")

    def readinto(self, buffer: Buffer) -> int | None:
        begin = self.tell()
        count = super().readinto(buffer)
        view = memoryview(buffer).cast("B")
        for offset, byte in enumerate(self._size, self._size_at - begin):
            if 0 <= offset < (count or 0):
                view[offset] = byte
        return count
