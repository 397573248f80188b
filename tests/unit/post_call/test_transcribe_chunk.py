"""One chunk to words; how words are recognised has tests of its own."""

import json

import pytest

from post_call.rules.turns import Word
from shared.errors import SpeechEngineMissing, TransientError
from tests.unit.aws_errors import fails_with, raises

from .calls import work_document

MODULE = "post_call.transcribe_chunk"
AUDIO = b"any audio"
SPANS = [[400, 900], [1500, 2000]]


@pytest.fixture
def event(event_of, cloud):
    """The event of a chunk that Plan Chunks has left."""
    event = event_of(MODULE)
    cloud.put_json(work_document(event, "chunks/0.spans.json"), {"spans": SPANS})
    audio = work_document(event, "chunks/0.flac")
    cloud.s3.put_object(Bucket=audio["bucket"], Key=audio["key"], Body=AUDIO)
    return event


@pytest.fixture
def module(step, monkeypatch):
    """The step with an engine that hears the same two words everywhere."""

    def transcribe(flac, spans):
        assert (flac, spans) == (AUDIO, SPANS)
        return [Word("peter", 400, 700, 0.9), Word("miller", 1500, 1800, 0.5)]

    module = step(MODULE)
    monkeypatch.setattr(module, "transcribe", transcribe)
    return module


def test_leaves_the_words_beside_the_chunk(module, event, cloud, context):
    output = module.handler(event, context)

    assert output == {"words": work_document(event, "chunks/0.words.json")}
    assert cloud.read_json(output["words"]) == [
        {"content": "peter", "begin_ms": 400, "end_ms": 700, "confidence": 0.9},
        {"content": "miller", "begin_ms": 1500, "end_ms": 1800, "confidence": 0.5},
    ]


def test_leaves_an_empty_list_where_nothing_was_understood(
    module, event, cloud, context, monkeypatch
):
    monkeypatch.setattr(module, "transcribe", lambda flac, spans: [])

    output = module.handler(event, context)

    assert cloud.read_json(output["words"]) == []


def test_leaves_the_same_words_when_it_runs_twice(module, event, cloud, context):
    first = cloud.read_json(module.handler(event, context)["words"])

    assert cloud.read_json(module.handler(event, context)["words"]) == first


def test_raises_the_engines_own_error(module, event, context, monkeypatch):
    fail = raises(SpeechEngineMissing("any"))
    monkeypatch.setattr(module, "transcribe", lambda flac, spans: fail())

    with pytest.raises(SpeechEngineMissing):
        module.handler(event, context)


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_asks_for_another_try_when_s3_slows_down(module, event, context, intercept, operation):
    intercept(operation, before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        module.handler(event, context)


def test_neither_output_nor_log_has_a_word_that_was_said(module, event, context, capsys):
    output = module.handler(event, context)

    logged = capsys.readouterr().out
    assert '"words":2' in logged
    assert "miller" not in logged + json.dumps(output)
