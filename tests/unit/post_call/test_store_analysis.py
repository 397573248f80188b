"""Storing an analysis: once, only for the owner, and redacted."""

import json

import pytest

from shared.errors import ClaimLost, TransientError
from tests.unit.aws_errors import fails_with, raises, reply_is_lost

from .calls import (
    WORDS_OF_CUSTOMERS,
    any_recording_document,
    any_transcript,
    put_call,
    query,
    row_of,
    work_document,
)

MODULE = "post_call.store_analysis"
ANALYSING = (
    "measure_conversation",
    "score_sentiment",
    "find_personal_data",
    "categorise_call",
    "summarise_call",
)
OTHER = "arn:aws:states:us-east-1:123456789012:execution:aftercall-PostCallStateMachine:other"


@pytest.fixture
def event(event_of, step, cloud, context):
    """The event of a call that this execution owns, with what the steps before it left."""
    event = event_of(MODULE)
    leave_analyses(event, step, cloud, context)
    put_call(cloud, event["call_id"], event["execution_arn"])
    return event


@pytest.fixture
def module(event, step):
    return step(MODULE)


def leave_analyses(event, step, cloud, context, *said) -> None:
    cloud.put_json(event["transcript"], any_transcript(*said))
    cloud.put_json(work_document(event, "recording.json"), any_recording_document(event))
    for name in ANALYSING:
        step(f"post_call.{name}").handler(event, context)


def calls_of_category(cloud, category: str) -> list[str]:
    return [item["call_id"] for item in query(cloud, "by_category", "category", category)]


def test_leaves_one_document_and_one_row_and_tells_where(module, event, cloud, context):
    output = module.handler(event, context)

    row = row_of(cloud, event["call_id"])
    assert output["call_id"] == event["call_id"]
    assert output["analysis"] == {
        "bucket": cloud.name("AnalysesBucket"),
        "key": f"analyses/{event['call_id']}/1.json",
    }
    assert (row["state"], row["analysis_version"], row["day"]) == ("ANALYSED", 1, "2026-03-02")
    assert (row["agent"], row["customer_id"], row["guid"]) == ("SarahK", "1001", "7f3a01")
    assert output["needs_follow_up"] is True
    assert output["follow_up_reasons"] == row["follow_up_reasons"]
    assert "cancellation_risk" in output["follow_up_reasons"]
    assert output["stored_at"] == row["stored_at"]
    document = cloud.read_json(output["analysis"])
    assert document["Aftercall"]["metadata"] == any_recording_document(event)["metadata"]
    json.dumps(output)


def test_redacts_the_analysis_and_keeps_the_original_apart(module, event, cloud, context):
    output = module.handler(event, context)

    analysis = json.dumps(cloud.read_json(output["analysis"]))
    row = row_of(cloud, event["call_id"])
    original = cloud.read_json({"bucket": row["transcript_bucket"], "key": row["transcript_key"]})
    assert "4111" not in analysis
    assert "4111" in json.dumps(original)
    assert row["transcript_bucket"] == cloud.name("TranscriptsBucket")
    assert row["transcript_bucket"] != output["analysis"]["bucket"]


@pytest.mark.parametrize(
    ("index", "attribute", "value"),
    [
        ("by_day", "day", "2026-03-02"),
        ("by_agent", "agent", "SarahK"),
        ("by_customer", "customer_id", "1001"),
        ("by_category", "category", "CancellationRisk"),
    ],
)
def test_is_found_once_by_every_index(module, event, cloud, context, index, attribute, value):
    module.handler(event, context)

    [found] = query(cloud, index, attribute, value)

    assert found["call_id"] == event["call_id"]
    assert found["created_at"] == "2026-03-02T09:14:05Z"


def test_stores_the_analysis_once_when_the_step_runs_twice(module, event, cloud, context):
    first = module.handler(event, context)
    cloud.put_json(event["transcript"], {"nobody": "reads this again"})

    second = module.handler(event, context)

    assert first == second
    assert cloud.keys("AnalysesBucket") == [f"analyses/{event['call_id']}/1.json"]


def test_gives_the_same_answer_when_the_reply_of_the_write_was_lost(
    module, event, cloud, context, intercept
):
    intercept("TransactWriteItems", after=reply_is_lost)
    with pytest.raises(TransientError):
        module.handler(event, context)

    output = module.handler(event, context)

    assert row_of(cloud, event["call_id"])["analysis_version"] == 1
    assert output["analysis"]["key"] == f"analyses/{event['call_id']}/1.json"


def test_repeats_both_documents_after_a_crash_before_the_row(
    module, event, cloud, context, intercept
):
    intercept("TransactWriteItems", before=raises(MemoryError()))
    with pytest.raises(MemoryError):
        module.handler(event, context)
    assert row_of(cloud, event["call_id"])["state"] == "PROCESSING"

    output = module.handler(event, context)

    assert cloud.read_json(output["analysis"])["Aftercall"]["version"] == 1
    assert cloud.keys("AnalysesBucket") == [output["analysis"]["key"]]


def test_writes_nothing_for_a_call_that_another_execution_owns(module, event, cloud, context):
    put_call(cloud, event["call_id"], OTHER)

    with pytest.raises(ClaimLost):
        module.handler(event, context)

    assert cloud.keys("AnalysesBucket") == []
    assert row_of(cloud, event["call_id"])["state"] == "PROCESSING"


def test_writes_nothing_for_a_call_without_a_row(step, event, cloud, context):
    with pytest.raises(ClaimLost):
        step(MODULE).handler(event | {"call_id": "unknown"}, context)


def test_leaves_row_and_index_alone_when_the_claim_is_lost_meanwhile(
    module, event, cloud, context, intercept
):
    intercept(
        "TransactWriteItems",
        before=lambda: put_call(cloud, event["call_id"], OTHER, state="PROCESSING"),
    )

    with pytest.raises(ClaimLost):
        module.handler(event, context)

    row = row_of(cloud, event["call_id"])
    assert (row["state"], row["execution_arn"]) == ("PROCESSING", OTHER)
    assert "analysis_key" not in row
    assert calls_of_category(cloud, "CancellationRisk") == []


def test_a_second_analysis_has_a_version_of_its_own_and_no_stale_category(
    step, event, cloud, context
):
    step(MODULE).handler(event, context)
    before = row_of(cloud, event["call_id"])
    put_call(cloud, **(before | {"execution_arn": OTHER, "state": "PROCESSING", "attempt": 2}))
    said = [("AGENT", "How can I help you?"), ("CUSTOMER", "May I speak to your manager please.")]
    leave_analyses(event, step, cloud, context, *said)

    output = step(MODULE).handler(event | {"execution_arn": OTHER}, context)

    row = row_of(cloud, event["call_id"])
    assert row["analysis_version"] == 2
    assert output["analysis"]["key"] == f"analyses/{event['call_id']}/2.json"
    assert f"analyses/{event['call_id']}/1.json" in cloud.keys("AnalysesBucket")
    assert calls_of_category(cloud, "CancellationRisk") == []
    for category in row["categories"]:
        assert calls_of_category(cloud, category) == [event["call_id"]]
    assert row["categories"]


def test_a_second_analysis_forgets_whom_the_recording_no_longer_names(step, event, cloud, context):
    first = step(MODULE)
    first.handler(event, context)
    before = row_of(cloud, event["call_id"])
    put_call(cloud, **(before | {"execution_arn": OTHER, "state": "PROCESSING", "attempt": 2}))
    unnamed = any_recording_document(event, metadata={})
    cloud.put_json(work_document(event, "recording.json"), unnamed)
    alone = {"OverallSentiment": {}, "SentimentByPeriod": {"QUARTER": {}}}
    sentiment = event["analyses"]["sentiment"]["document"]
    scored = cloud.read_json(sentiment)
    cloud.put_json(sentiment, scored | {"characteristics": alone, "trend": {}})

    step(MODULE).handler(event | {"execution_arn": OTHER}, context)

    gone = {"agent", "customer_id", "guid"}
    gone |= {f"{role}_{what}" for role in ("agent", "customer") for what in ("sentiment", "trend")}
    assert gone <= set(before)
    assert gone & set(row_of(cloud, event["call_id"])) == set()
    assert query(cloud, "by_agent", "agent", "SarahK") == []


@pytest.mark.parametrize("operation", ["GetItem", "GetObject", "PutObject", "TransactWriteItems"])
def test_asks_for_another_try_when_aws_is_busy(module, event, context, intercept, operation):
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match=r"^ThrottlingException: "):
        module.handler(event, context)


def test_neither_output_nor_log_nor_row_has_a_word_of_the_customer(
    module, event, cloud, context, capsys
):
    output = module.handler(event, context)

    logged = capsys.readouterr().out
    told = json.dumps(output) + logged + str(row_of(cloud, event["call_id"]))
    assert "analysis stored" in logged
    assert [word for word in WORDS_OF_CUSTOMERS if word in told] == []
