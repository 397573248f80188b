"""Five analyses and a transcript become the call's document, and the row that points at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from post_call.model import CallDocument, Role, S3Pointer, Turn
from post_call.rules.categories import Categories
from post_call.rules.conversation_measures import ConversationCharacteristics
from post_call.rules.issues import Findings
from post_call.rules.personal_data import Span, redact
from post_call.rules.sentiment import ConversationSentiment
from post_call.rules.summary import Summary, follow_up_reasons, render_summary


@dataclass(frozen=True)
class Analyses:
    """What the parallel steps found in one transcript."""

    measures: ConversationCharacteristics
    sentiment: ConversationSentiment
    personal_data: Sequence[Span]
    categories: Categories
    findings: Findings
    summary: Summary


@dataclass(frozen=True)
class Described:
    """What is known of the call beside its words; `created_at` is when it took place."""

    call_id: str
    version: int
    created_at: str
    metadata: dict[str, str]
    recording: dict[str, Any]


def assemble(transcript: CallDocument, analyses: Analyses, call: Described) -> CallDocument:
    """The redacted document in Amazon's shape, with our additions in `Aftercall`."""
    turns = [_analysed(turn, analyses) for turn in transcript["Transcript"]]
    whole: CallDocument = {**transcript, "Transcript": turns}
    document = redact(whole, analyses.personal_data)
    document["ConversationCharacteristics"] = {
        **analyses.measures,
        "Sentiment": analyses.sentiment["characteristics"],
    }
    document["Categories"] = {**analyses.categories}
    document["Aftercall"] = {
        **transcript["Aftercall"],
        "call_id": call.call_id,
        "version": call.version,
        "created_at": call.created_at,
        "recording": call.recording,
        "metadata": call.metadata,
        "sentiment_trend": {**analyses.sentiment["trend"]},
        "summary": render_summary(analyses.summary, document, analyses.personal_data),
        "follow_up_reasons": reasons_of(analyses),
    }
    return document


def reasons_of(analyses: Analyses) -> list[str]:
    """Why somebody has to come back to the customer; empty when nobody has to."""
    return [*follow_up_reasons(analyses.sentiment, analyses.categories, analyses.findings)]


def call_row(
    analyses: Analyses, call: Described, *, analysis: S3Pointer, transcript: S3Pointer
) -> dict[str, Any]:
    """What the calls table says of an analysed call, beside who owns it. Scores are texts: a
    DynamoDB number is a decimal, and nobody adds these up there.
    """
    row: dict[str, Any] = {
        "state": "ANALYSED",
        "analysis_version": call.version,
        "created_at": call.created_at,
        "day": call.created_at[:10],
        "duration_ms": call.recording["duration_ms"],
        "channels": call.recording["channels"],
        "categories": analyses.categories["MatchedCategories"],
        "follow_up_reasons": reasons_of(analyses),
        "analysis_bucket": analysis["bucket"],
        "analysis_key": analysis["key"],
        "transcript_bucket": transcript["bucket"],
        "transcript_key": transcript["key"],
    }
    for name in ("agent", "customer_id", "guid"):
        if name in call.metadata:
            row[name] = call.metadata[name]
    return row | _sentiment_columns(analyses.sentiment)


def _sentiment_columns(sentiment: ConversationSentiment) -> dict[str, str]:
    columns: dict[str, str] = {}
    roles: tuple[Role, ...] = ("AGENT", "CUSTOMER")
    for role in roles:
        if role in sentiment["characteristics"]["OverallSentiment"]:
            score = sentiment["characteristics"]["OverallSentiment"][role]
            columns[f"{role.lower()}_sentiment"] = f"{score:+.1f}"
        if role in sentiment["trend"]:
            columns[f"{role.lower()}_trend"] = sentiment["trend"][role]["direction"]
    return columns


def _analysed(turn: Turn, analyses: Analyses) -> Turn:
    """The turn with its sentiment and what was found in it."""
    found = analyses.findings["turns"].get(turn["Id"], {})
    analysed: Turn = {**turn, **found, "Sentiment": analyses.sentiment["turns"][turn["Id"]]}
    return analysed
