"""The table is the truth: every write holds for whoever has the record, and once."""

from importlib import import_module

import pytest

from replication.rules.replication import Outcome
from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_batch, any_current, any_replication, any_service, at, refs, started

MODULE = "replication.next_entity"
ID, PROVIDER = "2026-12-all", "webdav"
DONE = Outcome(state="DONE", counts={"calls": 3})
FAILED = Outcome(state="FAILED", error="any", cause="any", counts={"calls": 2, "throttled": 1})


@pytest.fixture
def table(load):
    load(MODULE)
    return import_module("replication.replications_table")


# --- the whole


def test_gives_what_was_stored(table):
    replication = any_replication(entities=("1003/a", "1003/b"), dry_run=True)

    assert table.create_replication(replication)
    assert table.get_replication(ID) == replication


def test_a_replication_is_stored_once(table):
    table.create_replication(any_replication(requested_by="first"))

    assert not table.create_replication(any_replication(requested_by="second"))
    assert table.get_replication(ID).requested_by == "first"


def test_knows_nothing_of_what_there_is_not(table):
    assert table.get_replication(ID) is None
    assert table.get_service(ID, PROVIDER) is None
    with pytest.raises(LookupError, match="no replication"):
        table.known_replication(ID)
    with pytest.raises(LookupError, match="no batch"):
        table.get_batch(ID, PROVIDER, 1)


def test_a_state_follows_only_on_those_that_are_named(table, around):
    around.put(any_replication(state="PAUSED"))

    assert not table.change_state(ID, ["PLANNING", "RUNNING"], "FINISHED")
    assert table.change_state(ID, ["PAUSED", "RUNNING"], "CANCELLED")
    assert around.replication().state == "CANCELLED"


def test_a_state_follows_only_in_the_plan_that_is_named(table, around):
    around.put(any_replication(state="PLANNING", plan=2))

    assert not table.change_state(ID, ["PLANNING"], "FAILED", of_plan=1, error="any")
    assert table.change_state(ID, ["PLANNING"], "FAILED", of_plan=2, error="any")


def test_no_state_of_what_there_is_not_is_changed(table, around):
    assert not table.change_state(ID, ["RUNNING"], "PAUSED")
    assert around.items() == []


def test_what_has_ended_is_not_open_until_it_goes_on(table, around):
    around.put(any_replication())

    table.change_state(ID, ["RUNNING"], "FAILED", error="any", cause="any", finished_at=at())
    assert table.open_replications() == []

    table.change_state(ID, ["FAILED"], "PLANNING", plan=2)
    [found] = table.open_replications()
    assert (found.plan, found.error, found.cause, found.finished_at) == (2, None, None, None)


def test_of_two_retries_at_once_one_is_the_next_plan(table, around, intercept):
    around.put(any_replication(state="FINISHED"))
    asked = []

    def retry():
        asked.append(table.change_state(ID, ["FINISHED"], "PLANNING", plan=2))

    intercept("UpdateItem", before=retry)
    retry()

    assert sorted(asked) == [False, True]
    assert (around.replication().state, around.replication().plan) == ("PLANNING", 2)


@pytest.mark.parametrize("state", ["PAUSED", "CANCELLED"])
def test_what_is_planned_stays_as_somebody_wanted_it(table, around, state):
    around.put(any_replication(state=state, planned=False))

    table.note_planned(ID, unknown=3)

    found = around.replication()
    assert (found.state, found.planned, found.unknown) == (state, True, 3)


def test_planning_is_noted_again_where_it_broke_off(table, around, intercept):
    around.put(any_replication(state="PLANNING", planned=False))
    intercept("UpdateItem", after=reply_is_lost)
    with pytest.raises(TransientError):
        table.note_planned(ID)
    assert around.replication().state == "PLANNING"

    table.note_planned(ID)

    assert around.replication().state == "RUNNING"


# --- services


def test_a_service_is_put_in_the_place_of_the_one_that_was_read(table, around):
    first = any_service(run=1)
    assert table.put_service(first, None)
    assert not table.put_service(any_service(run=9), None)

    assert table.put_service(any_service(run=2, plan=2), first)
    assert not table.put_service(any_service(run=3, plan=3), first)
    assert (around.service().run, around.service().plan) == (2, 2)


def test_a_service_is_changed_by_the_run_that_has_it(table, around):
    around.put(any_service(run=2))

    assert not table.update_service(any_service(run=1), started=3)
    assert table.update_service(any_service(run=2), started=2)
    assert around.service().started == 2


def test_a_service_that_there_is_not_comes_to_be_by_no_change(table, around):
    assert not table.update_service(any_service(), started=1)
    assert around.items() == []


def test_gives_the_services_of_one_replication(table, around):
    around.put(any_service(), any_service(provider="s3"))
    around.put(any_service(replication_id="2026-11-all"))

    assert [one.provider for one in table.services_of(ID)] == ["s3", PROVIDER]


# --- batches


def test_batches_come_in_the_order_of_their_numbers(table, around):
    around.put(any_service(batches=250))
    table.put_batches([any_batch(batch=number) for number in range(250, 0, -1)])

    assert [one.batch for one in table.batches_of(ID, PROVIDER)] == list(range(1, 251))


def test_batches_behind_the_last_one_are_nobodys(table, around):
    around.put(any_service(batches=2), any_service(provider="s3", batches=1))
    for provider in (PROVIDER, "s3", "other"):
        table.put_batches([any_batch(provider=provider, batch=number) for number in (1, 2, 3)])

    assert [(one.provider, one.batch) for one in table.batches_of(ID)] == [
        ("s3", 1),
        (PROVIDER, 1),
        (PROVIDER, 2),
    ]
    found, following = table.page_of_batches(ID, "")
    assert [batch for _, batch in found] == list(table.batches_of(ID))
    assert following is None


def test_gives_up_in_time_where_the_table_takes_nothing(table, around, monkeypatch):
    offered = []

    def take_nothing(RequestItems):  # noqa: N803 - boto3's own name
        offered.append(RequestItems)
        return {"UnprocessedItems": RequestItems}

    monkeypatch.setattr(table.dynamodb(), "batch_write_item", take_nothing)

    with pytest.raises(TransientError, match="no more batches"):
        table.put_batches([any_batch()])
    assert len(offered) < 20
    assert around.items() == []


def test_a_batch_is_started_by_one(table, around):
    batch = any_batch()
    around.put(batch)

    taken = table.start_batch(batch, at())

    assert taken == around.batch()
    assert (taken.attempt, taken.is_running, taken.seen_at, taken.started_at) == (
        1,
        True,
        at(),
        at(),
    )
    assert table.start_batch(batch, at(1)) is None


def test_a_batch_keeps_the_time_at_which_it_was_started_first(table, around):
    around.put(started(any_batch(), started_at=at(-60)))

    assert table.start_batch(around.batch(), at()).started_at == at(-60)


def test_a_batch_that_has_ended_is_not_taken_up_again(table, around):
    around.put(any_service(), started(any_batch()))
    batch = around.batch()
    table.close_batch(batch, {"0": DONE, "1": DONE}, at(), {})

    assert table.start_batch(batch, at()) is None
    assert around.batch().attempt == 1


def test_open_batches_are_those_that_were_started_and_have_not_ended(table, around):
    own = [any_batch(batch=number) for number in (1, 2, 3)]
    around.put(any_service(), own[0], started(own[1]), started(own[2], put_off=True))
    around.put(started(any_batch(provider="s3", batch=4)))
    assert [one.batch for one in table.open_batches(ID, PROVIDER)] == [2, 3]

    table.close_batch(around.batch(2), {"0": DONE, "1": DONE}, at(), {})

    assert [one.batch for one in table.open_batches(ID, PROVIDER)] == [3]


def test_a_cursor_comes_back_as_it_was(table, around):
    around.put(started(any_batch()))
    current = any_current(turn=4, cursor={"position": 1764.125, "grants": [0.1], "a": None})

    table.record_outcome(around.batch(), (0, DONE), current, at(), put_off=False)

    assert around.batch().current == current
    assert around.batch().outcomes == {"0": DONE}


def test_an_attempt_that_is_over_neither_notes_nor_sees_nor_ends(table, around):
    old = started(any_batch())
    around.put(any_service(), started(any_batch(), attempt=2, seen_at=at(-40)))
    before = around.items()

    assert not table.record_outcome(old, (0, DONE), any_current(), at(), put_off=True)
    assert not table.close_batch(old, {"0": DONE, "1": DONE}, at(), {})
    table.note_seen(old, at())
    assert around.items() == before


def test_a_batch_that_ends_is_added_to_its_service(table, around):
    around.put(any_service(done=5, counts={"calls": 10}), started(any_batch()))

    assert table.close_batch(
        around.batch(), {"0": DONE, "1": FAILED}, at(), {"calls": 5, "throttled": 1}
    )

    service = around.service()
    assert (service.done, service.failed, service.ended_batches) == (6, 1, 1)
    assert service.counts == {"calls": 15, "throttled": 1}
    assert around.batch().outcomes == {"0": DONE, "1": FAILED}


def test_a_batch_ends_once(table, around):
    around.put(any_service(), started(any_batch()))
    batch = around.batch()

    for _ in range(2):
        assert table.close_batch(batch, {"0": DONE, "1": FAILED}, at(), {"calls": 5})

    assert (around.service().ended_batches, around.service().counts) == (1, {"calls": 5})


def test_two_batches_that_end_at_once_are_both_added(table, around, intercept):
    around.put(any_service(), started(any_batch()), started(any_batch(batch=2)))
    ended = {"0": DONE, "1": DONE}

    def other():
        table.close_batch(around.batch(2), ended, at(), {"calls": 7})

    intercept("TransactWriteItems", before=other)
    table.close_batch(around.batch(1), ended, at(), {"calls": 6})

    assert (around.service().ended_batches, around.service().counts) == (2, {"calls": 13})


def test_a_batch_does_not_end_where_its_service_cannot_be_written(table, around, intercept):
    around.put(any_service(), started(any_batch()))
    intercept("TransactWriteItems", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        table.close_batch(around.batch(), {"0": DONE, "1": DONE}, at(), {})

    assert around.batch().is_running


def test_what_is_taken_up_again_keeps_what_came_of_it(table, around):
    around.put(any_batch(entities=refs("a", "b", "c"), outcomes={"0": DONE, "1": FAILED}))

    for _ in range(2):
        table.take_up_again(around.batch(), [1], 2)

    assert around.batch().outcomes == {
        "0": DONE,
        "1": FAILED.model_copy(update={"state": "RETRIED", "plan": 2}),
    }


@pytest.mark.parametrize(
    "read",
    [
        lambda table: list(table.batches_of(ID)),
        lambda table: table.open_batches(ID, PROVIDER),
        lambda table: table.services_of(ID),
        lambda table: table.open_replications(),
        lambda table: table.page_of_replications(5, None),
        lambda table: table.page_of_batches(ID, ""),
    ],
)
def test_a_throttle_while_reading_passes(table, read, intercept):
    intercept("Query", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        read(table)
