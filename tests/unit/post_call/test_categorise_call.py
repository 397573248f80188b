"""Categories and findings, left by the step."""

import pytest

from .calls import any_transcript, work_document

MODULE = "post_call.categorise_call"


@pytest.fixture
def event(event_of, cloud):
    event = event_of(MODULE)
    cloud.put_json(event["transcript"], any_transcript())
    return event


def test_leaves_its_result_among_the_documents_of_the_attempt(step, event, cloud, context):
    output = step(MODULE).handler(event, context)

    assert output == {"document": work_document(event, "categories.json")}
    result = cloud.read_json(output["document"])
    assert "CancellationRisk" in result["categories"]["MatchedCategories"]
    assert result["findings"]["call_backs"]
