"""Word error rate, and what counts as the same word."""

import pytest

from post_call.rules.word_errors import WordErrors, normalise, word_errors


@pytest.mark.parametrize(
    ("reference", "transcript", "expected"),
    [
        ("one two three", "one two three", WordErrors(0, 0, 0, 3)),
        ("one two three", "one four three", WordErrors(1, 0, 0, 3)),
        ("one two three", "one three", WordErrors(0, 0, 1, 3)),
        ("one two three", "one two too three", WordErrors(0, 1, 0, 3)),
        ("one two three", "", WordErrors(0, 0, 3, 3)),
        ("", "one two", WordErrors(0, 2, 0, 0)),
        ("", "", WordErrors(0, 0, 0, 0)),
        ("a b c d", "b c d e", WordErrors(0, 1, 1, 4)),
    ],
)
def test_counts_the_cheapest_edits(reference, transcript, expected):
    assert word_errors(reference, transcript) == expected


def test_rate_is_errors_per_word_of_the_reference():
    assert word_errors("thank you for calling", "thank you for falling down").rate == 0.5
    assert word_errors("hello", "hello").rate == 0
    assert word_errors("", "noise").rate == 1


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Thank you, John!", "thank you john"),
        ("It costs 45 dollars.", "it costs forty five dollars"),
        ("twenty-one", "twenty one"),
        ("0, 7, 13, 20 and 99", "zero seven thirteen twenty and ninety nine"),
        ("account 4712", "account four seven one two"),
        ("room 05", "room zero five"),
        ("50% off", "fifty percent off"),
        ("john.smith@example.com", "john dot smith at example dot com"),
        ("I can't and won't", "i cannot and will not"),
        ("I'm sure they're here", "i am sure they are here"),
        ("we'll see, I've waited, I'd go", "we will see i have waited i would go"),
        ("it\u2019s what's left, let's go", "it is what is left let us go"),
        ("OK", "okay"),
    ],
)
def test_takes_different_spellings_for_the_same_words(written, spoken):
    assert normalise(written) == normalise(spoken) == spoken.replace("cannot", "can not").split()


def test_keeps_the_owner_apart_from_the_verb():
    assert normalise("John's bill") == ["john's", "bill"]
