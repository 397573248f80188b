"""The stages of a canary: one, then ten, then the rest, and nothing twice."""

import pytest

from shared.errors import RedriveUnknown, TransientError

from .factories import any_failed

MODULE = "communications.plan_canary_stage"
RUN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def plan(module, event_of, context):
    return planner(module, event_of, context)


def planner(module, event_of, context):
    return lambda stage: module.handler(event_of(MODULE) | {"stage": stage}, context)


def failures(count):
    return [
        any_failed(communication_id=f"c{n:03}", created_at=f"2026-03-02T00:{n:02}:00Z")
        for n in range(count)
    ]


def chosen(planned):
    return [one["communication_id"] for b in planned["batches"] for one in b["communications"]]


def test_takes_one_then_ten_then_the_rest_and_nothing_twice(plan, around):
    around.put(*failures(45))
    around.put_run(RUN, canary=True)

    stages = [plan(stage) for stage in (1, 2, 3)]

    assert [stage["communications"] for stage in stages] == [1, 10, 34]
    assert [[b["batch"] for b in stage["batches"]] for stage in stages] == [[1], [2], [3, 4]]
    everything = [one for stage in stages for one in chosen(stage)]
    assert everything == [f"c{number:03}" for number in range(45)]


def test_every_later_stage_takes_what_a_run_s_batches_hold(step, event_of, context, around):
    plan = planner(step(MODULE, MOST_BATCHES="1"), event_of, context)
    around.put(*failures(40))
    around.put_run(RUN, canary=True)

    stages = [plan(stage) for stage in range(1, 6)]

    assert [stage["communications"] for stage in stages] == [1, 10, 20, 9, 0]
    assert stages[-1] == {"stage": 5, "communications": 0, "batches": []}


def test_another_invocation_that_plans_the_same_stage_is_met_again(plan, around, intercept):
    around.put(*failures(1))
    around.put_run(RUN, canary=True)
    intercept("TransactWriteItems", before=lambda: around.put_batch(RUN, 1))

    with pytest.raises(TransientError, match="Conflict"):
        plan(1)

    assert [batch["batch"] for batch in plan(1)["batches"]] == [1]


def test_plans_a_stage_once(plan, around):
    around.put(*failures(14))
    around.put_run(RUN, canary=True)
    plan(1)
    second = plan(2)
    around.put(any_failed(communication_id="older", created_at="2026-03-01T00:00:00Z"))

    assert plan(2) == second
    assert plan(3)["communications"] == 4


def test_leaves_out_what_failed_again_in_an_earlier_stage(plan, around):
    around.put(*failures(3))
    around.put_run(RUN, canary=True)
    [first] = chosen(plan(1))
    around.put(any_failed(communication_id=first, version=9, redrives=1))

    assert first not in chosen(plan(2))


def test_takes_only_what_was_selected(plan, around):
    around.put(*failures(3), any_failed(communication_id="other", error="Bounced"))
    around.put_run(RUN, canary=True, selection={"error": "Bounced"})

    assert chosen(plan(1)) == ["other"]
    assert plan(2) == {"stage": 2, "communications": 0, "batches": []}


def test_gives_a_batch_as_its_machine_takes_it(plan, around):
    around.put(any_failed(version=7))
    around.put_run(RUN, canary=True)

    expected = {
        "run_id": RUN,
        "batch": 1,
        "communications": [{"communication_id": "5f0c7d2e9b6a4c1d8e3f70a1b2c3d4e5", "version": 7}],
    }
    assert plan(1)["batches"] == [expected]
    assert plan(1)["batches"] == [expected]


def test_a_run_that_nobody_knows_is_an_error(plan):
    with pytest.raises(RedriveUnknown):
        plan(1)
