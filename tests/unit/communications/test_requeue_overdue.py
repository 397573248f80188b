"""What has waited long enough is queued again, or given up."""

import json

import pytest

from shared.times import format_time
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import (
    NOW,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_unknown,
    later,
)

MODULE = "communications.requeue_overdue"
LATE, NOT_YET = format_time(later(seconds=-1)), format_time(later(seconds=1))


@pytest.fixture
def module(step, monkeypatch):
    loaded = step(MODULE)
    for name in (MODULE, "communications.outbox"):
        monkeypatch.setattr(f"{name}.now", lambda: NOW)
    return loaded


@pytest.fixture
def run(module, event_of, context):
    return lambda: module.handler(event_of(MODULE), context)


def any_letter(**changed):
    return any_failed(**{"state": "DEAD_LETTER", "tries": 5, "due_at": LATE} | changed)


def test_queues_a_dead_letter_again_when_it_has_rested(run, around):
    around.put(any_letter())

    assert run() == {"overdue": 1, "queued": 1}

    after = around.get()
    assert (after.state, after.tries, after.dead_letters_left) == ("QUEUED", 0, 1)
    [body] = around.bodies()
    assert (body["primaryId"], body["createdBy"]) == (after.communication_id, "schedule")
    assert around.delays() in ([0], [1])


def test_gives_up_a_send_whose_worker_is_gone(run, around):
    around.put(any_sending(due_at=LATE))

    assert run() == {"overdue": 1, "queued": 0}

    assert (around.get().state, around.get().error) == ("UNKNOWN", "WorkerLost")
    assert around.queued() == []


def test_queues_what_was_queued_and_never_came(run, around):
    around.put(any_communication(due_at=LATE))

    assert run() == {"overdue": 1, "queued": 1}

    after = around.get()
    assert (after.state, after.lost_messages) == ("QUEUED", 1)
    assert after.due_at == format_time(later(minutes=30))
    assert len(around.queued()) == 1


def test_is_twice_as_patient_after_each_lost_message(run, around):
    around.put(any_communication(due_at=LATE, lost_messages=3))

    run()

    assert around.get().due_at == format_time(later(hours=4))


def test_gives_up_what_is_lost_for_ever(run, around):
    around.put(any_communication(due_at=LATE, lost_messages=8))

    assert run() == {"overdue": 1, "queued": 0}

    assert (around.get().state, around.get().error) == ("FAILED", "MessageLost")
    assert around.queued() == []


@pytest.mark.parametrize(
    "record",
    [
        any_letter(due_at=NOT_YET),
        any_sending(due_at=NOT_YET),
        any_communication(due_at=NOT_YET),
        any_failed(due_at=LATE),
        any_unknown(due_at=LATE),
        any_sent(due_at=LATE),
        any_communication(state="DISCARDED", due_at=LATE),
    ],
    ids=lambda record: record.state,
)
def test_leaves_alone_what_is_not_due(run, around, record):
    around.put(record)

    assert run() == {"overdue": 0, "queued": 0}

    assert around.get() == record
    assert around.queued() == []


def test_leaves_alone_what_went_on_meanwhile(run, around, intercept):
    around.put(any_letter())
    sent = any_sent(version=9)
    intercept("PutItem", before=lambda: around.put(sent))

    assert run() == {"overdue": 1, "queued": 0}

    assert around.get() == sent


def test_queues_what_it_changed_and_could_not_queue_after_some_patience(
    run, around, intercept, monkeypatch
):
    around.put(any_letter())
    intercept("SendMessage", before=fails_with("InternalError", status=500))
    assert run() == {"overdue": 1, "queued": 0}
    assert (around.get().state, around.queued()) == ("QUEUED", [])
    assert run() == {"overdue": 0, "queued": 0}
    for name in (MODULE, "communications.outbox"):
        monkeypatch.setattr(f"{name}.now", lambda: later(minutes=15))

    assert run() == {"overdue": 1, "queued": 1}

    assert len(around.queued()) == 1


STUCK = {
    "throttled": ("PutItem", {"before": fails_with("ThrottlingException")}, "TransientError"),
    "reply lost": ("PutItem", {"after": reply_is_lost}, "TransientError"),
    "denied": ("GetItem", {"before": fails_with("AccessDeniedException")}, "ClientError"),
    "not queued": ("SendMessage", {"before": fails_with("AccessDenied")}, "ClientError"),
}


@pytest.mark.parametrize(("operation", "trouble", "error"), STUCK.values(), ids=STUCK)
def test_one_that_cannot_be_handled_does_not_stop_the_others(
    run, around, intercept, capsys, operation, trouble, error
):
    around.put(*three_letters())
    intercept(operation, nth=2, **trouble)

    assert run() == {"overdue": 3, "queued": 2}

    assert [body["primaryId"] for body in around.bodies()] == ["c1", "c3"]
    assert_told_of("c2", error, capsys)


def test_one_that_was_deleted_meanwhile_does_not_stop_the_others(
    run, around, intercept, capsys, cloud
):
    around.put(*three_letters())
    key = {"communication_id": {"S": "c2"}}
    table = cloud.name("CommunicationsTable")
    intercept("GetItem", before=lambda: cloud.dynamodb.delete_item(TableName=table, Key=key))

    assert run() == {"overdue": 3, "queued": 2}

    assert_told_of("c2", "LookupError", capsys)


def test_one_that_nobody_can_read_does_not_stop_the_others(run, around, capsys, cloud):
    around.put(*three_letters())
    cloud.dynamodb.update_item(
        TableName=cloud.name("CommunicationsTable"),
        Key={"communication_id": {"S": "c2"}},
        UpdateExpression="SET channel = :fax",
        ExpressionAttributeValues={":fax": {"S": "fax"}},
    )

    assert run() == {"overdue": 3, "queued": 2}

    assert_told_of("c2", "ValidationError", capsys)


def three_letters():
    """Dead letters that are met in the order of their names."""
    return [
        any_letter(communication_id=f"c{number}", due_at=format_time(later(hours=number - 9)))
        for number in (1, 2, 3)
    ]


def assert_told_of(communication_id, error, capsys):
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [stuck] = [x for x in logged if x.get("message") == "overdue communication not handled"]
    assert (stuck["communication_id"], stuck["error"]) == (communication_id, error)
    assert any(line.get("CommunicationStuck") == [1.0] for line in logged)


def test_takes_the_longest_overdue_first_and_not_too_many(run, around, module, monkeypatch):
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    around.put(
        *(
            any_letter(communication_id=f"c{number}", due_at=format_time(later(hours=-number)))
            for number in range(1, 5)
        )
    )

    assert run() == {"overdue": 2, "queued": 2}

    assert sorted(body["primaryId"] for body in around.bodies()) == ["c3", "c4"]
