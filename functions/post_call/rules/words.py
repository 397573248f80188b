"""The words of a turn: what was said, where it stands in the text and when it was said.

Works on a recogniser's bare words and on Amazon's punctuated text alike. Contractions are opened
("I'll" becomes "i", "will", both with the offsets of "I'll"), so a rule is written once.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from post_call.model import CallDocument, Item, Role, Turn

REDACTED = "[PII]"

_WORD = re.compile(r"\[PII\]|[^\W_]+(?:['\u2019][^\W_]+)*")
_WHOLE = {
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "let's": ("let", "us"),
}
_ENDINGS = {
    "'ll": "will",
    "'ve": "have",
    "'re": "are",
    "'m": "am",
    "'d": "would",
    "n't": "not",
}
_IS_AFTER = {"it", "that", "what", "there", "here", "who", "he", "she", "this", "when", "where"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word in lower case; offsets are characters in the turn's `Content`."""

    text: str
    begin_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of the text with the audio of its item; times are milliseconds."""

    begin_char: int
    end_char: int
    begin_ms: int
    end_ms: int


def word_set(text: str) -> frozenset[str]:
    """Words written one after another, for looking words up."""
    return frozenset(text.split())


def words_of(content: str) -> list[Word]:
    return [
        Word(part, match.start(), match.end())
        for match in _WORD.finditer(content)
        for part in _open_contraction(match.group().lower().replace("\u2019", "'"))
    ]


def _open_contraction(word: str) -> tuple[str, ...]:
    if word in _WHOLE:
        return _WHOLE[word]
    for ending, opened in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending), opened
    if word.endswith("'s") and word[:-2] in _IS_AFTER:
        return word[:-2], "is"
    return (word,)


def spoken_items(turn: Turn) -> list[Item]:
    """The items that have a place in the audio, in order."""
    return [
        item
        for item in turn.get("Items", [])
        if "BeginOffsetMillis" in item and "EndOffsetMillis" in item
    ]


def timed_words(turn: Turn) -> list[TimedWord]:
    """Items laid over the text, in order; an item that the text does not hold is left out."""
    lowered, cursor, timed = turn["Content"].lower(), 0, []
    for item in spoken_items(turn):
        begin = lowered.find(item["Content"].lower(), cursor)
        if begin < 0:
            continue
        cursor = begin + len(item["Content"])
        timed.append(TimedWord(begin, cursor, item["BeginOffsetMillis"], item["EndOffsetMillis"]))
    return timed


def when_said(turn: Turn, begin_char: int, end_char: int) -> tuple[int, int]:
    """The audio of a piece of the text, in milliseconds; the whole turn where items are missing."""
    hit = [
        word
        for word in timed_words(turn)
        if word.begin_char < end_char and word.end_char > begin_char
    ]
    if not hit:
        return turn["BeginOffsetMillis"], turn["EndOffsetMillis"]
    return min(word.begin_ms for word in hit), max(word.end_ms for word in hit)


def by_time(document: CallDocument) -> list[Turn]:
    return sorted(
        document["Transcript"],
        key=lambda turn: (turn["BeginOffsetMillis"], turn["EndOffsetMillis"]),
    )


def roles_in(turns: Iterable[Turn]) -> list[Role]:
    """Who speaks, in the order AGENT, CUSTOMER, UNKNOWN; nobody is invented."""
    present = {turn["ParticipantRole"] for turn in turns}
    order: tuple[Role, ...] = ("AGENT", "CUSTOMER", "UNKNOWN")
    return [role for role in order if role in present]
