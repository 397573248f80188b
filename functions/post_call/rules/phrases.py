"""Phrases that tolerate inflection and a little recogniser noise, precision first.

A phrase is written as it is said: `cancel my account`. In it
- `a/b` is either word: `speak/talk to a manager/supervisor`;
- `...` is up to four words of any kind: `charged ... twice`;
- inflection does not matter (`cancel` finds "cancelled", "cancelling", "cancels");
- articles and fillers (`a`, `the`, "um", "just") neither count nor stand in the way;
- contractions are opened, so `i will` finds "I'll";
- a word of seven letters or more may have one letter wrong, missing or too many.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from post_call.rules.words import Word, word_set, words_of

_SKIPPED = word_set("a an the um uh er erm mm hmm just actually")
_GAP_WORDS = 4
_FUZZY_LETTERS = 7
_GAP: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Phrase:
    """`slots` are alternatives by stem, one set per word; an empty set is a gap."""

    text: str
    slots: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a phrase was found, in characters of the turn's `Content`."""

    phrase: Phrase
    begin_char: int
    end_char: int


def parse_phrase(text: str) -> Phrase:
    """Raises ValueError when nothing is left to look for, or a gap is at either end."""
    slots: list[frozenset[str]] = []
    for chunk in text.split():
        if chunk == "...":
            slots.append(_GAP)
        elif "/" in chunk:
            slots.append(frozenset(stem(word) for word in chunk.lower().split("/")))
        else:
            slots.extend(
                frozenset({stem(word.text)})
                for word in words_of(chunk)
                if word.text not in _SKIPPED
            )
    if not slots or slots[0] == _GAP or slots[-1] == _GAP:
        raise ValueError(f"phrase {text!r} must begin and end with a word to look for")
    return Phrase(text, tuple(slots))


def find_phrases(words: Sequence[Word], phrases: Sequence[Phrase]) -> list[Match]:
    """Every phrase at every place, in text order; at the same place the longest one comes first."""
    heard = [(stem(word.text), word) for word in words if word.text not in _SKIPPED]
    stems = [known for known, _ in heard]
    known_stems = frozenset(stems)
    matches = [
        Match(phrase, heard[start][1].begin_char, heard[end - 1][1].end_char)
        for phrase in phrases
        if _may_begin(phrase, known_stems)
        for start in range(len(stems))
        if (end := _match_end(stems, start, phrase.slots)) is not None
    ]
    return sorted(matches, key=lambda match: (match.begin_char, -match.end_char))


def _may_begin(phrase: Phrase, stems: frozenset[str]) -> bool:
    """A quick look that spares most phrases the search."""
    return not phrase.slots[0].isdisjoint(stems) or any(
        len(wanted) >= _FUZZY_LETTERS for wanted in phrase.slots[0]
    )


def _match_end(stems: list[str], start: int, slots: tuple[frozenset[str], ...]) -> int | None:
    """The index after the last matched word, or None."""
    if not slots:
        return start
    if slots[0] == _GAP:
        tries = range(start, min(start + _GAP_WORDS, len(stems)) + 1)
        return next(
            (end for at in tries if (end := _match_end(stems, at, slots[1:])) is not None), None
        )
    if start < len(stems) and any(_sounds_like(stems[start], wanted) for wanted in slots[0]):
        return _match_end(stems, start + 1, slots[1:])
    return None


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without its inflection; good for comparing, not for reading."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    word = re.sub(r"([bdfglmnprt])\1$", r"\1", word)
    word = re.sub(r"y$", "i", word)
    return word.removesuffix("e") if len(word) > 3 else word


@lru_cache(maxsize=65536)
def _sounds_like(heard: str, wanted: str) -> bool:
    if heard == wanted:
        return True
    if len(wanted) < _FUZZY_LETTERS or heard[:2] != wanted[:2]:
        return False
    short, long = sorted((heard, wanted), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next(
        (i for i, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]),
        len(short),
    )
    return short[at:] == long[at + 1 :] or short[at + 1 :] == long[at + 1 :]
