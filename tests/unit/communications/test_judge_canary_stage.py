"""What came of a stage decides about the next."""

import pytest

MODULE = "communications.judge_canary_stage"
RUN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


@pytest.fixture
def judged(step, event_of, context):
    module = step(MODULE)
    return lambda stage: module.handler(event_of(MODULE) | {"stage": stage}, context)


def report(causes=None, **counts):
    return {
        "total": sum(counts.values()),
        "counts": counts,
        "causes": causes or {},
        "unconfirmed": 0,
    }


def test_goes_on_when_the_stage_was_sent(judged, around):
    around.put_batch(RUN, 1, state="FINISHED", report=report(sent=1))

    judgement = judged(1)

    assert judgement["verdict"] == "go_on"
    assert judgement["next_stage"] == 2
    assert judgement["text"].startswith("Stage 1: 1 of 1 were sent.\n")


def test_stops_when_the_failures_repeat(judged, around):
    around.put_batch(RUN, 1, state="FINISHED", report=report(failed=1))

    assert judged(1)["verdict"] == "stop"


def test_stops_when_all_were_skipped(judged, around):
    around.put_batch(RUN, 1, state="FINISHED", report=report(skipped=1))

    judgement = judged(1)

    assert judgement["verdict"] == "stop"
    assert "nothing was learnt" in judgement["text"]


@pytest.mark.parametrize("state", ["FAILED", "RUNNING"])
def test_stops_when_a_batch_broke_off(judged, around, state):
    around.put_batch(RUN, 1, stage=2, state="FINISHED", report=report(sent=10))
    around.put_batch(RUN, 2, stage=2, state=state)

    assert judged(2)["verdict"] == "stop"


def test_judges_a_stage_by_its_own_batches(judged, around):
    around.put_batch(RUN, 1, stage=1, state="FINISHED", report=report(failed=1))
    around.put_batch(RUN, 2, stage=2, state="FINISHED", report=report(sent=10))
    around.put_batch(RUN, 3, stage=3, state="FINISHED", report=report(sent=20))
    around.put_batch(RUN, 4, stage=3, state="FINISHED", report=report(sent=4, failed=1))

    assert [judged(stage)["verdict"] for stage in (1, 2, 3)] == ["stop", "go_on", "go_on"]
    assert judged(3)["text"].startswith("Stage 3: 24 of 25 were sent.\n")


def test_the_last_stage_finishes_although_more_may_be_left(judged, around):
    around.put_batch(RUN, 1, stage=10, state="FINISHED", report=report(sent=20))

    judgement = judged(10)

    assert (judgement["verdict"], judgement["next_stage"]) == ("finished", 10)


def test_tells_what_came_of_all_stages_and_why(judged, around):
    around.put_batch(RUN, 1, stage=1, state="FINISHED", report=report(sent=1))
    around.put_batch(
        RUN, 2, stage=2, state="FINISHED", report=report({"Bounced": 2, "Any": 1}, sent=7, failed=3)
    )
    around.put_batch(RUN, 3, stage=2, state="FINISHED", report=report({"Any": 4}, failed=4))

    assert judged(2)["text"].splitlines() == [
        "Stage 2: 7 of 14 were sent. The failures repeat.",
        "All stages: 15 communications.",
        "  8 sent",
        "  7 failed again",
        "Causes:",
        "  Any: 5",
        "  Bounced: 2",
    ]
