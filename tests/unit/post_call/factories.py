"""Turns and documents for tests, where only the values that matter are named."""

from itertools import count

from post_call.model import CallDocument, Item, Role, Turn

_ids = count(1)


def any_turn(
    content: str = "yes that is right",
    *,
    role: Role = "CUSTOMER",
    begin: int = 0,
    end: int | None = None,
    turn_id: str | None = None,
    items: bool = False,
) -> Turn:
    """A turn of 400 ms a word; with `items`, each word has its even share of the time."""
    words = content.split()
    turn: Turn = {
        "Id": turn_id or f"turn-{next(_ids)}",
        "ParticipantRole": role,
        "Content": content,
        "BeginOffsetMillis": begin,
        "EndOffsetMillis": begin + 400 * max(len(words), 1) if end is None else end,
    }
    if items:
        share = (turn["EndOffsetMillis"] - begin) // max(len(words), 1)
        turn["Items"] = [
            any_item(word.strip(".,?!"), begin + index * share, begin + (index + 1) * share)
            for index, word in enumerate(words)
        ]
    return turn


def any_item(content: str, begin: int, end: int) -> Item:
    return {
        "Type": "pronunciation",
        "Content": content,
        "Confidence": "0.91",
        "BeginOffsetMillis": begin,
        "EndOffsetMillis": end,
    }


def any_document(*turns: Turn) -> CallDocument:
    return {
        "JobStatus": "COMPLETED",
        "LanguageCode": "en-US",
        "JobName": "any-call",
        "Channel": "VOICE",
        "Participants": [{"ParticipantRole": "AGENT"}, {"ParticipantRole": "CUSTOMER"}],
        "ContentMetadata": {"Output": "Raw"},
        "Transcript": list(turns),
    }


def any_dialogue(*said: tuple[Role, str], items: bool = False) -> CallDocument:
    """Turns one after another, half a second apart, with ids t1, t2, ..."""
    turns: list[Turn] = []
    begin = 0
    for number, (role, content) in enumerate(said, start=1):
        turn = any_turn(content, role=role, begin=begin, turn_id=f"t{number}", items=items)
        begin = turn["EndOffsetMillis"] + 500
        turns.append(turn)
    return any_document(*turns)
