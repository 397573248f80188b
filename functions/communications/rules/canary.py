"""Redriving a cluster as a canary: one, then ten, then the rest, unless the failures repeat."""

from typing import Literal, TypedDict

from communications.rules.redrive_outcomes import Report

STAGES: tuple[int | None, ...] = (1, 10, None)
"""How many are redriven in each stage; None is all that are left."""

TOLERATED_SHARE = 0.2
"""The share of a stage that may fail again before the rest is left alone."""


class Judgement(TypedDict):
    """Whether to go on, and why."""

    verdict: Literal["go_on", "stop", "finished"]
    next_stage: int
    text: str


def judge(stage: int, report: Report, broken_batches: int) -> Judgement:
    """Judge a stage, counted from 1, by what came of it.

    Whatever was not sent speaks against going on, for whatever reason: that some are only still
    being tried means that they failed at first.
    """
    unhealed = report["total"] - report["counts"].get("sent", 0)
    skipped = report["counts"].get("skipped", 0)
    failed = unhealed - skipped
    judged = report["total"] - skipped
    text = f"Stage {stage}: {report['counts'].get('sent', 0)} of {report['total']} were sent."
    if broken_batches:
        text += f" {broken_batches} batches broke off."
    if broken_batches or (judged and failed / judged > TOLERATED_SHARE):
        return {"verdict": "stop", "next_stage": stage, "text": f"{text} The failures repeat."}
    if stage == len(STAGES):
        return {"verdict": "finished", "next_stage": stage, "text": text}
    return {"verdict": "go_on", "next_stage": stage + 1, "text": text}
