"""Speech and loudness of each channel."""

import re
from pathlib import Path

import numpy as np
import pytest
import samplerate
import soundfile

from post_call.audio import activity
from post_call.audio.activity import decibels, find_activity, speech_spans

SAMPLES = Path(__file__).parents[3] / "samples"
AGENT, CUSTOMER = 0, 1


def sample(name: str) -> Path:
    """The recording of a script in samples/."""
    script = (SAMPLES / f"{name}.script.md").read_text()
    return SAMPLES / re.search(r"^- file: (\S+)$", script, re.MULTILINE)[1]


def milliseconds(spans: list[tuple[int, int]]) -> set[int]:
    """Which hundredths of a second the spans cover."""
    return {moment for begin, end in spans for moment in range(begin // 10, end // 10)}


def steady(voiced: list[bool]) -> np.ndarray:
    return np.full(len(voiced), 80, np.float32)


def tone(path: Path, *, amplitude: float, seconds: float = 3, rate: int = 16_000) -> Path:
    wave = amplitude * np.sin(2 * np.pi * 400 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, wave, rate, subtype="FLOAT")
    return path


def test_finds_speech_where_the_sample_is_loud():
    path = sample("billing_resolved")
    frames, rate = soundfile.read(path)

    channels = find_activity(path)

    for channel, found in enumerate(channels):
        # The samples are silent between words, so loudness alone says where somebody speaks.
        windows = np.abs(frames[: len(frames) // 160 * 160, channel]).reshape(-1, rate // 100)
        loud = set(np.flatnonzero(windows.max(axis=1) > 0.02).tolist())
        heard = milliseconds(found.speech)
        assert len(loud & heard) / len(loud) > 0.97
        assert len(heard - loud) / len(heard) < 0.25


def test_hears_both_sides_while_one_interrupts_the_other():
    agent, customer = find_activity(sample("outage_unresolved"))

    overlap_ms = 10 * len(milliseconds(agent.speech) & milliseconds(customer.speech))

    assert 1000 < overlap_ms < 2500


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100])
def test_finds_the_same_speech_at_every_sample_rate(tmp_path, rate):
    frames, original_rate = soundfile.read(sample("delivery_status"), frames=10 * 16_000)
    path = tmp_path / "resampled.wav"
    soundfile.write(path, samplerate.resample(frames, rate / original_rate, "sinc_fastest"), rate)

    found = milliseconds(find_activity(path)[AGENT].speech)

    expected = milliseconds(find_activity(sample("delivery_status"))[AGENT].speech)
    expected = {moment for moment in expected if moment < 1000}
    assert len(found ^ expected) / len(expected) < 0.08


def test_spans_are_ordered_apart_and_inside_the_recording():
    for found in find_activity(sample("outage_unresolved")):
        edges = [edge for span in found.speech for edge in span]
        assert edges == sorted(set(edges))
        assert edges[0] >= 0
        assert edges[-1] <= soundfile.info(sample("outage_unresolved")).duration * 1000 + 30


def test_bridges_short_silences_and_drops_clicks():
    voiced = [False] * 10 + [True] * 5 + [False] * 4 + [True] * 5 + [False] * 20 + [True] * 2

    assert speech_spans(voiced, steady(voiced)) == [(300, 720)]


def test_keeps_long_silences_apart():
    voiced = [True] * 10 + [False] * 10 + [True] * 10

    assert speech_spans(voiced, steady(voiced)) == [(0, 300), (600, 900)]


def test_ignores_the_echo_of_the_other_side():
    voiced = [True] * 10 + [False] * 10 + [True] * 10
    levels = np.repeat(np.array([85, 20, 45], np.float32), 10)

    assert speech_spans(voiced, levels) == [(0, 300)]


def test_keeps_a_soft_word():
    voiced = [True] * 10 + [False] * 10 + [True] * 10
    levels = np.repeat(np.array([85, 20, 65], np.float32), 10)

    assert speech_spans(voiced, levels) == [(0, 300), (600, 900)]


def test_finds_no_speech_in_silence():
    assert speech_spans([False] * 10, np.zeros(10, np.float32)) == []


def test_counts_full_scale_as_a_hundred_decibels_and_each_halving_as_six_less(tmp_path):
    loud = find_activity(tone(tmp_path / "loud.wav", amplitude=1))[0].loudness
    halved = find_activity(tone(tmp_path / "halved.wav", amplitude=0.5))[0].loudness

    assert loud == pytest.approx([96.99] * 3, abs=0.02)
    assert halved == pytest.approx([90.97] * 3, abs=0.02)


def test_gives_one_loudness_for_every_second_begun_and_none_for_silence(tmp_path):
    path = tmp_path / "quiet.wav"
    soundfile.write(path, np.concatenate([np.zeros(32_000), np.full(8000, 0.1)]), 16_000)

    [channel] = find_activity(path)

    assert channel.loudness[:2] == [None, None]
    assert len(channel.loudness) == 3


def test_loudness_of_speech_lies_where_amazon_reports_it():
    for channel in find_activity(sample("billing_resolved")):
        spoken = [level for level in channel.loudness if level is not None]
        assert 70 < np.median(spoken) < 95


def test_decibels_stay_between_none_and_full_scale():
    assert decibels(np.zeros((1, 10), np.float32)).tolist() == [0]
    assert decibels(np.ones((1, 10), np.float32)).tolist() == [100]
    assert decibels(np.full((1, 10), 4.0, np.float32)).tolist() == [100]


def test_levels_cover_the_whole_recording(tmp_path):
    [channel] = find_activity(tone(tmp_path / "tone.wav", amplitude=0.5, seconds=20.01))

    assert len(channel.levels) * activity.FRAME_MS == 20_010
