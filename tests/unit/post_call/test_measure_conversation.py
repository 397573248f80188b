"""Who talked how long, left by the step."""

import pytest

from .calls import any_transcript, work_document

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
