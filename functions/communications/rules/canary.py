"""Redriving a cluster as a canary: one, then ten, then the rest, unless the failures repeat."""

from typing import Literal, TypedDict

from communications.rules.redrive_outcomes import Report

STAGES: tuple[int | None, ...] = (1, 10, None)
"""How many are redriven in each stage; None is all that are left, and so is every later one."""

MOST_STAGES = 10
"""A stage takes no more than a run's batches; so many follow until nothing is left, at most."""

TOLERATED_SHARE = 0.2
"""The share of a stage that may fail again before the rest is left alone."""


class Judgement(TypedDict):
    """Whether to go on, why, and for a person what has come of all stages so far."""

    verdict: Literal["go_on", "stop", "finished"]
    next_stage: int
    text: str


def size_of(stage: int) -> int | None:
    return STAGES[min(stage, len(STAGES)) - 1]


def judge(stage: int, report: Report, broken_batches: int) -> Judgement:
    """Judge a stage, counted from 1, by what came of it.

    Whatever was not sent speaks against going on, for whatever reason: that some are only still
    being tried means that they failed at first. Where all were skipped, nothing was learnt.
    """
    sent, skipped = report["counts"].get("sent", 0), report["counts"].get("skipped", 0)
    judged = report["total"] - skipped
    text = f"Stage {stage}: {sent} of {report['total']} were sent."
    if broken_batches:
        reason = f" {broken_batches} batches broke off."
    elif not judged:
        reason = " All were skipped, and nothing was learnt."
    elif (judged - sent) / judged > TOLERATED_SHARE:
        reason = " The failures repeat."
    elif stage == MOST_STAGES:
        return {"verdict": "finished", "next_stage": stage, "text": f"{text} More may be left."}
    else:
        return {"verdict": "go_on", "next_stage": stage + 1, "text": text}
    return {"verdict": "stop", "next_stage": stage, "text": text + reason}
