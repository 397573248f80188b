"""Words made into turns."""

import json
from pathlib import Path

import pytest

from post_call.rules.turns import Word, make_turns

AMAZON = Path(__file__).parents[4] / "shared" / "data" / "transcribe" / "call_analytics_bank.json"


def any_words(text: str, *, begin: int = 0, confidence: float = 0.9) -> list[Word]:
    """300 ms for each word, one right after the other."""
    return [
        Word(content, begin + 300 * place, begin + 300 * (place + 1), confidence)
        for place, content in enumerate(text.split())
    ]


def contents(turns) -> list[str]:
    return [turn["Content"] for turn in turns]


def test_starts_a_turn_when_the_other_side_speaks():
    turns = make_turns(
        {
            "AGENT": any_words("how can i help you") + any_words("of course", begin=5000),
            "CUSTOMER": any_words("my bill is wrong", begin=2500),
        },
        {},
    )

    assert [(turn["ParticipantRole"], turn["Content"]) for turn in turns] == [
        ("AGENT", "How can I help you."),
        ("CUSTOMER", "My bill is wrong."),
        ("AGENT", "Of course."),
    ]


def test_starts_a_turn_after_a_long_pause_and_a_sentence_after_a_short_one():
    words = any_words("one moment please") + any_words("thank you", begin=1400)
    words += any_words("here it is", begin=6000)

    turns = make_turns({"AGENT": words}, {})

    assert contents(turns) == ["One moment please. Thank you.", "Here it is."]


def test_leaves_a_sentence_whole_when_the_other_side_speaks_into_it():
    turns = make_turns(
        {
            "CUSTOMER": any_words("every time i call somebody tells me that it will work")
            + any_words("and then it does not", begin=4000),
            "AGENT": any_words("i understand", begin=2000),
        },
        {},
    )

    assert contents(turns) == [
        "Every time I call somebody tells me that it will work.",
        "I understand.",
        "And then it does not.",
    ]
    assert turns[1]["BeginOffsetMillis"] < turns[0]["EndOffsetMillis"]


def test_turns_are_in_the_order_in_which_they_begin():
    words = {
        "AGENT": any_words("a", begin=0) + any_words("b", begin=900) + any_words("c", begin=9000),
        "CUSTOMER": any_words("d", begin=450) + any_words("e", begin=4000),
    }

    begins = [turn["BeginOffsetMillis"] for turn in make_turns(words, {})]

    assert begins == sorted(begins)


def test_items_hold_every_word_with_its_time_and_a_full_stop():
    words = [Word("yes", 100, 400, 0.98765), Word("i'm", 400, 600, 1.0), Word("sure", 600, 900, 0)]

    [turn] = make_turns({"CUSTOMER": words}, {})

    assert turn["Content"] == "Yes I'm sure."
    assert turn["Items"] == [
        {
            "Type": "pronunciation",
            "Content": "Yes",
            "Confidence": "0.9877",
            "BeginOffsetMillis": 100,
            "EndOffsetMillis": 400,
        },
        {
            "Type": "pronunciation",
            "Content": "I'm",
            "Confidence": "1.0000",
            "BeginOffsetMillis": 400,
            "EndOffsetMillis": 600,
        },
        {
            "Type": "pronunciation",
            "Content": "sure",
            "Confidence": "0.0000",
            "BeginOffsetMillis": 600,
            "EndOffsetMillis": 900,
        },
        {"Type": "punctuation", "Content": ".", "Confidence": "0.0"},
    ]


@pytest.mark.parametrize(
    ("begin", "count", "expected"),
    [(0, 1, [10.0]), (900, 1, [10.0, 20.0]), (1700, 1, [20.0]), (1000, 10, [20.0, None, 40.0])],
)
def test_loudness_is_of_every_second_that_the_turn_touches(begin, count, expected):
    words = any_words("word " * count, begin=begin)

    [turn] = make_turns({"AGENT": words}, {"AGENT": [10.0, 20.0, None, 40.0], "CUSTOMER": [1.0]})

    assert turn["LoudnessScores"] == expected


def test_the_same_words_get_the_same_ids():
    words = {"AGENT": any_words("hello"), "CUSTOMER": any_words("hello", begin=1000)}

    turns = make_turns(words, {})

    assert [turn["Id"] for turn in turns] == ["agent-00000000", "customer-00001000"]
    assert turns == make_turns(words, {})


def test_one_channel_stays_one_unknown_speaker():
    [turn] = make_turns({"UNKNOWN": any_words("who is who")}, {"UNKNOWN": [50.0]})

    assert turn["ParticipantRole"] == "UNKNOWN"


def test_no_words_make_no_turns():
    assert make_turns({"AGENT": [], "CUSTOMER": []}, {}) == []


@pytest.mark.skipif(not AMAZON.exists(), reason="the document of a real call is not here")
def test_finds_nearly_the_turns_that_amazon_found_in_the_same_words():
    document = json.loads(AMAZON.read_text())["Transcript"]
    words = {"AGENT": [], "CUSTOMER": []}
    for turn in document:
        words[turn["ParticipantRole"]] += [
            Word(item["Content"], item["BeginOffsetMillis"], item["EndOffsetMillis"], 1.0)
            for item in turn["Items"]
            if item["Type"] == "pronunciation"
        ]

    turns = make_turns(words, {})

    spoken = sorted(word.content.lower() for side in words.values() for word in side)
    assert (
        sorted(
            item["Content"].lower()
            for turn in turns
            for item in turn["Items"]
            if item["Type"] == "pronunciation"
        )
        == spoken
    )
    assert len(turns) == pytest.approx(len(document), rel=0.25)
