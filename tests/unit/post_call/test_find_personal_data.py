"""Where personal data is spoken, left by the step."""

import json

import pytest

from .calls import any_transcript, work_document

MODULE = "post_call.find_personal_data"


@pytest.fixture
def event(event_of, cloud):
    event = event_of(MODULE)
    cloud.put_json(event["transcript"], any_transcript())
    return event


def test_leaves_its_result_among_the_documents_of_the_attempt(step, event, cloud, context):
    output = step(MODULE).handler(event, context)

    assert output == {"document": work_document(event, "personal_data.json")}
    result = cloud.read_json(output["document"])
    assert "t4" in {span["turn_id"] for span in result["spans"]}
    assert "4111" not in json.dumps(result)
