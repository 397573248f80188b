"""What probe accepts, and how it says what is wrong with the rest."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from post_call.audio.recording import open_recording, probe, read_blocks
from shared.errors import (
    RecordingEmpty,
    RecordingHeaderless,
    RecordingNotAudio,
    RecordingTooLong,
    RecordingTruncated,
    RecordingUnsupported,
)

REPOSITORY = Path(__file__).parents[3]
REAL_CALLS = REPOSITORY.parent / "shared" / "data" / "calls"
FORMATS = [
    # suffix, container, encoding, sample rate, channels
    (".wav", "WAV", "PCM_16", 16_000, 2),
    (".wav", "WAV", "PCM_24", 44_100, 1),
    (".wav", "WAVEX", "PCM_16", 16_000, 2),
    (".wav", "WAV", "ULAW", 8000, 2),
    (".wav", "WAV", "ALAW", 8000, 2),
    (".wav", "WAV", "GSM610", 8000, 1),
    (".wav", "RF64", "PCM_16", 16_000, 2),
    (".flac", "FLAC", "PCM_16", 16_000, 2),
    (".ogg", "OGG", "VORBIS", 16_000, 2),
    (".opus", "OGG", "OPUS", 16_000, 2),
    (".mp3", "MP3", "MPEG_LAYER_III", 16_000, 2),
]


def any_audio(*, seconds: float = 3, rate: int = 16_000, channels: int = 2) -> np.ndarray:
    """Noise, which no encoder can shrink to nothing: int16 frames."""
    frames = np.random.default_rng(7).normal(0, 3000, (round(seconds * rate), channels))
    return frames.astype(np.int16)


def recording_file(
    folder: Path,
    frames: np.ndarray,
    *,
    suffix: str = ".wav",
    container: str = "WAV",
    encoding: str = "PCM_16",
    rate: int = 16_000,
) -> Path:
    path = folder / f"recording{suffix}"
    soundfile.write(path, frames, rate, format=container, subtype=encoding)
    return path


def wav_bytes(frames: np.ndarray, *, data_size: int, rate: int = 16_000) -> bytes:
    """A stereo WAV that says its data has a size, whatever it has."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, rate, rate * 4, 4, 16)
    riff = struct.pack("<4sI4s", b"RIFF", min(36 + data_size, 0xFFFFFFFF), b"WAVE")
    return riff + fmt + struct.pack("<4sI", b"data", data_size) + frames.astype("<i2").tobytes()


def cut(path: Path, *, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


@pytest.mark.parametrize(("suffix", "container", "encoding", "rate", "channels"), FORMATS)
def test_says_what_a_whole_recording_is(tmp_path, suffix, container, encoding, rate, channels):
    frames = any_audio(seconds=3, rate=rate, channels=channels)
    path = recording_file(
        tmp_path, frames, suffix=suffix, container=container, encoding=encoding, rate=rate
    )

    recording = probe(path, name=path.name, max_seconds=60)

    assert (recording.format, recording.subtype) == (container, encoding)
    assert (recording.sample_rate, recording.channels) == (rate, channels)
    assert recording.duration_ms == pytest.approx(3000, abs=100)


@pytest.mark.parametrize(
    ("suffix", "container", "encoding", "rate", "channels"),
    # libsndfile shortens a cut RF64 file without a word; recorders write it beyond 4 GB only.
    [each for each in FORMATS if each[1] != "RF64"],
)
def test_tells_a_cut_recording_from_a_short_one(
    tmp_path, suffix, container, encoding, rate, channels
):
    frames = any_audio(seconds=3, rate=rate, channels=channels)
    path = recording_file(
        tmp_path, frames, suffix=suffix, container=container, encoding=encoding, rate=rate
    )

    with pytest.raises(RecordingTruncated, match="send the recording again"):
        probe(cut(path, keep=0.7), name=path.name, max_seconds=60)


@pytest.mark.parametrize("data_size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_reads_a_wav_whose_recorder_never_wrote_its_size(tmp_path, data_size):
    frames = any_audio(seconds=2)
    path = tmp_path / "streamed.wav"
    path.write_bytes(wav_bytes(frames, data_size=data_size))

    recording = probe(path, name=path.name, max_seconds=60)

    assert recording.duration_ms == 2000
    with open_recording(path) as sound:
        heard = np.concatenate(list(read_blocks(sound)))
    assert np.array_equal(np.round(heard * 32_768).astype(np.int16), frames)


def test_forgives_a_recorder_that_counts_its_header_as_audio(tmp_path):
    frames = any_audio(seconds=1)
    path = tmp_path / "miscounted.wav"
    path.write_bytes(wav_bytes(frames, data_size=frames.nbytes + 44))

    assert probe(path, name=path.name, max_seconds=60).duration_ms == 1000


def test_refuses_a_file_without_bytes(tmp_path):
    path = tmp_path / "call.wav"
    path.touch()

    with pytest.raises(RecordingEmpty, match="no bytes"):
        probe(path, name=path.name, max_seconds=60)


def test_refuses_a_header_without_audio(tmp_path):
    path = recording_file(tmp_path, any_audio(seconds=0))

    with pytest.raises(RecordingEmpty, match="no audio"):
        probe(path, name=path.name, max_seconds=60)


@pytest.mark.parametrize("name", ["call.wav", "call.WAV", "call.flac", "call.ogg", "call.mp3"])
def test_refuses_raw_samples_under_a_name_that_promises_a_header(tmp_path, name):
    path = tmp_path / "object"
    path.write_bytes(any_audio(seconds=1).tobytes())

    with pytest.raises(RecordingHeaderless, match="write it with its header"):
        probe(path, name=name, max_seconds=60)


def test_refuses_bytes_that_are_no_audio(tmp_path):
    path = tmp_path / "object"
    path.write_text("Dear customer,\n" * 100)

    with pytest.raises(RecordingNotAudio, match="convert the recording"):
        probe(path, name="letter.txt", max_seconds=60)


def test_refuses_a_header_with_rubbish_behind_it(tmp_path):
    path = tmp_path / "object"
    path.write_bytes(b"RIFF\x00\x00\x00\x00WAVE" + b"rubbish!" * 50)

    with pytest.raises(RecordingNotAudio):
        probe(path, name="call.wav", max_seconds=60)


def test_refuses_more_channels_than_a_call_has_sides(tmp_path):
    path = recording_file(tmp_path, any_audio(seconds=1, channels=3))

    with pytest.raises(RecordingUnsupported, match="3 channels"):
        probe(path, name=path.name, max_seconds=60)


def test_refuses_a_recording_longer_than_the_limit(tmp_path):
    path = recording_file(tmp_path, any_audio(seconds=3))

    with pytest.raises(RecordingTooLong, match="plays 3 s and the limit is 2 s"):
        probe(path, name=path.name, max_seconds=2)


def test_trusts_the_bytes_when_the_name_says_another_container(tmp_path):
    path = recording_file(tmp_path, any_audio(), suffix=".flac", container="FLAC")

    assert probe(path, name="call.wav", max_seconds=60).format == "FLAC"


def test_messages_keep_the_name_of_the_recording_to_themselves(tmp_path):
    path = recording_file(tmp_path, any_audio(seconds=2))
    path = cut(path, keep=0.5).rename(tmp_path / "JaneDoe.wav")

    with pytest.raises(RecordingTruncated) as caught:
        probe(path, name="JaneDoe.wav", max_seconds=60)

    assert "JaneDoe" not in str(caught.value)


def test_reads_a_recording_block_by_block(tmp_path):
    frames = any_audio(seconds=25, rate=8000)
    path = recording_file(tmp_path, frames, rate=8000)

    with open_recording(path) as sound:
        blocks = list(read_blocks(sound))

    assert [len(block) for block in blocks] == [72_000, 72_000, 56_000]
    assert np.array_equal(np.round(np.concatenate(blocks) * 32_768).astype(np.int16), frames)


def test_refuses_the_broken_sample():
    [path] = (REPOSITORY / "samples" / "broken").iterdir()

    with pytest.raises(RecordingTruncated):
        probe(path, name=path.name, max_seconds=600)


@pytest.mark.skipif(not REAL_CALLS.exists(), reason="the recordings of real calls are not here")
@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("auto_repairs_40_stereo.wav", "PCM_16"),
        ("mpeg_sample1.mp3", "MPEG_LAYER_III"),
        ("test_audio.mp3", "MPEG_LAYER_III"),
        ("whatstheweatherlike.opus", "OPUS"),
    ],
)
def test_accepts_recordings_from_the_field(name, subtype):
    assert probe(REAL_CALLS / name, name=name, max_seconds=600).subtype == subtype


@pytest.mark.skipif(not REAL_CALLS.exists(), reason="the recordings of real calls are not here")
def test_refuses_the_headerless_recording_from_the_field():
    path = REAL_CALLS / "missing_wav_header.wav"

    with pytest.raises(RecordingHeaderless):
        probe(path, name=path.name, max_seconds=600)
