"""Who talked how long, left by the step."""

import json

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .calls import WORDS_OF_CUSTOMERS, any_transcript, work_document

MODULE = "post_call.measure_conversation"
DURATION = any_transcript()["Aftercall"]["duration_ms"]


@pytest.fixture
def event(event_of, cloud):
    event = event_of(MODULE)
    cloud.put_json(event["transcript"], any_transcript())
    return event


def test_leaves_its_result_among_the_documents_of_the_attempt(step, event, cloud, context):
    output = step(MODULE).handler(event, context)

    assert output == {"document": work_document(event, "measures.json")}
    result = cloud.read_json(output["document"])
    assert result["TotalConversationDurationMillis"] == DURATION
    assert set(result["TalkTime"]["DetailsByParticipant"]) == {"AGENT", "CUSTOMER"}


def test_gives_the_same_result_when_it_runs_twice(step, event, cloud, context):
    module = step(MODULE)
    first = cloud.read_json(module.handler(event, context)["document"])

    second = cloud.read_json(module.handler(event, context)["document"])

    assert first == second


def test_takes_a_call_in_which_nobody_speaks(step, event, cloud, context):
    cloud.put_json(
        event["transcript"],
        {**any_transcript(), "Transcript": [], "Aftercall": {"duration_ms": 1000}},
    )

    output = step(MODULE).handler(event, context)

    assert cloud.read_json(output["document"])


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_asks_for_another_try_when_s3_slows_down(step, event, context, intercept, operation):
    intercept(operation, before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        step(MODULE).handler(event, context)


def test_neither_output_nor_log_has_a_word_of_the_customer(step, event, context, capsys):
    output = step(MODULE).handler(event, context)

    told = json.dumps(output) + capsys.readouterr().out
    assert [word for word in WORDS_OF_CUSTOMERS if word in told] == []
