"""How analysing steps read a transcript and leave their result, and what holds for each of them."""

import json

import pytest

from post_call.analysis import leave_result, read_transcript
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .calls import WORDS_OF_CUSTOMERS, any_transcript

STEPS = (
    "post_call.categorise_call",
    "post_call.find_personal_data",
    "post_call.measure_conversation",
    "post_call.score_sentiment",
    "post_call.summarise_call",
)


@pytest.fixture(params=STEPS)
def module_name(request):
    return request.param


@pytest.fixture
def event(event_of, cloud, module_name):
    event = event_of(module_name)
    cloud.put_json(event["transcript"], any_transcript())
    return event


def test_leaves_a_result_under_its_name_beside_the_transcript(cloud, event_of):
    event = event_of("post_call.score_sentiment")

    output = leave_result(event, "any_name", {"any": "ü"})

    assert output["document"] == {
        "bucket": cloud.name("TranscriptsBucket"),
        "key": f"work/{event['call_id']}/1/any_name.json",
    }
    assert cloud.read_json(output["document"]) == {"any": "ü"}


def test_reads_the_transcript_that_the_event_points_at(cloud, event_of):
    event = event_of("post_call.score_sentiment")
    transcript = any_transcript()
    cloud.put_json(event["transcript"], transcript)

    assert read_transcript(event) == transcript


def test_gives_the_same_result_when_it_runs_twice(step, module_name, event, cloud, context):
    module = step(module_name)
    first = cloud.read_json(module.handler(event, context)["document"])

    second = cloud.read_json(module.handler(event, context)["document"])

    assert first == second


def test_takes_a_call_in_which_nobody_speaks(step, module_name, event, cloud, context):
    cloud.put_json(
        event["transcript"],
        {**any_transcript(), "Transcript": [], "Aftercall": {"duration_ms": 1000}},
    )

    output = step(module_name).handler(event, context)

    assert cloud.read_json(output["document"])


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_asks_for_another_try_when_s3_slows_down(
    step, module_name, event, context, intercept, operation
):
    intercept(operation, before=fails_with("SlowDown", status=503))

    with pytest.raises(TransientError, match=r"^SlowDown: "):
        step(module_name).handler(event, context)


def test_neither_output_nor_log_has_a_word_of_the_customer(
    step, module_name, event, context, capsys
):
    output = step(module_name).handler(event, context)

    told = json.dumps(output) + capsys.readouterr().out
    assert [word for word in WORDS_OF_CUSTOMERS if word in told] == []
