"""Whether a canary goes on: one, then ten, then the rest."""

import pytest

from communications.rules.canary import MOST_STAGES, judge, size_of


def report(**counts):
    return {"total": sum(counts.values()), "counts": counts, "causes": {}, "unconfirmed": 0}


def test_redrives_one_then_ten_then_all_that_are_left():
    sizes = [size_of(stage) for stage in range(1, MOST_STAGES + 1)]

    assert sizes == [1, 10, *[None] * 8]


@pytest.mark.parametrize(
    ("stage", "counts", "broken", "verdict", "following"),
    [
        (1, {"sent": 1}, 0, "go_on", 2),
        (1, {"failed": 1}, 0, "stop", 1),
        (1, {"unknown": 1}, 0, "stop", 1),
        (1, {"waiting": 1}, 0, "stop", 1),
        (1, {"not_reached": 1}, 0, "stop", 1),
        (1, {"skipped": 1}, 0, "stop", 1),
        (3, {"skipped": 50}, 0, "stop", 3),
        (2, {"sent": 8, "failed": 2}, 0, "go_on", 3),
        (2, {"sent": 7, "failed": 3}, 0, "stop", 2),
        (2, {"sent": 4, "skipped": 5, "failed": 1}, 0, "go_on", 3),
        (2, {"sent": 3, "skipped": 5, "failed": 2}, 0, "stop", 2),
        (2, {"sent": 10}, 1, "stop", 2),
        (3, {"sent": 50}, 0, "go_on", 4),
        (9, {"sent": 50}, 0, "go_on", 10),
        (10, {"sent": 50}, 0, "finished", 10),
        (10, {"sent": 39, "failed": 11}, 0, "stop", 10),
        (10, {"sent": 50}, 1, "stop", 10),
        (3, {"sent": 40, "failed": 11}, 0, "stop", 3),
        (1, {}, 0, "stop", 1),
        (1, {}, 1, "stop", 1),
    ],
)
def test_goes_on_unless_the_failures_repeat(stage, counts, broken, verdict, following):
    judgement = judge(stage, report(**counts), broken)

    assert (judgement["verdict"], judgement["next_stage"]) == (verdict, following)


@pytest.mark.parametrize(
    ("stage", "counts", "broken", "text"),
    [
        (1, {"sent": 1}, 0, "Stage 1: 1 of 1 were sent."),
        (2, {"sent": 7, "failed": 3}, 0, "Stage 2: 7 of 10 were sent. The failures repeat."),
        (2, {"sent": 7, "failed": 3}, 2, "Stage 2: 7 of 10 were sent. 2 batches broke off."),
        (
            *(1, {"skipped": 1}, 0),
            "Stage 1: 0 of 1 were sent. All were skipped, and nothing was learnt.",
        ),
        (10, {"sent": 9}, 0, "Stage 10: 9 of 9 were sent. More may be left."),
    ],
)
def test_says_why_in_words(stage, counts, broken, text):
    assert judge(stage, report(**counts), broken)["text"] == text
