"""Talk time, silences, interruptions and talk speed, in the shape Amazon reports them.

Amazon documents what these measure, not how. The rules below were read off its own output for a
recorded bank call and reproduce it from the same turns (see the unit test for the tolerances):

- talk time: a participant's words, joined over pauses of up to 1.5 s;
- non-talk time: nobody speaks for 3 s or more between the first and the last word;
- an interruption: a turn that begins inside the other's, overlaps it for 2 s or more and opens with
  more than a single word or a backchannel ("mhm", "okay okay"); it lasts until one of them stops;
- talk speed: words per minute of that participant's talk time.

All times are milliseconds from the recording's start.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NotRequired, TypedDict

from post_call.model import CallDocument, Instance, Role, Turn
from post_call.rules.words import by_time, roles_in, spoken_items, timed_words, word_set, words_of

JOINED_PAUSE_MS = 1500
SILENCE_MS = 3000
INTERRUPTION_MS = 2000

_BACKCHANNEL = word_set(
    "mhm mm mmm hmm hm uh um uhuh huh ah oh yeah yep yes yup ok okay right sure alright"
)
_SENTENCE_END = re.compile(r"[.?!]+(?=\s|$)")

type Interval = tuple[int, int]


class ParticipantTalkTime(TypedDict):
    TotalTimeMillis: int


class TalkTime(TypedDict):
    TotalTimeMillis: int
    DetailsByParticipant: dict[Role, ParticipantTalkTime]


class NonTalkTime(TypedDict):
    TotalTimeMillis: int
    Instances: list[Instance]


class Interruptions(TypedDict):
    TotalCount: int
    TotalTimeMillis: int
    InterruptionsByInterrupter: dict[Role, list[Instance]]


class ParticipantTalkSpeed(TypedDict):
    AverageWordsPerMinute: int


class TalkSpeed(TypedDict):
    DetailsByParticipant: dict[Role, ParticipantTalkSpeed]


class ConversationCharacteristics(TypedDict):
    """Amazon's `ConversationCharacteristics`; `Sentiment` is added by the sentiment rules."""

    TotalConversationDurationMillis: int
    TalkTime: TalkTime
    NonTalkTime: NonTalkTime
    Interruptions: Interruptions
    TalkSpeed: TalkSpeed
    Sentiment: NotRequired[dict[str, object]]


def measure_conversation(
    document: CallDocument,
    *,
    duration_ms: int,
    speech: Mapping[Role, Sequence[Interval]] | None,
) -> ConversationCharacteristics:
    """`speech` is each participant's voice activity; without it turns and items have to do."""
    turns = by_time(document)
    talk = _talk_by_role(turns, speech)
    totals = {role: _total(spans) for role, spans in talk.items()}
    return {
        "TotalConversationDurationMillis": duration_ms,
        "TalkTime": {
            "TotalTimeMillis": sum(totals.values()),
            "DetailsByParticipant": {
                role: {"TotalTimeMillis": total} for role, total in totals.items()
            },
        },
        "NonTalkTime": _non_talk_time(_speech_pieces(turns, speech)),
        "Interruptions": find_interruptions(document),
        "TalkSpeed": {"DetailsByParticipant": _talk_speed(turns, totals)},
    }


def find_interruptions(document: CallDocument) -> Interruptions:
    """Nobody interrupts on a recording whose speakers are not told apart."""
    turns = [turn for turn in by_time(document) if turn["ParticipantRole"] != "UNKNOWN"]
    found: dict[Role, list[Instance]] = {}
    for index, turn in enumerate(turns):
        role, begin = turn["ParticipantRole"], turn["BeginOffsetMillis"]
        interrupted_until = max(
            (
                other["EndOffsetMillis"]
                for other in turns[:index]
                if other["ParticipantRole"] != role and other["BeginOffsetMillis"] < begin
            ),
            default=begin,
        )
        end = min(turn["EndOffsetMillis"], interrupted_until)
        if end - begin >= INTERRUPTION_MS and _takes_the_floor(turn):
            found.setdefault(role, []).append(_instance(begin, end))
    instances = [instance for of_role in found.values() for instance in of_role]
    return {
        "TotalCount": len(instances),
        "TotalTimeMillis": sum(instance["DurationMillis"] for instance in instances),
        "InterruptionsByInterrupter": found,
    }


def find_silences(document: CallDocument) -> NonTalkTime:
    """Non-talk time as far as the transcript alone can tell."""
    return _non_talk_time(_speech_pieces(by_time(document), None))


def _takes_the_floor(turn: Turn) -> bool:
    opening = [word.text for word in words_of(_SENTENCE_END.split(turn["Content"])[0])]
    if opening == [word.text for word in words_of(turn["Content"])]:
        opening = opening[: _words_before_pause(turn)]
    return len(opening) > 1 and not _BACKCHANNEL.issuperset(opening)


def _words_before_pause(turn: Turn) -> int | None:
    """How many words come before the first long pause; bare words have no other sentence end."""
    if _SENTENCE_END.search(turn["Content"]):
        return None
    words = timed_words(turn)
    for count, (word, following) in enumerate(pairwise(words), start=1):
        if following.begin_ms - word.end_ms >= JOINED_PAUSE_MS:
            return count
    return None


def _talk_by_role(
    turns: list[Turn], speech: Mapping[Role, Sequence[Interval]] | None
) -> dict[Role, list[Interval]]:
    if speech is not None:
        return {role: _union(spans) for role, spans in speech.items()}
    return {
        role: _union(
            span
            for turn in turns
            if turn["ParticipantRole"] == role
            for span in _union(_pieces(turn), joined=JOINED_PAUSE_MS)
        )
        for role in roles_in(turns)
    }


def _speech_pieces(
    turns: list[Turn], speech: Mapping[Role, Sequence[Interval]] | None
) -> list[Interval]:
    if speech is not None:
        return _union(span for spans in speech.values() for span in spans)
    return _union(piece for turn in turns for piece in _pieces(turn))


def _pieces(turn: Turn) -> list[Interval]:
    """A turn's words in time, or the turn itself where it has no items."""
    return [
        (item["BeginOffsetMillis"], item["EndOffsetMillis"]) for item in spoken_items(turn)
    ] or [(turn["BeginOffsetMillis"], turn["EndOffsetMillis"])]


def _union(spans: Iterable[Interval], *, joined: int = 0) -> list[Interval]:
    """Spans in order, overlapping ones made one, as are those at most `joined` ms apart."""
    union: list[Interval] = []
    for begin, end in sorted(spans):
        if union and begin - union[-1][1] <= joined:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((begin, end))
    return union


def _total(spans: Iterable[Interval]) -> int:
    return sum(end - begin for begin, end in spans)


def _non_talk_time(pieces: list[Interval]) -> NonTalkTime:
    instances = [
        _instance(before[1], after[0])
        for before, after in pairwise(pieces)
        if after[0] - before[1] >= SILENCE_MS
    ]
    return {
        "TotalTimeMillis": sum(instance["DurationMillis"] for instance in instances),
        "Instances": instances,
    }


def _talk_speed(turns: list[Turn], totals: Mapping[Role, int]) -> dict[Role, ParticipantTalkSpeed]:
    speed: dict[Role, ParticipantTalkSpeed] = {}
    for role in roles_in(turns):
        words = sum(
            len(turn["Content"].split()) for turn in turns if turn["ParticipantRole"] == role
        )
        if words and (talk_ms := totals.get(role, 0)):
            speed[role] = {"AverageWordsPerMinute": round(words * 60_000 / talk_ms)}
    return speed


def _instance(begin: int, end: int) -> Instance:
    return {"BeginOffsetMillis": begin, "EndOffsetMillis": end, "DurationMillis": end - begin}
