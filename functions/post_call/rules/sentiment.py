"""Sentiment of each turn, each participant and each quarter, on Amazon's scales.

VADER (vaderSentiment, MIT; lexicon and rules in one small package, no downloads) with an overlay
for contact centres (`sentiment_lexicon.json`): stock VADER takes courtesy for joy and knows nothing
of "third time" or "still not working". A sentence model would weigh a hundred times as much; the
unit test says how far the overlay gets on sentences it was not made with.

Scores run from -5 to 5. Amazon's own scores for a recorded call follow from its turn labels as
5 x (positive turns - negative turns) / turns, and so do these. A participant's four periods are the
quarters of the time from the start to the end of that participant's last turn; a turn belongs to
the period it begins in. `MIXED` is a turn that says clearly good and clearly bad things at once.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypedDict

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from post_call.model import CallDocument, PeriodScore, Role, Sentiment, Turn
from post_call.rules.phrases import Match, Phrase, find_phrases, parse_phrase
from post_call.rules.words import by_time, roles_in, words_of

POSITIVE_FROM = 0.3
NEGATIVE_FROM = -0.25
CLEARLY = 0.2
TREND_CHANGE = 1.0

_SCALE = 5
_LEXICON = Path(__file__).with_name("sentiment_lexicon.json")


class SentimentByPeriod(TypedDict):
    QUARTER: dict[Role, list[PeriodScore]]


class SentimentCharacteristics(TypedDict):
    """Amazon's `ConversationCharacteristics.Sentiment`."""

    OverallSentiment: dict[Role, float]
    SentimentByPeriod: SentimentByPeriod


class Trend(TypedDict):
    """`change`: average score of the later half of a participant's turns minus the earlier half."""

    direction: Literal["rising", "falling", "steady"]
    change: float


class ConversationSentiment(TypedDict):
    turns: dict[str, Sentiment]
    characteristics: SentimentCharacteristics
    trend: dict[Role, Trend]


def measure_sentiment(document: CallDocument) -> ConversationSentiment:
    """`turns` is by turn id; `trend` is for the side object, Amazon has no such thing."""
    labels = {turn["Id"]: turn_sentiment(turn["Content"]) for turn in document["Transcript"]}
    characteristics, trend = score_participants(document, labels)
    return {"turns": labels, "characteristics": characteristics, "trend": trend}


def turn_sentiment(content: str) -> Sentiment:
    scores = _analyzer().polarity_scores(_with_overlay(content))
    if scores["compound"] >= POSITIVE_FROM:
        return "POSITIVE"
    if scores["compound"] <= NEGATIVE_FROM:
        return "NEGATIVE"
    if scores["pos"] >= CLEARLY and scores["neg"] >= CLEARLY:
        return "MIXED"
    return "NEUTRAL"


def score_participants(
    document: CallDocument, labels: Mapping[str, Sentiment]
) -> tuple[SentimentCharacteristics, dict[Role, Trend]]:
    """Scores from labels by turn id, whoever gave them."""
    turns = by_time(document)
    of_role = {
        role: [turn for turn in turns if turn["ParticipantRole"] == role]
        for role in roles_in(turns)
    }
    return (
        {
            "OverallSentiment": {role: _score(own, labels) for role, own in of_role.items()},
            "SentimentByPeriod": {
                "QUARTER": {role: _quarters(own, labels) for role, own in of_role.items()}
            },
        },
        {role: _trend(own, labels) for role, own in of_role.items()},
    )


def _score(turns: Sequence[Turn], labels: Mapping[str, Sentiment]) -> float:
    if not turns:
        return 0.0
    given = [labels[turn["Id"]] for turn in turns]
    balance = given.count("POSITIVE") - given.count("NEGATIVE")
    return round(_SCALE * balance / len(given), 1)


def _quarters(turns: Sequence[Turn], labels: Mapping[str, Sentiment]) -> list[PeriodScore]:
    end_of_last = max(turn["EndOffsetMillis"] for turn in turns)
    bounds = [end_of_last * quarter // 4 for quarter in range(5)]
    return [
        {
            "Score": _score(
                [turn for turn in turns if begin <= turn["BeginOffsetMillis"] < end], labels
            ),
            "BeginOffsetMillis": begin,
            "EndOffsetMillis": end,
        }
        for begin, end in pairwise(bounds)
    ]


def _trend(turns: Sequence[Turn], labels: Mapping[str, Sentiment]) -> Trend:
    middle = len(turns) // 2
    earlier, later = turns[:middle], turns[middle:]
    change = round(_score(later, labels) - _score(earlier, labels), 1) if earlier else 0.0
    if change >= TREND_CHANGE:
        return {"direction": "rising", "change": change}
    if change <= -TREND_CHANGE:
        return {"direction": "falling", "change": change}
    return {"direction": "steady", "change": change}


@cache
def _overlay() -> dict[Phrase, float | None]:
    """Phrases with their weight; None for what is neutral."""
    lexicon = json.loads(_LEXICON.read_text())
    weights: dict[Phrase, float | None] = {parse_phrase(text): None for text in lexicon["neutral"]}
    return weights | {parse_phrase(text): weight for text, weight in lexicon["weights"].items()}


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    """VADER that knows each weighted phrase as one word."""
    analyzer = SentimentIntensityAnalyzer()
    analyzer.lexicon |= {
        _one_word(phrase): weight for phrase, weight in _overlay().items() if weight is not None
    }
    return analyzer


def _one_word(phrase: Phrase) -> str:
    return "phrase" + "".join(char if char.isalpha() else "x" for char in phrase.text.lower())


def _with_overlay(content: str) -> str:
    """The text with each phrase of the overlay made one word, or taken out when neutral."""
    pieces, cursor = [], 0
    for match in _longest(find_phrases(words_of(content), list(_overlay()))):
        weight = _overlay()[match.phrase]
        pieces.append(content[cursor : match.begin_char])
        pieces.append(" " if weight is None else f" {_one_word(match.phrase)} ")
        cursor = match.end_char
    pieces.append(content[cursor:])
    return "".join(pieces)


def _longest(matches: Sequence[Match]) -> list[Match]:
    """Matches that do not overlap: longer ones first, then in text order."""
    chosen: list[Match] = []
    for match in sorted(matches, key=lambda match: match.begin_char - match.end_char):
        if all(
            match.end_char <= other.begin_char or match.begin_char >= other.end_char
            for other in chosen
        ):
            chosen.append(match)
    return sorted(chosen, key=lambda match: match.begin_char)
