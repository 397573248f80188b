"""What has come of an entity is noted once, and the next one is given."""

import json
from datetime import timedelta

import pytest

from replication.rules.replication import Outcome
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import (
    NOW,
    any_batch,
    any_current,
    any_replication,
    any_service,
    at,
    refs,
    started,
)

MODULE = "replication.next_entity"
TALLY = {"calls": 12, "uploaded": 3}


@pytest.fixture
def ask(load, around, context):
    """Call the step as the worker of attempt 1 does."""
    module = load(MODULE)

    def call(entity=None, outcome=None, attempt=1):
        event = {"replication_id": "2026-12-all", "provider": "webdav", "batch": 1}
        given = {"attempt": attempt, "entity": entity, "outcome": outcome}
        return module.handler(event | given, context)

    around.put(any_replication(), any_service(), started(any_batch()))
    return call


def done(cursor=None):
    return {"status": "done", "cursor": cursor or {"tally": TALLY}}


def test_gives_the_first_entity_of_a_batch(ask):
    assert ask() == {
        "status": "entity",
        "position": 0,
        "turn": 1,
        "cursor": None,
        "customer_id": "1003",
        "entity_id": "north",
        "period": "2026-12",
        "dry_run": False,
        "execution_name": "2026-12-all-webdav-1-1-0-1",
    }


def test_notes_what_has_come_of_an_entity_and_gives_the_next(ask, around):
    first = ask()

    second = ask(first, done())

    assert second["entity_id"] == "south"
    assert around.batch().outcomes == {"0": Outcome(state="DONE", counts=TALLY | {"busy_ms": 1})}
    assert around.batch().current == any_current()


def test_ends_the_batch_with_its_last_entity_and_adds_it_to_the_service(ask, around):
    second = ask(ask(), done())

    assert ask(second, done()) == {"status": "finished"}

    batch, service = around.batch(), around.service()
    assert (batch.open, batch.current, len(batch.outcomes)) == (None, None, 2)
    assert (service.done, service.failed, service.ended_batches) == (2, 0, 1)
    assert service.counts == {"calls": 24, "uploaded": 6, "busy_ms": 2}


def test_adds_a_batch_to_its_service_once_where_the_last_call_is_repeated(ask, around):
    second = ask(ask(), done())
    ask(second, done())

    assert ask(second, done()) == {"status": "finished"}
    assert around.service().ended_batches == 1


def test_notes_an_entity_once_where_the_reply_was_lost(ask, around):
    first = ask()
    once = ask(first, done())

    again = ask(first, done({"tally": {"calls": 99}}))

    assert again == once
    assert around.batch().outcomes["0"].counts["calls"] == 12


def test_an_entity_is_busy_from_when_it_is_given_until_it_is_noted_but_for_the_waits(
    ask, around, clock
):
    first = ask()
    clock(NOW + timedelta(seconds=60))
    waited = TALLY | {"waited_ms": 45_000}

    ask(first, done({"tally": waited}))

    assert around.batch().outcomes["0"].counts == waited | {"busy_ms": 15_000}


def test_the_time_in_which_nobody_has_an_entity_is_not_busy(ask, around, clock):
    """Its first turn took ten seconds, then came a pause of an hour, its second turn took five."""
    first = ask()
    clock(NOW + timedelta(seconds=10))
    around.put(any_replication(state="PAUSED"))
    ask(first, {"status": "stopped", "cursor": {"tally": {}}})
    around.put(any_replication())
    around.table.start_batch(around.batch(), at(3600))
    clock(NOW + timedelta(seconds=3600))
    again = ask(attempt=2)
    clock(NOW + timedelta(seconds=3605))

    ask(again, done(), attempt=2)

    assert around.batch().outcomes["0"].counts["busy_ms"] == 15_000


def test_a_failure_is_noted_with_its_root_and_the_next_entity_follows(ask, around):
    first = ask()
    message = json.dumps({"errorMessage": "StorageFull: make room", "errorType": "StorageRefused"})
    child = json.dumps({"Error": "StorageRefused", "Cause": message, "Status": "FAILED"})

    second = ask(first, {"Error": "States.TaskFailed", "Cause": child})

    assert second["entity_id"] == "south"
    outcome = around.batch().outcomes["0"]
    assert (outcome.state, outcome.error) == ("FAILED", "StorageRefused")
    assert outcome.cause == "StorageFull: make room"


def test_a_failed_entity_counts_as_failed_when_the_batch_ends(ask, around):
    second = ask(ask(), {"Error": "States.Timeout", "Cause": ""})
    ask(second, done())

    service = around.service()
    assert (service.done, service.failed) == (1, 1)


@pytest.mark.parametrize("status", ["over", "stopped"])
def test_an_entity_that_has_not_ended_goes_on_with_its_cursor_in_the_next_turn(ask, around, status):
    first, cursor = ask(), {"stage": "upload_folders", "tally": {}}

    again = ask(first, {"status": status, "cursor": cursor})

    assert (again["position"], again["turn"], again["cursor"]) == (0, 2, cursor)
    assert again["execution_name"].endswith("-1-1-0-2")
    assert around.batch().outcomes == {}


@pytest.mark.parametrize("state", ["PAUSED", "CANCELLED"])
def test_puts_the_batch_off_when_it_is_to_stop(ask, around, state):
    first = ask()
    around.put(any_replication(state=state))

    assert ask(first, done()) == {"status": "stopped"}

    batch = around.batch()
    assert (batch.put_off, batch.open is None) == (True, False)
    assert list(batch.outcomes) == ["0"]
    assert batch.current == any_current()


def test_a_batch_whose_entities_have_all_ended_is_ended_although_it_is_to_stop(ask, around):
    second = ask(ask(), done())
    around.put(any_replication(state="PAUSED"))

    assert ask(second, done()) == {"status": "finished"}


def test_another_attempt_goes_on_where_the_first_was(ask, around):
    first = ask()
    ask(first, {"status": "over", "cursor": {"stage": "upload_folders", "tally": {}}})
    around.table.start_batch(around.batch(), "2026-12-01T02:05:00Z")

    taken = ask(attempt=2)

    assert (taken["position"], taken["turn"]) == (0, 2)
    assert taken["execution_name"] == "2026-12-all-webdav-1-2-0-2"


def test_an_attempt_that_is_over_changes_nothing(ask, around):
    first = ask()
    around.table.start_batch(around.batch(), "2026-12-01T02:05:00Z")
    before = around.batch()

    assert ask(first, done()) == {"status": "taken_over"}
    assert around.batch() == before


def test_whoever_is_taken_over_in_the_middle_of_it_changes_nothing(ask, around, intercept):
    first = ask()

    def take_over():
        around.table.start_batch(around.batch(), "2026-12-01T02:05:00Z")

    intercept("UpdateItem", before=take_over)

    assert ask(first, done()) == {"status": "taken_over"}
    assert around.batch().outcomes == {}


def test_logs_ids_and_no_names_of_a_failure(ask, around, capsys):
    around.put(started(any_batch(entities=refs("secret-shop"))))

    ask(ask(), {"Error": "StorageRefused", "Cause": "StorageFull: any"})

    line = [one for one in capsys.readouterr().out.splitlines() if "not replicated" in one]
    assert '"error":"StorageRefused"' in line[0]
    assert "Secret-Shop" not in line[0]


def test_an_end_whose_reply_was_lost_counts_once(ask, around, intercept):
    second = ask(ask(), done())

    intercept("TransactWriteItems", after=reply_is_lost)
    with pytest.raises(TransientError):
        ask(second, done())

    assert ask(second, done()) == {"status": "finished"}
    assert (around.service().done, around.service().ended_batches) == (2, 1)


def test_an_attempt_that_is_taken_over_at_the_last_entity_adds_nothing(ask, around, intercept):
    second = ask(ask(), done())

    def take_over():
        around.table.start_batch(around.batch(), "2026-12-01T02:05:00Z")

    intercept("TransactWriteItems", before=take_over)

    assert ask(second, done()) == {"status": "taken_over"}
    assert (around.service().done, around.service().ended_batches) == (0, 0)
    assert around.batch().open is not None


def test_an_entity_that_ends_shows_that_the_batch_is_not_broken(ask, around):
    around.put(started(any_batch(), broken_off=4))

    first = ask()
    assert around.batch().broken_off == 4

    ask(first, done())
    assert around.batch().broken_off == 0


def test_counts_an_entity_where_it_is_noted_and_not_where_that_fails(
    ask, around, intercept, capsys
):
    first = ask()
    intercept("UpdateItem", before=fails_with("ThrottlingException"))
    capsys.readouterr()
    with pytest.raises(TransientError):
        ask(first, done())
    assert "EntityReplicated" not in capsys.readouterr().out

    ask(first, done())

    assert capsys.readouterr().out.count('"EntityReplicated":[1.0]') == 1


def test_a_batch_goes_on_where_it_was_put_off_when_it_is_resumed(ask, around):
    first, cursor = ask(), {"stage": "upload_folders", "tally": {}}
    around.put(any_replication(state="PAUSED"))
    assert ask(first, {"status": "stopped", "cursor": cursor}) == {"status": "stopped"}
    around.put(any_replication())
    around.table.start_batch(around.batch(), "2026-12-01T02:05:00Z")

    again = ask(attempt=2)

    assert (again["position"], again["turn"], again["cursor"]) == (0, 2, cursor)
    assert around.batch().put_off is False
