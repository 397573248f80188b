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
    "skipped": "skipped, for they have changed meanwhile or may not be redriven",
    "not_reached": "not redriven, for the API did not take them",
}


class Retry(TypedDict):
    """What the API answered for one communication: `queued`, `skipped` or `not_reached`."""

    communication_id: str
    result: Literal["queued", "skipped", "not_reached"]
    error: NotRequired[str]


class Report(TypedDict):
    """A batch's outcome: how many there are of each result, and why, the commonest cause first.

    `unconfirmed` are those of the sent whose arrival nobody has confirmed yet.
    """

    total: int
    counts: dict[str, int]
    causes: dict[str, int]
    unconfirmed: int


def report_of(
    retries: Sequence[Retry], communications: Sequence[Communication], run_id: str
) -> Report:
    """Count what came of each. `communications` are all of them as they are now: one that this run
    did redrive counts by its state, even where the API's answer was lost.
    """
    by_id = {one.communication_id: one for one in communications}
    counts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    unconfirmed = 0
    for retry in retries:
        current = by_id.get(retry["communication_id"])
        if current is not None and current.redrive_run == run_id:
            counts[_RESULTS.get(current.state, "waiting")] += 1
            causes[current.error or ""] += 1
            unconfirmed += is_unconfirmed(current)
        else:
            counts["not_reached" if retry["result"] == "not_reached" else "skipped"] += 1
            causes[retry.get("error", "")] += 1
    del causes[""]
    return {
        "total": len(retries),
        "counts": dict(counts),
        "causes": dict(causes.most_common(10)),
        "unconfirmed": unconfirmed,
    }


def is_unconfirmed(communication: Communication) -> bool:
    """Whether an e-mail was sent and may still come back; of an SMS nobody tells anything more."""
    if communication.channel == "sms" or communication.state != "SENT":
        return False
    told = {e.event for e in communication.history if e.attempt == communication.attempts}
    return not told & {"delivered", "complained", "resolved"}


def is_settled(report: Report) -> bool:
    return not report["counts"].get("waiting") and not report["unconfirmed"]


def is_healed(report: Report) -> bool:
    return report["counts"].get("sent", 0) == report["total"]


def text_of(report: Report, what: str) -> str:
    """The report for a person."""
    lines = [f"{what}: {report['total']} communications."]
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
        "causes": dict(causes.most_common(10)),
        "unconfirmed": sum(report["unconfirmed"] for report in reports),
    }
