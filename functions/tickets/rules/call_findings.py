"""What a ticket takes from the redacted analysis of its call: why, what about, and a few quotes."""

from collections.abc import Iterable, Mapping
from typing import Any

from tickets.rules.queue import GENERAL, Queue
from tickets.rules.ticket import Call, Priority, Quote

MOST_QUOTES = 3
LONGEST_QUOTE = 300
COMPLAINTS = ("SupervisorRequest", "CancellationRisk", "Complaint")
"""Categories whose words say best why somebody has to come back."""

_URGENCY: dict[str, Priority] = {
    "supervisor_request": "urgent",
    "cancellation_risk": "high",
    "complaint": "high",
}
_ORDER: tuple[Priority, ...] = ("urgent", "high", "normal")


def call_of(document: Mapping[str, Any], bucket: str, key: str) -> Call:
    """The findings in a document of Amazon Transcribe Call Analytics' shape with our additions."""
    return Call(
        analysis_bucket=bucket,
        analysis_key=key,
        reasons=tuple(document["Aftercall"].get("follow_up_reasons", ())),
        categories=tuple(document.get("Categories", {}).get("MatchedCategories", ())),
        quotes=tuple(_quotes(document)),
    )


def customer_of(document: Mapping[str, Any]) -> str | None:
    customer_id: str | None = document["Aftercall"].get("metadata", {}).get("customer_id")
    return customer_id


def priority_of(reasons: Iterable[str]) -> Priority:
    found = {_URGENCY.get(reason, "normal") for reason in reasons}
    return next((priority for priority in _ORDER if priority in found), "normal")


def queue_of(reasons: Iterable[str], queues: Iterable[Queue]) -> str:
    """The first queue by name that wants calls with one of these reasons; else the general one."""
    wanted = set(reasons)
    fitting = [queue.name for queue in queues if wanted & set(queue.follow_up_reasons)]
    return min(fitting, default=GENERAL.name)


def _quotes(document: Mapping[str, Any]) -> list[Quote]:
    """The customer's turns that a complaint was found in, else their negative ones; in order."""
    theirs = [turn for turn in document["Transcript"] if turn["ParticipantRole"] != "AGENT"]
    points = [
        (point["BeginOffsetMillis"], point["EndOffsetMillis"])
        for name in COMPLAINTS
        for point in _details(document).get(name, {}).get("PointsOfInterest", ())
    ]
    chosen = [turn for turn in theirs if any(_overlap(turn, point) for point in points)]
    chosen = chosen or [turn for turn in theirs if turn.get("Sentiment") == "NEGATIVE"]
    return [
        Quote(
            role=turn["ParticipantRole"],
            text=turn["Content"][:LONGEST_QUOTE],
            at_ms=turn["BeginOffsetMillis"],
        )
        for turn in chosen[:MOST_QUOTES]
    ]


def _details(document: Mapping[str, Any]) -> Mapping[str, Any]:
    details: Mapping[str, Any] = document.get("Categories", {}).get("MatchedDetails", {})
    return details


def _overlap(turn: Mapping[str, Any], point: tuple[int, int]) -> bool:
    return bool(turn["BeginOffsetMillis"] < point[1] and point[0] < turn["EndOffsetMillis"])
