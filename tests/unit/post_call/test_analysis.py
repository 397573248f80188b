"""How analysing steps read a transcript and leave their result."""

from post_call.analysis import leave_result, read_transcript

from .calls import any_transcript


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
