"""What the call was about, what came of it and what was promised, as places in the text.

As in Amazon's output an issue, an outcome or an action item is a range of characters of a turn: the
sentence that says it. Bare words of a recogniser have no sentences; there the range is the phrase
with some words before and behind. At most one of each kind is taken from a turn. The phrases are in
`issues.json`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypedDict

from post_call.model import CallDocument, Detected, Role, Turn
from post_call.rules.phrases import Match, Phrase, find_phrases, parse_phrase
from post_call.rules.words import by_time, word_set, words_of

WORDS_BEHIND = 14
"""How far a range goes on behind its phrase in a sentence that never ends."""

type Kind = Literal["IssuesDetected", "OutcomesDetected", "ActionItemsDetected"]

_KINDS: tuple[Kind, ...] = ("IssuesDetected", "OutcomesDetected", "ActionItemsDetected")
_CALL_BACKS = "call_backs"
_RULES = Path(__file__).with_name("issues.json")
_SENTENCE = re.compile(r"[^.?!]+(?:[.?!](?!\s|$)[^.?!]*)*[.?!]*")
_LONG_SENTENCE_WORDS = 30
_OPENERS = word_set("um uh er okay ok oh so well and yeah yes hi hello right alright")


class TurnFindings(TypedDict, total=False):
    """The keys of a turn in Amazon's output; what was not found is not there."""

    IssuesDetected: list[Detected]
    OutcomesDetected: list[Detected]
    ActionItemsDetected: list[Detected]


class Findings(TypedDict):
    """`turns` is by turn id; `call_backs` are the ids of turns that promise to call back."""

    turns: dict[str, TurnFindings]
    call_backs: list[str]


@dataclass(frozen=True, slots=True)
class _Rule:
    participant: Role
    any: tuple[Phrase, ...]
    none: tuple[Phrase, ...]
    words_before: int


def find_issues(document: CallDocument) -> Findings:
    findings: Findings = {"turns": {}, "call_backs": []}
    for turn in by_time(document):
        found = TurnFindings()
        for kind in _KINDS:
            if place := next(_places(turn, _rules()[kind]), None):
                begin, end = place
                found[kind] = [{"CharacterOffsets": {"Begin": begin, "End": end}}]
        if found:
            findings["turns"][turn["Id"]] = found
        if any(_places(turn, _rules()[_CALL_BACKS])):
            findings["call_backs"].append(turn["Id"])
    return findings


def _places(turn: Turn, rule: _Rule) -> Iterator[tuple[int, int]]:
    if turn["ParticipantRole"] not in (rule.participant, "UNKNOWN"):
        return
    for sentence in _SENTENCE.finditer(turn["Content"]):
        words = words_of(sentence.group())
        matches = find_phrases(words, rule.any)
        if matches and not find_phrases(words, rule.none):
            begin, end = _around(sentence.group(), matches[0], rule.words_before)
            yield sentence.start() + begin, sentence.start() + end


def _around(sentence: str, match: Match, words_before: int) -> tuple[int, int]:
    """The whole sentence without its opening fillers; a part of it where it seems never to end."""
    words = words_of(sentence)
    first = next(i for i, word in enumerate(words) if word.end_char > match.begin_char)
    last = max(i for i, word in enumerate(words) if word.begin_char < match.end_char)
    if len(words) > _LONG_SENTENCE_WORDS or not sentence.endswith((".", "?", "!")):
        words = words[max(first - words_before, 0) : last + 1 + WORDS_BEHIND]
    while words[0].text in _OPENERS and words[0].end_char <= match.begin_char:
        words = words[1:]
    return words[0].begin_char, words[-1].end_char


@cache
def _rules() -> dict[str, _Rule]:
    written = json.loads(_RULES.read_text())
    return {
        kind: _Rule(
            written[kind]["participant"],
            tuple(parse_phrase(text) for text in written[kind]["any"]),
            tuple(parse_phrase(text) for text in written[kind]["none"]),
            written[kind]["words_before"],
        )
        for kind in (*_KINDS, _CALL_BACKS)
    }
