"""What has come of a batch, once all is settled or patience is over."""

import pytest

from shared.times import parse_time

from .factories import ID, RECIPIENT, any_communication, any_failed, any_sending, any_sent

MODULE = "communications.collect_outcomes"
RUN = "scheduled-53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"


@pytest.fixture
def module(step, monkeypatch):
    loaded = step(MODULE)
    monkeypatch.setattr(loaded, "now", lambda: parse_time("2026-03-02T09:20:00Z"))
    return loaded


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def batch_of(around):
    return around.redrive_items(RUN)["batch#00001"]


def test_a_batch_that_was_sent_is_healed(module, around, event, context, capsys):
    around.put(any_sent(redrive_run=RUN))
    around.put_batch(RUN, 1)

    output = module.handler(event, context)

    assert (output["settled"], output["healed"]) == (True, True)
    assert output["subject"] == "Redrive: 1 of 1 communications sent"
    assert output["text"].startswith(f"Redrive {RUN}, batch 1: 1 communications.\n  1 sent")
    assert batch_of(around)["state"] == "FINISHED"
    assert batch_of(around)["report"] == {"total": 1, "counts": {"sent": 1}, "causes": {}}
    assert '"CommunicationHealed":[1.0]' in capsys.readouterr().out


def test_a_batch_of_which_some_failed_again_is_settled_and_not_healed(
    module, around, event, context
):
    around.put(any_sent(), any_failed(communication_id="c2"))
    around.put_batch(RUN, 1)
    event["retries"] += [
        {"communication_id": "c2", "result": "queued"},
        {"communication_id": "c3", "result": "skipped", "error": "stale-version"},
        {"communication_id": "c4", "result": "not_reached", "error": "TransientError"},
    ]

    output = module.handler(event, context)

    assert (output["settled"], output["healed"]) == (True, False)
    assert output["subject"] == "Redrive: 1 of 4 communications sent"
    assert batch_of(around)["report"]["counts"] == {
        **{"sent": 1, "failed": 1, "skipped": 1, "not_reached": 1}
    }


@pytest.mark.parametrize("record", [any_communication, any_sending])
def test_waits_while_one_is_still_being_tried(module, around, event, context, record):
    around.put(record(redrive_run=RUN))
    around.put_batch(RUN, 1)

    output = module.handler(event, context)

    assert (output["settled"], output["healed"]) == (False, False)
    assert batch_of(around)["state"] == "RUNNING"
    assert "report" not in batch_of(around)


def test_waits_no_longer_than_its_patience(module, around, event, context):
    around.put(any_communication(redrive_run=RUN))
    around.put_batch(RUN, 1)
    event["patience_seconds"] = 298

    output = module.handler(event, context)

    assert (output["settled"], output["healed"]) == (True, False)
    assert "1 still being tried" in output["text"]
    assert batch_of(around)["state"] == "FINISHED"


def test_does_not_wait_for_what_a_person_has_taken_over(module, around, event, context):
    around.put(any_communication(redrive_run=None))
    around.put_batch(RUN, 1)

    assert module.handler(event, context)["settled"] is True


def test_an_empty_batch_is_settled(module, around, event, context):
    around.put_batch(RUN, 1)

    output = module.handler(event | {"retries": []}, context)

    assert (output["settled"], output["healed"]) == (True, True)


def test_stores_the_same_when_it_is_asked_twice(module, around, event, context):
    around.put(any_sent())
    around.put_batch(RUN, 1)

    first = module.handler(event, context)

    assert module.handler(event, context) == first


def test_tells_and_logs_nobody(module, around, event, context, capsys):
    around.put(any_failed())

    output = module.handler(event, context)

    for word in (RECIPIENT, "example.com", ID):
        assert word not in output["text"] + output["subject"]
    assert RECIPIENT not in capsys.readouterr().out
