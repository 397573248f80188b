"""How speech is cut into chunks, and that nothing of it is lost on the way."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from post_call.audio.activity import FRAME_MS, ChannelActivity, find_activity
from post_call.audio.chunks import Chunk, chunk_audio, plan_chunks


def any_activity(
    speech: list[tuple[int, int]], *, seconds: int = 600, quiet_at_ms: int | None = None
) -> ChannelActivity:
    levels = np.full(seconds * 1000 // FRAME_MS, 80, np.float32)
    if quiet_at_ms is not None:
        middle = quiet_at_ms // FRAME_MS
        levels[middle - 2 : middle + 3] = 20
    return ChannelActivity(speech, [], levels)


@st.composite
def activities(draw: st.DrawFn) -> ChannelActivity:
    """Alternating silence and speech of any length, up to ten minutes."""
    lengths = draw(st.lists(st.integers(3, 1500), max_size=12))
    frames = np.cumsum([0, *lengths]) * FRAME_MS
    speech = [(int(a), int(b)) for a, b in zip(frames[1::2], frames[2::2], strict=False)]
    levels = draw(st.integers(0, 2**32 - 1).map(np.random.default_rng)).uniform(
        0, 100, int(frames[-1]) // FRAME_MS
    )
    return ChannelActivity(speech, [], levels.astype(np.float32))


@settings(max_examples=150, deadline=None)
@given(channels=st.lists(activities(), max_size=2), max_chunk_ms=st.integers(1000, 60_000))
def test_chunks_hold_all_speech_once_within_the_bound(channels, max_chunk_ms):
    chunks = plan_chunks(channels, max_chunk_ms=max_chunk_ms)

    assert all(0 < chunk.duration_ms <= max_chunk_ms for chunk in chunks)
    for channel, activity in enumerate(channels):
        spans = [span for chunk in chunks if chunk.channel == channel for span in chunk.spans]
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        held = {ms for begin, end in spans for ms in range(begin, end, 10)}
        held = {ms // 10 for ms in held} | {(ms + 9) // 10 for ms in held}
        spoken = {ms // 10 for begin, end in activity.speech for ms in range(begin, end, 10)}
        assert spoken <= held
        length_ms = sum(end - begin for begin, end in spans)
        count = sum(chunk.channel == channel for chunk in chunks)
        assert count <= 2 * length_ms / max_chunk_ms + 1


def test_joins_utterances_that_belong_together_and_keeps_a_margin():
    [chunk] = plan_chunks(
        [any_activity([(1000, 2000), (2400, 3000), (9000, 9500)])], max_chunk_ms=60_000
    )

    assert chunk.spans == [(800, 3200), (8800, 9700)]


def test_margins_stay_inside_the_recording():
    [chunk] = plan_chunks([any_activity([(90, 2970)], seconds=3)], max_chunk_ms=60_000)

    assert chunk.spans == [(0, 3000)]


def test_cuts_between_utterances_when_a_chunk_is_full():
    speech = [(second * 1000 + 200, second * 1000 + 5800) for second in range(0, 60, 10)]

    chunks = plan_chunks([any_activity(speech)], max_chunk_ms=20_000)

    assert [len(chunk.spans) for chunk in chunks] == [3, 3]


def test_cuts_a_monologue_where_it_is_quietest():
    activity = any_activity([(1000, 50_000)], quiet_at_ms=25_500)

    first, second = plan_chunks([activity], max_chunk_ms=30_000)

    assert first.spans[-1][1] == second.spans[0][0] == 25_500


def test_puts_each_channel_into_chunks_of_its_own():
    both = [any_activity([(1000, 2000)]), any_activity([(1000, 2000)])]

    assert [chunk.channel for chunk in plan_chunks(both, max_chunk_ms=60_000)] == [0, 1]


def test_plans_nothing_for_silence():
    assert plan_chunks([any_activity([]), any_activity([])], max_chunk_ms=60_000) == []


def test_refuses_a_bound_that_no_sentence_fits_into():
    with pytest.raises(ValueError, match="999 ms"):
        plan_chunks([], max_chunk_ms=999)


@pytest.mark.parametrize(
    ("suffix", "encoding", "rate"),
    [
        (".wav", "PCM_16", 16_000),
        (".wav", "PCM_16", 8000),
        (".wav", "PCM_16", 44_100),
        (".wav", "ULAW", 8000),
        (".wav", "ALAW", 8000),
        (".wav", "GSM610", 8000),
        (".flac", "PCM_16", 44_100),
        (".ogg", "VORBIS", 16_000),
        (".ogg", "OPUS", 16_000),
        (".mp3", "MPEG_LAYER_III", 16_000),
    ],
)
def test_audio_of_a_chunk_is_what_its_spans_say(tmp_path, suffix, encoding, rate):
    """A tone whose frequency rises says of each sample where it came from."""
    path = tmp_path / f"sweep{suffix}"
    soundfile.write(path, sweep(rate, 30), rate, subtype=encoding)
    chunk = Chunk(0, [(1000, 2500), (12_340, 13_340), (29_000, 29_500)])

    samples, chunk_rate = soundfile.read(io.BytesIO(next(chunk_audio(path, [chunk]))[1]))

    assert (chunk_rate, len(samples)) == (16_000, chunk.duration_ms * 16)
    expected = np.concatenate([sweep(16_000, 30)[b * 16 : e * 16] for b, e in chunk.spans])
    # The edges of a span have no neighbours to be resampled from, so they are left out.
    for begin, end in ((200, 23_800), (24_200, 39_800), (40_200, 47_800)):
        error = samples[begin:end] - expected[begin:end]
        assert np.sqrt(np.mean(error**2)) < 0.02


def sweep(rate: int, seconds: int) -> np.ndarray:
    """From 200 to 1000 Hz, half of full scale."""
    time = np.arange(rate * seconds) / rate
    return 0.5 * np.sin(2 * np.pi * (200 * time + 400 * time**2 / seconds))


def test_takes_the_channel_that_the_chunk_names(tmp_path):
    path = tmp_path / "stereo.wav"
    frames = np.column_stack([np.full(16_000, 0.25), np.full(16_000, -0.25)])
    soundfile.write(path, frames, 16_000)

    chunks = [Chunk(0, [(100, 900)]), Chunk(1, [(50, 800)])]

    audio = dict(chunk_audio(path, chunks))

    for number, expected in enumerate((0.25, -0.25)):
        samples, _ = soundfile.read(io.BytesIO(audio[number]))
        assert np.allclose(samples, expected, atol=1e-3)


def test_a_whole_sample_fits_into_few_chunks():
    samples = Path(__file__).parents[3] / "samples"
    for path in samples.glob("*.flac"):
        assert len(plan_chunks(find_activity(path), max_chunk_ms=30_000)) <= 5
