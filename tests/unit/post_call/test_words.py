import pytest

from post_call.rules.words import timed_words, when_said, words_of

from .factories import any_item, any_turn


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("I'll cancel, OK?", ["i", "will", "cancel", "ok"]),
        ("it isn\u2019t mine", ["it", "is", "not", "mine"]),
        ("can't won't cannot", ["can", "not", "will", "not", "can", "not"]),
        ("that's dana's", ["that", "is", "dana's"]),
        ("this is [PII].", ["this", "is", "[pii]"]),
        ("", []),
    ],
)
def test_words_are_lower_case_with_contractions_opened(said, words):
    assert [word.text for word in words_of(said)] == words


def test_an_opened_contraction_keeps_the_place_of_the_whole():
    first, second, _ = words_of("I'll go")

    assert (first.begin_char, first.end_char) == (second.begin_char, second.end_char) == (0, 4)


def test_a_piece_of_text_was_said_when_its_items_were():
    turn = any_turn("Yes. One two three.", items=True, begin=1000)

    assert when_said(turn, 5, 12) == (1400, 2200)


def test_a_piece_of_text_without_items_was_said_some_time_in_the_turn():
    assert when_said(any_turn("one two", begin=10, end=90), 0, 3) == (10, 90)


def test_an_item_that_the_text_does_not_hold_is_left_out():
    turn = any_turn("one three", begin=0, end=900)
    turn["Items"] = [
        any_item("one", 0, 300),
        any_item("two", 300, 600),
        any_item("three", 600, 900),
        {"Type": "punctuation", "Content": "."},
    ]

    assert [(word.begin_char, word.begin_ms) for word in timed_words(turn)] == [(0, 0), (4, 600)]
