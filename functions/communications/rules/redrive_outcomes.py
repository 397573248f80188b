"""What came of a batch of redriven communications, in counts and in words.

Nothing here names a recipient: a report goes out by e-mail.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from communications.rules.communication import Communication

type Result = Literal["sent", "failed", "unknown", "waiting", "skipped", "not_reached"]

_RESULTS: dict[str, Result] = {
    "SENT": "sent",
    "FAILED": "failed",
    "DISCARDED": "skipped",
    "UNKNOWN": "unknown",
}
_WORDS: dict[Result, str] = {
    "sent": "sent",
    "failed": "failed again",
    "unknown": "with an unknown end",
    "waiting": "still being tried",
    "skipped": "skipped, for somebody else is at them or they may not be redriven",
    "not_reached": "not redriven, for the API could not be reached",
}


class Retry(TypedDict):
    """What the API answered for one communication: `queued`, `skipped` or `not_reached`."""

    communication_id: str
    result: Literal["queued", "skipped", "not_reached"]
    error: NotRequired[str]


class Report(TypedDict):
    """A batch's outcome: how many there are of each result, and why, the commonest cause first."""

    total: int
    counts: dict[str, int]
    causes: dict[str, int]


def report_of(
    retries: Sequence[Retry], communications: Sequence[Communication], run_id: str
) -> Report:
    """Count what came of each; `communications` are those that were queued, as they are now."""
    by_id = {one.communication_id: one for one in communications}
    counts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    for retry in retries:
        current = by_id.get(retry["communication_id"])
        if retry["result"] != "queued" or current is None:
            counts[retry["result"] if retry["result"] != "queued" else "skipped"] += 1
            causes[retry.get("error", "")] += 1
            continue
        counts[result_of(current, run_id)] += 1
        causes[current.error or ""] += 1
    del causes[""]
    return {
        "total": len(retries),
        "counts": dict(counts),
        "causes": dict(causes.most_common(10)),
    }


def result_of(communication: Communication, run_id: str) -> Result:
    """What became of one; if another run or a person has taken it over, that is their business."""
    settled = _RESULTS.get(communication.state)
    if settled:
        return settled
    return "waiting" if communication.redrive_run == run_id else "skipped"


def is_settled(report: Report) -> bool:
    return not report["counts"].get("waiting")


def is_healed(report: Report) -> bool:
    return report["counts"].get("sent", 0) == report["total"]


def text_of(report: Report, run_id: str, batch: int) -> str:
    """The report for a person."""
    lines = [f"Redrive {run_id}, batch {batch}: {report['total']} communications."]
    lines += [
        f"  {report['counts'][result]} {words}"
        for result, words in _WORDS.items()
        if result in report["counts"]
    ]
    if report["causes"]:
        lines.append("Causes:")
        lines += [f"  {error}: {number}" for error, number in report["causes"].items()]
    return "\n".join(lines)


def added(reports: Sequence[Report]) -> Report:
    """The reports of several batches as one."""
    counts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    for report in reports:
        counts.update(report["counts"])
        causes.update(report["causes"])
    return {
        "total": sum(report["total"] for report in reports),
        "counts": dict(counts),
        "causes": dict(causes),
    }
