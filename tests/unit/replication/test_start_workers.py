"""Each batch gets one worker, whatever is done twice or breaks off in between."""

import pytest
from moto.stepfunctions.models import StepFunctionBackend

from tests.unit.aws_errors import aws_error

from .factories import any_batch, any_service, at, started

MODULE = "replication.start_workers"


@pytest.fixture
def start(load, around, context):
    module = load(MODULE)

    def call(new=0, again=(), run=1):
        event = {"replication_id": "2026-12-all", "provider": "webdav", "run": run}
        return module.handler(
            event | {"new": new, "again": [{"batch": b, "attempt": a} for b, a in again]}, context
        )

    around.put(any_service(), *(any_batch(batch=number) for number in (1, 2, 3)))
    return call


def workers(around):
    return sorted(around.executions("ReplicationWorker"))


def test_starts_the_next_batches_in_their_order(start, around):
    assert start(new=2) == {"started": 2}

    assert workers(around) == ["2026-12-all-webdav-1-1", "2026-12-all-webdav-2-1"]
    assert around.service().started == 2
    assert [batch.batch for batch in around.table.open_batches("2026-12-all", "webdav")] == [1, 2]
    assert around.batch(1).seen_at == at()


def test_a_worker_is_told_its_batch_and_attempt(start, around):
    start(new=1)

    assert around.executions("ReplicationWorker")["2026-12-all-webdav-1-1"] == {
        "replication_id": "2026-12-all",
        "provider": "webdav",
        "batch": 1,
        "attempt": 1,
    }


def test_starts_no_more_batches_than_there_are(start, around):
    assert start(new=9) == {"started": 3}
    assert around.service().started == 3


def test_takes_a_batch_up_again_under_the_next_attempt(start, around):
    start(new=1)

    start(again=[(1, 1)])

    assert workers(around) == ["2026-12-all-webdav-1-1", "2026-12-all-webdav-1-2"]
    assert around.batch(1).attempt == 2
    assert around.service().started == 1


def test_a_batch_that_has_ended_meanwhile_is_left_alone(start, around):
    ended = started(any_batch(batch=1)).model_copy(update={"open": None})
    around.put(ended)

    start(again=[(1, 1)])

    assert workers(around) == []


def test_does_nothing_for_a_run_that_is_over(start, around):
    assert start(new=2, run=2) == {"started": 0}
    assert workers(around) == []


@pytest.mark.parametrize(
    ("operation", "nth"), [("UpdateItem", 1), ("StartExecution", 1), ("UpdateItem", 2)]
)
def test_a_beat_that_breaks_off_starts_no_batch_twice(start, around, intercept, operation, nth):
    """After a batch is taken up, after its worker is started, after the service has noted it."""

    def crash():
        raise KeyboardInterrupt

    intercept(operation, after=crash, nth=nth)
    with pytest.raises(KeyboardInterrupt):
        start(new=1)

    start(new=2)

    begun = [one for one in workers(around) if one.startswith("2026-12-all-webdav-1-")]
    assert begun == ["2026-12-all-webdav-1-1"]
    assert around.service().started >= 2


def test_a_batch_is_taken_up_again_once_where_the_step_runs_twice(start, around):
    start(new=1)

    for _ in range(2):
        start(again=[(1, 1)])

    assert workers(around) == ["2026-12-all-webdav-1-1", "2026-12-all-webdav-1-2"]


def test_leaves_to_the_next_beat_what_cannot_be_started_now(start, around, monkeypatch):
    real, names = StepFunctionBackend.start_execution, []

    def throttled(self, *arguments, **given):
        names.append(arguments)
        if len(names) > 1:
            raise aws_error("ThrottlingException")
        return real(self, *arguments, **given)

    monkeypatch.setattr(StepFunctionBackend, "start_execution", throttled)

    assert start(new=3) == {"started": 0}
    assert len(workers(around)) == 1
    monkeypatch.undo()

    assert start(new=3) == {"started": 3}
    assert [name[-3:] for name in workers(around)] == ["1-1", "2-1", "3-1"]
    assert around.service().started == 3


def test_notes_how_far_it_has_come_now_and_then(start, around, monkeypatch):
    around.put(any_service(batches=20), *(any_batch(batch=number) for number in range(1, 21)))
    real, names = StepFunctionBackend.start_execution, []

    def throttled(self, *arguments, **given):
        names.append(arguments)
        if len(names) > 10:
            raise aws_error("ThrottlingException")
        return real(self, *arguments, **given)

    monkeypatch.setattr(StepFunctionBackend, "start_execution", throttled)

    assert start(new=20) == {"started": 8}
    assert around.service().started == 8
    assert len(workers(around)) == 10


def test_starts_no_more_when_another_run_takes_over_in_the_middle(start, around, intercept):
    def take_over():
        around.table.update_service(around.service(), run=2)

    around.put(any_service(batches=20), *(any_batch(batch=number) for number in range(1, 21)))
    intercept("StartExecution", after=take_over)

    start(new=20)

    assert len(workers(around)) == 8
    assert around.service().started == 0


@pytest.mark.parametrize("put_off", [True, False])
def test_counts_workers_that_have_gone_and_not_those_that_were_put_off(start, around, put_off):
    around.put(started(any_batch(), attempt=3, broken_off=1, put_off=put_off))

    start(again=[(1, 3)])

    assert around.batch().broken_off == (1 if put_off else 2)


def test_two_beats_at_once_start_one_worker_for_a_batch(start, around, intercept):
    intercept("UpdateItem", before=lambda: start(new=1))

    start(new=1)

    assert workers(around) == ["2026-12-all-webdav-1-1"]
    assert around.batch().attempt == 1
