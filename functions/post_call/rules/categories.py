"""Which rules a call matches, and where, in the shape of Amazon's `Categories`.

The rules are in `categories.json`, whose `format` says what each key means; a contact centre may
bring its own. A point of interest is the whole turn that matched, the silence or the interruption,
in milliseconds, as Amazon reports it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

from post_call.model import CallDocument, Instance, TimeRange, Turn
from post_call.rules.conversation_measures import find_interruptions, find_silences
from post_call.rules.phrases import Phrase, find_phrases, parse_phrase
from post_call.rules.sentiment import turn_sentiment
from post_call.rules.words import by_time, words_of

_RULES = Path(__file__).with_name("categories.json")
_NAME = re.compile(r"[0-9a-zA-Z._-]{1,200}")
_PARTICIPANTS = ("AGENT", "CUSTOMER", "ANY")
_SENTIMENTS = ("POSITIVE", "NEGATIVE", "NEUTRAL", "MIXED")
_KEYS = frozenset(
    {
        "name",
        "description",
        "participant",
        "any",
        "all",
        "none",
        "when",
        "sentiment",
        "non_talk_ms",
        "interruption_ms",
    }
)


class MatchedDetail(TypedDict):
    PointsOfInterest: list[TimeRange]


class Categories(TypedDict):
    """`MatchedCategories` in alphabetical order."""

    MatchedCategories: list[str]
    MatchedDetails: dict[str, MatchedDetail]


@dataclass(frozen=True, slots=True)
class CategoryRule:
    """One category; `first_ms` and `last_ms` are None where the whole call counts."""

    name: str
    participant: str
    any: tuple[Phrase, ...]
    all: tuple[Phrase, ...]
    none: tuple[Phrase, ...]
    first_ms: int | None
    last_ms: int | None
    sentiment: str | None
    non_talk_ms: int | None
    interruption_ms: int | None


def categorise(document: CallDocument, rules: Sequence[CategoryRule] | None = None) -> Categories:
    """Without `rules`, the packaged ones."""
    details: dict[str, MatchedDetail] = {}
    for rule in packaged_rules() if rules is None else rules:
        if points := _points(document, rule):
            details[rule.name] = {"PointsOfInterest": points}
    return {"MatchedCategories": sorted(details), "MatchedDetails": details}


@cache
def packaged_rules() -> tuple[CategoryRule, ...]:
    return parse_rules(json.loads(_RULES.read_text()))


def parse_rules(written: object) -> tuple[CategoryRule, ...]:
    """Rules from a rule file's JSON; ValueError says which category is wrong, and why."""
    categories = written.get("categories") if isinstance(written, Mapping) else None
    if not isinstance(categories, list):
        raise ValueError("a rule file is an object with a list of categories")
    rules = tuple(_parse_rule(number, rule) for number, rule in enumerate(categories, start=1))
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"there is more than one category {twice[0]!r}")
    return rules


# --- matching


def _points(document: CallDocument, rule: CategoryRule) -> list[TimeRange]:
    if rule.non_talk_ms is not None:
        return _long_enough(find_silences(document)["Instances"], rule.non_talk_ms)
    if rule.interruption_ms is not None:
        interruptions = [
            instance
            for role, of_role in find_interruptions(document)["InterruptionsByInterrupter"].items()
            for instance in of_role
            if rule.participant in (role, "ANY")
        ]
        return _long_enough(interruptions, rule.interruption_ms)
    end = max((turn["EndOffsetMillis"] for turn in document["Transcript"]), default=0)
    return [
        {"BeginOffsetMillis": turn["BeginOffsetMillis"], "EndOffsetMillis": turn["EndOffsetMillis"]}
        for turn in by_time(document)
        if _is_meant(turn, rule, end) and _is_said(turn, rule)
    ]


def _long_enough(instances: Sequence[Instance], least_ms: int) -> list[TimeRange]:
    return [
        {
            "BeginOffsetMillis": instance["BeginOffsetMillis"],
            "EndOffsetMillis": instance["EndOffsetMillis"],
        }
        for instance in instances
        if instance["DurationMillis"] >= least_ms
    ]


def _is_meant(turn: Turn, rule: CategoryRule, end_of_call: int) -> bool:
    """The participant and the time are right."""
    if rule.participant != "ANY" and turn["ParticipantRole"] not in (rule.participant, "UNKNOWN"):
        return False
    if rule.first_ms is not None and turn["BeginOffsetMillis"] > rule.first_ms:
        return False
    return rule.last_ms is None or turn["EndOffsetMillis"] >= end_of_call - rule.last_ms


def _is_said(turn: Turn, rule: CategoryRule) -> bool:
    words = words_of(turn["Content"])
    return (
        (not rule.any or bool(find_phrases(words, rule.any)))
        and all(find_phrases(words, [phrase]) for phrase in rule.all)
        and not find_phrases(words, rule.none)
        and rule.sentiment in (None, turn_sentiment(turn["Content"]))
    )


# --- reading the rule file


def _parse_rule(number: int, written: object) -> CategoryRule:
    if not isinstance(written, Mapping):
        raise ValueError(f"category {number} is no object")
    name = written.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"category {number} needs a name of letters, digits, '.', '_' and '-'")
    try:
        return _parse_named_rule(name, written)
    except ValueError as error:
        raise ValueError(f"category {name!r}: {error}") from error


def _parse_named_rule(name: str, written: Mapping[str, object]) -> CategoryRule:
    if unknown := sorted(written.keys() - _KEYS):
        raise ValueError(f"{unknown[0]!r} is no key of a rule")
    when = written.get("when", {})
    if not isinstance(when, Mapping) or not when.keys() <= {"first_seconds", "last_seconds"}:
        raise ValueError("'when' takes first_seconds and last_seconds")
    rule = CategoryRule(
        name=name,
        participant=_choice(written, "participant", _PARTICIPANTS) or "ANY",
        any=_phrases(written, "any"),
        all=_phrases(written, "all"),
        none=_phrases(written, "none"),
        first_ms=_whole_number(when, "first_seconds", times=1000),
        last_ms=_whole_number(when, "last_seconds", times=1000),
        sentiment=_choice(written, "sentiment", _SENTIMENTS),
        non_talk_ms=_whole_number(written, "non_talk_ms"),
        interruption_ms=_whole_number(written, "interruption_ms"),
    )
    measures = [
        measure for measure in (rule.non_talk_ms, rule.interruption_ms) if measure is not None
    ]
    of_turns = bool(rule.any or rule.all or rule.sentiment)
    if len(measures) + of_turns != 1:
        raise ValueError("needs either phrases or a sentiment, or non_talk_ms, or interruption_ms")
    return rule


def _choice(written: Mapping[str, object], key: str, choices: tuple[str, ...]) -> str | None:
    chosen = written.get(key)
    if chosen is None:
        return None
    if not isinstance(chosen, str) or chosen not in choices:
        raise ValueError(f"{key!r} must be one of {', '.join(choices)}, not {chosen!r}")
    return chosen


def _phrases(written: Mapping[str, object], key: str) -> tuple[Phrase, ...]:
    texts = written.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{key!r} must be a list of phrases")
    return tuple(parse_phrase(text) for text in texts)


def _whole_number(written: Mapping[str, object], key: str, *, times: int = 1) -> int | None:
    number = written.get(key)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"{key!r} must be a whole number from 0, not {number!r}")
    return number * times
