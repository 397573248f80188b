"""Events between domains."""

import pytest
from pydantic import ValidationError

from shared.errors import TransientError
from shared.events import CallAnalysed, CallFailed, Detail, FollowUpRequested, publish
from tests.unit.aws_errors import fails_with


def any_detail(data=None, **changed) -> Detail:
    given = {
        "event_id": "any-event",
        "trace_id": "any-trace",
        "subject_id": "any-subject",
        "occurred_at": "2026-03-02T09:14:05Z",
        "data": data or CallFailed(call_id="c1", error="AnyError"),
    }
    return Detail[type(given["data"])](**given | changed)


@pytest.mark.parametrize(
    "data",
    [
        CallFailed(call_id="c1", error="AnyError"),
        CallAnalysed(call_id="c1", analysis_bucket="b", analysis_key="k"),
        FollowUpRequested(call_id="c1", analysis_bucket="b", analysis_key="k", reasons=["any"]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_names_an_event_after_its_data(cloud, data):
    published = cloud.watch_bus()

    publish(cloud.name("EventBus"), "post_call", any_detail(data))

    [event] = published()
    assert (event["source"], event["detail-type"]) == ("aftercall.post_call", type(data).__name__)
    assert event["detail"] == {
        "event_id": "any-event",
        "trace_id": "any-trace",
        "subject_id": "any-subject",
        "occurred_at": "2026-03-02T09:14:05Z",
        "version": "1",
        "data": data.model_dump(),
    }


def test_reads_an_envelope_with_fields_of_a_later_version():
    detail = any_detail().model_dump() | {"new": "field"}

    assert Detail[CallFailed].model_validate(detail).data.call_id == "c1"


@pytest.mark.parametrize("changed", [{"event_id": ""}, {"version": "2"}, {"trace_id": "x" * 201}])
def test_refuses_an_envelope_that_breaks_the_contract(changed):
    with pytest.raises(ValidationError):
        any_detail(**changed)


def test_asks_for_another_try_when_the_bus_is_busy(cloud, intercept):
    intercept("PutEvents", before=fails_with("InternalException", status=500))

    with pytest.raises(TransientError, match="InternalException"):
        publish(cloud.name("EventBus"), "post_call", any_detail())


def test_asks_for_another_try_when_the_bus_took_the_request_and_not_the_event(cloud, monkeypatch):
    class Bus:
        def put_events(self, Entries):  # noqa: N803
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}

    monkeypatch.setattr("shared.events.events", Bus)

    with pytest.raises(TransientError, match="ThrottlingException"):
        publish(cloud.name("EventBus"), "post_call", any_detail())
