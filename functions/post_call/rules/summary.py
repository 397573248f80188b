"""A call in a few sentences, and whether somebody has to come back to the customer.

A summary holds references into the transcript and figures, no words: it can be made beside the
redaction, and its text is rendered from the redacted turns later. The reason is the first issue
that the customer states, the resolution the last outcome that the agent states, the next step the
last thing that the agent promises.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypedDict

from post_call.model import CallDocument, Detected, Turn
from post_call.rules.categories import Categories
from post_call.rules.issues import Findings, TurnFindings, find_issues
from post_call.rules.personal_data import Span, shift_offsets
from post_call.rules.sentiment import ConversationSentiment, measure_sentiment
from post_call.rules.words import by_time

LOW_SENTIMENT = -1.0
"""A customer's overall sentiment, -5 to 5, from which down a call needs a follow-up."""

type FollowUpReason = Literal[
    "customer_sentiment_low",
    "customer_sentiment_falling",
    "complaint",
    "cancellation_risk",
    "supervisor_request",
    "call_back_promised",
]

_REASON_OF_CATEGORY: dict[str, FollowUpReason] = {
    "Complaint": "complaint",
    "CancellationRisk": "cancellation_risk",
    "SupervisorRequest": "supervisor_request",
}


class Reference(TypedDict):
    """A piece of a turn; offsets are characters of the original, unredacted `Content`."""

    turn_id: str
    begin_char: int
    end_char: int


class Figures(TypedDict):
    """`customer_sentiment` runs from -5 to 5; None where no customer is known to speak."""

    duration_ms: int
    turns: int
    customer_sentiment: float | None


class Summary(TypedDict):
    reason: Reference | None
    resolution: Reference | None
    next_step: Reference | None
    figures: Figures


def summarise(document: CallDocument, *, duration_ms: int) -> Summary:
    turns = by_time(document)
    found = find_issues(document)["turns"]
    reasons = list(_references(turns, found, "IssuesDetected"))
    resolutions = list(_references(turns, found, "OutcomesDetected"))
    next_steps = list(_references(turns, found, "ActionItemsDetected"))
    overall = measure_sentiment(document)["characteristics"]["OverallSentiment"]
    return {
        "reason": reasons[0] if reasons else None,
        "resolution": resolutions[-1] if resolutions else None,
        "next_step": next_steps[-1] if next_steps else None,
        "figures": {
            "duration_ms": duration_ms,
            "turns": len(turns),
            "customer_sentiment": overall.get("CUSTOMER"),
        },
    }


def render_summary(summary: Summary, redacted_document: CallDocument, spans: Sequence[Span]) -> str:
    """The summary in words; quotes come from the redacted turns, `spans` are what was redacted."""
    contents = {turn["Id"]: turn["Content"] for turn in redacted_document["Transcript"]}
    lines = [
        f"{title}: {_quote(reference, contents, spans)}."
        for title, reference in (
            ("Reason", summary["reason"]),
            ("Resolution", summary["resolution"]),
            ("Next step", summary["next_step"]),
        )
        if reference
    ] or ["Neither a reason nor a resolution was recognised."]
    return "\n".join([*lines, _figures(summary["figures"])])


def follow_up_reasons(
    sentiment: ConversationSentiment, categories: Categories, issues: Findings
) -> list[FollowUpReason]:
    """Why somebody has to come back to the customer; empty when nobody has to. Any of:

    - `customer_sentiment_low`: the customer's overall sentiment is at most LOW_SENTIMENT;
    - `customer_sentiment_falling`: it falls during the call, and the customer's last quarter is
      negative;
    - `complaint`, `cancellation_risk`, `supervisor_request`: the category of that name matched;
    - `call_back_promised`: the agent promised that somebody will call.

    Where speakers are not told apart, the mood is no known customer's and gives no reason.
    """
    reasons: list[FollowUpReason] = []
    overall = sentiment["characteristics"]["OverallSentiment"].get("CUSTOMER", 0.0)
    if overall <= LOW_SENTIMENT:
        reasons.append("customer_sentiment_low")
    if _ends_badly(sentiment):
        reasons.append("customer_sentiment_falling")
    reasons += [
        reason
        for category, reason in _REASON_OF_CATEGORY.items()
        if category in categories["MatchedCategories"]
    ]
    if issues["call_backs"]:
        reasons.append("call_back_promised")
    return reasons


def _ends_badly(sentiment: ConversationSentiment) -> bool:
    trend = sentiment["trend"].get("CUSTOMER")
    if trend is None or trend["direction"] != "falling":
        return False
    quarters = sentiment["characteristics"]["SentimentByPeriod"]["QUARTER"]["CUSTOMER"]
    return quarters[-1]["Score"] < 0


def _references(
    turns: Sequence[Turn],
    found: Mapping[str, TurnFindings],
    kind: Literal["IssuesDetected", "OutcomesDetected", "ActionItemsDetected"],
) -> Iterator[Reference]:
    for turn in turns:
        detected: list[Detected] = found.get(turn["Id"], TurnFindings()).get(kind, [])
        for one in detected:
            offsets = one["CharacterOffsets"]
            yield {
                "turn_id": turn["Id"],
                "begin_char": offsets["Begin"],
                "end_char": offsets["End"],
            }


def _quote(reference: Reference, contents: Mapping[str, str], spans: Sequence[Span]) -> str:
    begin, end = shift_offsets(
        reference["turn_id"], reference["begin_char"], reference["end_char"], spans
    )
    return f'"{contents[reference["turn_id"]][begin:end]}"'


def _figures(figures: Figures) -> str:
    minutes, seconds = divmod(round(figures["duration_ms"] / 1000), 60)
    text = f"{minutes} min {seconds} s, {figures['turns']} turns"
    if figures["customer_sentiment"] is not None:
        text += f", customer sentiment {figures['customer_sentiment']:+.1f} of 5"
    return f"{text}."
