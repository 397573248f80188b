"""Whether a canary goes on: one, then ten, then the rest."""

import pytest

from communications.rules.canary import STAGES, judge


def report(**counts):
    return {"total": sum(counts.values()), "counts": counts, "causes": {}}


def test_redrives_one_then_ten_then_the_rest():
    assert STAGES == (1, 10, None)


@pytest.mark.parametrize(
    ("stage", "counts", "broken", "verdict", "following"),
    [
        (1, {"sent": 1}, 0, "go_on", 2),
        (1, {"failed": 1}, 0, "stop", 1),
        (1, {"unknown": 1}, 0, "stop", 1),
        (1, {"waiting": 1}, 0, "stop", 1),
        (1, {"not_reached": 1}, 0, "stop", 1),
        (1, {"skipped": 1}, 0, "go_on", 2),
        (2, {"sent": 8, "failed": 2}, 0, "go_on", 3),
        (2, {"sent": 7, "failed": 3}, 0, "stop", 2),
        (2, {"sent": 4, "skipped": 5, "failed": 1}, 0, "go_on", 3),
        (2, {"sent": 3, "skipped": 5, "failed": 2}, 0, "stop", 2),
        (2, {"sent": 10}, 1, "stop", 2),
        (3, {"sent": 50}, 0, "finished", 3),
        (3, {"sent": 40, "failed": 11}, 0, "stop", 3),
        (1, {}, 0, "go_on", 2),
        (1, {}, 1, "stop", 1),
    ],
)
def test_goes_on_unless_the_failures_repeat(stage, counts, broken, verdict, following):
    judgement = judge(stage, report(**counts), broken)

    assert (judgement["verdict"], judgement["next_stage"]) == (verdict, following)


def test_says_why_in_words():
    judgement = judge(2, report(sent=7, failed=3), 2)

    assert judgement["text"] == (
        "Stage 2: 7 of 10 were sent. 2 batches broke off. The failures repeat."
    )
    assert judge(1, report(sent=1), 0)["text"] == "Stage 1: 1 of 1 were sent."
