"""Recognition of the sample calls, and what comes where the engine is not installed."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from post_call.audio import speech
from post_call.audio.activity import find_activity
from post_call.audio.speech import transcribe
from post_call.rules.word_errors import word_errors
from shared.errors import SpeechEngineMissing

SAMPLES = Path(__file__).parents[3] / "samples"


def spoken(name: str, *, begin_ms: int, end_ms: int, channel: int) -> bytes:
    """Part of one channel of a sample, as a chunk holds it."""
    script = (SAMPLES / f"{name}.script.md").read_text()
    path = SAMPLES / re.search(r"^- file: (\S+)$", script, re.MULTILINE)[1]
    frames, _ = soundfile.read(path, start=begin_ms * 16, stop=end_ms * 16, dtype="int16")
    return flac(frames[:, channel])


def flac(samples: np.ndarray) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, 16_000, format="FLAC")
    return content.getvalue()


def test_recognises_the_beginning_of_a_sample():
    chunk = spoken("outage_unresolved", begin_ms=400, end_ms=6600, channel=0)

    words = transcribe(chunk, [(400, 6600)])

    said = "Thank you for calling Blue River Internet. This is Chris. How can I help you?"
    assert word_errors(said, " ".join(word.content for word in words)).rate < 0.25


def test_times_are_of_the_recording_and_confidences_probabilities():
    chunk = spoken("outage_unresolved", begin_ms=400, end_ms=6600, channel=0)

    words = transcribe(chunk, [(100_400, 103_400), (250_000, 253_200)])

    edges = [edge for word in words for edge in (word.begin_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert all(
        100_400 <= w.begin_ms < w.end_ms <= 103_400 or 250_000 <= w.begin_ms < w.end_ms <= 253_200
        for w in words
    )
    assert {w.begin_ms >= 250_000 for w in words} == {True, False}
    assert all(0 <= word.confidence <= 1 for word in words)


def test_words_are_words_only():
    chunk = spoken("billing_resolved", begin_ms=19_000, end_ms=24_000, channel=1)

    words = transcribe(chunk, [(19_000, 24_000)])

    assert words
    assert all(re.fullmatch(r"[a-z][a-z'.-]*", word.content) for word in words)


def test_the_same_audio_gives_the_same_words_whatever_came_before():
    first = spoken("billing_resolved", begin_ms=400, end_ms=3400, channel=0)
    other = spoken("outage_unresolved", begin_ms=7000, end_ms=9000, channel=1)

    before = transcribe(first, [(0, 3000)])
    transcribe(other, [(0, 2000)])

    assert transcribe(first, [(0, 3000)]) == before


@pytest.fixture
def without_engine(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    speech._decoder.cache_clear()
    yield
    speech._decoder.cache_clear()


@pytest.mark.usefixtures("without_engine")
def test_invents_nothing_where_the_engine_is_not_installed():
    with pytest.raises(SpeechEngineMissing, match=r"make deploy.*sam build"):
        transcribe(flac(np.zeros(16_000, np.int16)), [(0, 1000)])


@pytest.mark.usefixtures("without_engine")
def test_voice_activity_names_the_missing_engine_too():
    with pytest.raises(SpeechEngineMissing):
        find_activity(next(SAMPLES.glob("*.flac")))


def test_says_so_where_the_model_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("POCKETSPHINX_PATH", str(tmp_path))
    speech._decoder.cache_clear()

    with pytest.raises(SpeechEngineMissing, match="make deploy"):
        transcribe(flac(np.zeros(16_000, np.int16)), [(0, 1000)])

    speech._decoder.cache_clear()


def test_every_word_of_the_scripts_is_in_the_dictionary():
    decoder = speech._decoder()
    for script in SAMPLES.glob("*.script.md"):
        said = " ".join(re.findall(r"^(?:AGENT|CUSTOMER): (.+)$", script.read_text(), re.MULTILINE))
        words = set(re.findall(r"[a-z']+", said.lower()))
        assert {word for word in words if decoder.lookup_word(word) is None} == set()
