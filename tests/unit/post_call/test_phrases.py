import pytest

from post_call.rules.phrases import find_phrases, parse_phrase
from post_call.rules.words import words_of


def found(phrase: str, said: str) -> list[str]:
    return [
        said[match.begin_char : match.end_char]
        for match in find_phrases(words_of(said), [parse_phrase(phrase)])
    ]


@pytest.mark.parametrize(
    ("phrase", "said", "place"),
    [
        ("cancel my account", "i am cancelling my accounts today", "cancelling my accounts"),
        ("i will send", "Okay, I'll send it.", "I'll send"),
        ("still not working", "It's still isn't working", None),
        ("still not working", "it is still not um working", "still not um working"),
        ("speak/talk to a manager", "let me talk to the manager", "talk to the manager"),
        ("charged ... twice", "you charged my credit card twice", "charged my credit card twice"),
        ("charged ... twice", "you charged me for a thing i returned twice", None),
        ("speak to supervisor", "speak to supervisr now", "speak to supervisr"),
        ("can not log in", "i can't log in", "can't log in"),
        ("refund", "they refused", None),
        ("charge", "a change", None),
        ("delivery", "two deliveries", "deliveries"),
    ],
)
def test_finds_a_phrase_as_it_may_be_said(phrase, said, place):
    assert found(phrase, said) == ([place] if place else [])


def test_finds_every_place_of_a_phrase():
    assert found("refund", "a refund is a refund") == ["refund", "refund"]


@pytest.mark.parametrize("empty", ["", "the um", "... twice", "charged ..."])
def test_refuses_a_phrase_without_words_at_its_ends(empty):
    with pytest.raises(ValueError, match="must begin and end with a word"):
        parse_phrase(empty)
