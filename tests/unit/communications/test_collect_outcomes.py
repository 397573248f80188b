"""What has come of a batch, once all is settled or patience is over."""

import pytest

from communications.rules.communication import Entry
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


def any_delivered(**changed):
    """One of this run that was sent and has arrived."""
    told = Entry(at="2026-03-02T09:19:00Z", by="provider", event="delivered", attempt=1)
    return any_sent(**{"redrive_run": RUN, "history": [told]} | changed)


@pytest.fixture
def begun(around):
    """A run with one batch."""
    around.put_run(RUN, state="RUNNING")
    around.put_batch(RUN, 1)


def test_a_batch_that_arrived_is_healed(module, around, begun, event, context, capsys):
    around.put(any_delivered())

    output = module.handler(event, context)

    assert (output["settled"], output["healed"]) == (True, True)
    assert output["subject"] == "Redrive: 1 of 1 communications sent"
    assert output["text"] == f"Redrive {RUN}, batch 1: 1 communications.\n  1 sent"
    assert batch_of(around)["state"] == "FINISHED"
    assert batch_of(around)["finished_at"] == "2026-03-02T09:20:00Z"
    assert batch_of(around)["report"] == {
        **{"total": 1, "counts": {"sent": 1}, "causes": {}, "unconfirmed": 0}
    }
    assert '"CommunicationHealed":[1.0]' in capsys.readouterr().out


def test_the_last_batch_ends_its_run_and_says_what_came_of_it(
    module, around, begun, event, context
):
    around.put(any_delivered())

    module.handler(event, context)

    run = around.redrive_items(RUN)["run"]
    assert run["state"] == "FINISHED"
    assert run["outcome"] == f"Redrive {RUN}: 1 communications.\n  1 sent"


def test_another_batch_leaves_its_run_running(module, around, begun, event, context):
    around.put(any_delivered())
    around.put_batch(RUN, 2)

    module.handler(event, context)

    assert around.redrive_items(RUN)["run"]["state"] == "RUNNING"


def test_a_batch_of_which_some_failed_again_is_settled_and_not_healed(
    module, around, begun, event, context
):
    around.put(any_delivered(), any_failed(communication_id="c2", redrive_run=RUN))
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


@pytest.mark.parametrize("answer", ["skipped", "not_reached"])
def test_counts_what_was_redriven_although_the_answer_was_lost(
    module, around, begun, event, context, answer
):
    around.put(any_delivered())
    event["retries"] = [{"communication_id": ID, "result": answer, "error": "any"}]

    output = module.handler(event, context)

    assert output["healed"] is True
    assert batch_of(around)["report"]["counts"] == {"sent": 1}


@pytest.mark.parametrize("record", [any_communication, any_sending, any_sent])
@pytest.mark.parametrize("answer", ["queued", "not_reached"])
def test_waits_while_one_is_still_being_tried_or_may_come_back(
    module, around, begun, event, context, record, answer
):
    around.put(record(redrive_run=RUN))
    event["retries"] = [{"communication_id": ID, "result": answer}]

    output = module.handler(event, context)

    assert output["settled"] is False
    assert batch_of(around)["state"] == "RUNNING"
    assert "report" not in batch_of(around)
    assert around.redrive_items(RUN)["run"]["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("record", "text"), [(any_communication, "1 still being tried"), (any_sent, "1 sent")]
)
def test_waits_no_longer_than_its_patience(module, around, begun, event, context, record, text):
    around.put(record(redrive_run=RUN))
    event["patience_seconds"] = 298

    output = module.handler(event, context)

    assert (output["settled"], output["healed"]) == (True, record is any_sent)
    assert text in output["text"]
    assert batch_of(around)["state"] == "FINISHED"


def test_does_not_wait_for_what_a_person_has_taken_over(module, around, begun, event, context):
    around.put(any_communication(redrive_run=None))

    assert module.handler(event, context)["settled"] is True


def test_an_empty_batch_is_settled(module, begun, event, context):
    output = module.handler(event | {"retries": []}, context)

    assert (output["settled"], output["healed"]) == (True, True)


def test_stores_the_same_when_it_is_asked_twice(module, around, begun, event, context):
    around.put(any_delivered())
    first = module.handler(event, context)
    before = around.redrive_items(RUN)

    assert module.handler(event, context) == first

    assert around.redrive_items(RUN) == before


def test_tells_and_logs_nobody(module, around, begun, event, context, capsys):
    around.put(any_failed(redrive_run=RUN))

    output = module.handler(event, context)

    for word in (RECIPIENT, "example.com", ID):
        assert word not in output["text"] + output["subject"]
    assert RECIPIENT not in capsys.readouterr().out
