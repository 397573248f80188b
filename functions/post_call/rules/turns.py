"""Words of each side of a call, made into turns as Amazon Transcribe Call Analytics writes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from post_call.model import Item, Role, Turn

SENTENCE_PAUSE_MS = 350
"""A pause as long as this ends a sentence: within one, speakers rarely stop for 300 ms."""
TURN_PAUSE_MS = 2000
"""A pause as long as this ends a turn although nobody else spoke."""


@dataclass(frozen=True)
class Word:
    """A recognised word, with milliseconds from the recording's start and a confidence of 0..1."""

    content: str
    begin_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True)
class _Sentence:
    role: Role
    words: list[Word]

    @property
    def begin_ms(self) -> int:
        return self.words[0].begin_ms

    @property
    def end_ms(self) -> int:
        return self.words[-1].end_ms


def make_turns(
    words: Mapping[Role, Sequence[Word]],
    loudness: Mapping[Role, Sequence[float | None]],
) -> list[Turn]:
    """The turns of a call in the order in which they begin.

    `words` are in order of time for each role, `loudness` is decibels for each second of the
    recording. A turn ends where the other side begins to speak or after `TURN_PAUSE_MS`. Where
    both talk at once, a sentence is never torn apart: turns then overlap, as they did in the call.
    """
    sentences = sorted(
        (sentence for role in words for sentence in _sentences(role, words[role])),
        key=lambda sentence: (sentence.begin_ms, sentence.role),
    )
    turns: list[list[_Sentence]] = []
    for sentence in sentences:
        last = turns[-1][-1] if turns else None
        if last and last.role == sentence.role and sentence.begin_ms - last.end_ms < TURN_PAUSE_MS:
            turns[-1].append(sentence)
        else:
            turns.append([sentence])
    return [_turn(turn, loudness.get(turn[0].role, [])) for turn in turns]


def _sentences(role: Role, words: Sequence[Word]) -> Iterator[_Sentence]:
    """The words cut at pauses."""
    begin = 0
    for index, (word, following) in enumerate(pairwise(words), 1):
        if following.begin_ms - word.end_ms >= SENTENCE_PAUSE_MS:
            yield _Sentence(role, list(words[begin:index]))
            begin = index
    if words:
        yield _Sentence(role, list(words[begin:]))


def _turn(sentences: list[_Sentence], loudness: Sequence[float | None]) -> Turn:
    role = sentences[0].role
    begin_ms, end_ms = sentences[0].begin_ms, sentences[-1].end_ms
    return {
        "Id": f"{role.lower()}-{begin_ms:08d}",
        "ParticipantRole": role,
        "Content": " ".join(_text(sentence) for sentence in sentences),
        "BeginOffsetMillis": begin_ms,
        "EndOffsetMillis": end_ms,
        "Items": [item for sentence in sentences for item in _items(sentence)],
        "LoudnessScores": list(loudness[begin_ms // 1000 : (end_ms - 1) // 1000 + 1]),
    }


def _text(sentence: _Sentence) -> str:
    return " ".join(_spelling(sentence)) + "."


def _items(sentence: _Sentence) -> Iterator[Item]:
    for word, content in zip(sentence.words, _spelling(sentence), strict=True):
        yield {
            "Type": "pronunciation",
            "Content": content,
            "Confidence": f"{word.confidence:.4f}",
            "BeginOffsetMillis": word.begin_ms,
            "EndOffsetMillis": word.end_ms,
        }
    yield {"Type": "punctuation", "Content": ".", "Confidence": "0.0"}


def _spelling(sentence: _Sentence) -> list[str]:
    """The words with a capital at the beginning, and for "I" and what it is contracted with."""
    first, *rest = (word.content for word in sentence.words)
    return [_capital(first), *(_capital(w) if w.split("'")[0] == "i" else w for w in rest)]


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
