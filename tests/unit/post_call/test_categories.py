import json
from pathlib import Path

import pytest

from post_call.rules.categories import categorise, parse_rules

from .factories import any_dialogue, any_document, any_turn

BANK_CALL = Path(__file__).parents[4] / "shared/data/transcribe/call_analytics_bank.json"


def one_rule(**keys):
    return parse_rules({"categories": [{"name": "Any", **keys}]})


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("Greeting", "AGENT", "hello thank you for calling blue river how may i help"),
        ("ClosingRemark", "AGENT", "is there anything else i can do"),
        ("Complaint", "CUSTOMER", "this is the third time i call about it"),
        ("Complaint", "CUSTOMER", "I'd like to make a formal complaint."),
        ("CancellationRisk", "CUSTOMER", "then i want to cancel my contract"),
        ("CancellationRisk", "CUSTOMER", "i am switching to another provider"),
        ("SupervisorRequest", "CUSTOMER", "let me speak to your supervisor"),
        ("SupervisorRequest", "CUSTOMER", "can i talk to a manager please"),
        ("BillingQuestion", "CUSTOMER", "i have a question about my bill"),
        ("BillingQuestion", "CUSTOMER", "you charged my card twice"),
        ("OrderStatus", "CUSTOMER", "where is my parcel"),
        ("OrderStatus", "CUSTOMER", "my order still hasn't arrived"),
        ("TechnicalProblem", "CUSTOMER", "the router isn't working"),
        ("TechnicalProblem", "CUSTOMER", "my internet is down again"),
        ("Refund", "CUSTOMER", "i want my money back"),
        ("Refund", "AGENT", "i have refunded the payment"),
        ("LostOrStolen", "CUSTOMER", "my bag was stolen"),
        ("CallBackPromised", "AGENT", "a supervisor will call you back tomorrow"),
        ("SatisfiedCustomer", "CUSTOMER", "thank you so much that was easy"),
    ],
)
def test_matches_a_packaged_category(name, role, said):
    assert name in categorise(any_dialogue((role, said)))["MatchedCategories"]


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("CancellationRisk", "CUSTOMER", "no i do not want to cancel my contract"),
        ("CancellationRisk", "CUSTOMER", "i need to cancel my card"),
        ("CancellationRisk", "AGENT", "do you want to cancel my contract with you"),
        ("SupervisorRequest", "AGENT", "let me talk to my supervisor"),
        ("SupervisorRequest", "CUSTOMER", "i am the manager of the shop"),
        ("TechnicalProblem", "CUSTOMER", "my car was broken into"),
        ("Complaint", "CUSTOMER", "that is good thank you"),
        ("CallBackPromised", "AGENT", "if we get disconnected i will call you back"),
        ("BillingQuestion", "CUSTOMER", "hello bill how are you"),
    ],
)
def test_does_not_match_what_only_sounds_similar(name, role, said):
    assert name not in categorise(any_dialogue((role, said)))["MatchedCategories"]


def test_finds_amazons_categories_on_the_bank_call_at_the_same_places():
    if not BANK_CALL.exists():
        pytest.skip("the recorded Call Analytics output is not beside this checkout")
    document = json.loads(BANK_CALL.read_text())
    amazon = document["Categories"]["MatchedDetails"]

    ours = categorise(document)["MatchedDetails"]

    assert ours["Greeting"] == amazon["Greeting"]
    assert ours["AgentInterruption"] == amazon["Agent_Interruption_4s"]
    assert (
        amazon["Closing_Remark"]["PointsOfInterest"][0] in ours["ClosingRemark"]["PointsOfInterest"]
    )


def test_a_point_of_interest_is_the_whole_turn():
    document = any_document(any_turn("where is my parcel", begin=700, end=2900))

    assert categorise(document) == {
        "MatchedCategories": ["OrderStatus"],
        "MatchedDetails": {
            "OrderStatus": {
                "PointsOfInterest": [{"BeginOffsetMillis": 700, "EndOffsetMillis": 2900}]
            }
        },
    }


def test_a_greeting_counts_only_at_the_start():
    late = any_turn("good morning", role="AGENT", begin=40_000)

    assert categorise(any_document(late))["MatchedCategories"] == []


def test_last_seconds_count_from_the_end_of_the_call():
    rules = one_rule(any=["bye"], when={"last_seconds": 10})
    early, late = any_turn("bye", begin=0), any_turn("bye", begin=60_000)

    points = categorise(any_document(early, late), rules)["MatchedDetails"]["Any"]

    assert [point["BeginOffsetMillis"] for point in points["PointsOfInterest"]] == [60_000]


def test_all_phrases_must_be_said_in_one_turn():
    rules = one_rule(all=["refund", "yesterday"])

    assert categorise(any_dialogue(("AGENT", "refund"), ("AGENT", "yesterday")), rules) == {
        "MatchedCategories": [],
        "MatchedDetails": {},
    }
    assert categorise(any_dialogue(("AGENT", "yesterday the refund")), rules)["MatchedCategories"]


def test_a_rule_may_ask_for_a_sentiment():
    rules = one_rule(participant="CUSTOMER", sentiment="NEGATIVE")

    assert categorise(any_dialogue(("CUSTOMER", "this is ridiculous")), rules)["MatchedCategories"]
    assert not categorise(any_dialogue(("CUSTOMER", "okay")), rules)["MatchedCategories"]


def test_a_rule_may_ask_for_a_silence():
    document = any_document(any_turn(begin=0, end=1000), any_turn(begin=41_000, end=42_000))

    assert categorise(document)["MatchedDetails"]["LongSilence"] == {
        "PointsOfInterest": [{"BeginOffsetMillis": 1000, "EndOffsetMillis": 41_000}]
    }


def test_a_rule_may_ask_for_an_interruption_by_one_participant():
    document = any_document(
        any_turn("well i told them", role="CUSTOMER", begin=0, end=10_000),
        any_turn("let me stop you", role="AGENT", begin=2000, end=9000),
    )

    matched = categorise(document)["MatchedCategories"]

    assert "AgentInterruption" in matched
    assert "CustomerInterruption" not in matched


def test_an_unknown_speaker_counts_as_either_participant():
    document = any_dialogue(("UNKNOWN", "i want to speak to a manager"))

    assert categorise(document)["MatchedCategories"] == ["SupervisorRequest"]


def test_an_empty_transcript_matches_nothing():
    assert categorise(any_document()) == {"MatchedCategories": [], "MatchedDetails": {}}


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ([], "an object with a list of categories"),
        ({"categories": {}}, "an object with a list of categories"),
        ({"categories": ["Greeting"]}, "category 1 is no object"),
        ({"categories": [{"any": ["x"]}]}, "category 1 needs a name"),
        ({"categories": [{"name": "a b", "any": ["x"]}]}, "category 1 needs a name"),
        ({"categories": [{"name": "A"}]}, "category 'A': needs either phrases"),
        ({"categories": [{"name": "A", "any": ["x"], "non_talk_ms": 1}]}, "needs either phrases"),
        ({"categories": [{"name": "A", "any": ["x"], "phrase": 1}]}, "'phrase' is no key"),
        ({"categories": [{"name": "A", "any": "x"}]}, "'any' must be a list of phrases"),
        ({"categories": [{"name": "A", "any": ["the"]}]}, "category 'A': phrase 'the'"),
        ({"categories": [{"name": "A", "any": ["x"], "participant": "BOT"}]}, "AGENT, CUSTOMER, "),
        ({"categories": [{"name": "A", "any": ["x"], "when": {"at": 1}}]}, "first_seconds"),
        ({"categories": [{"name": "A", "non_talk_ms": -1}]}, "whole number"),
        ({"categories": [{"name": "A", "any": ["x"]}] * 2}, "more than one category 'A'"),
    ],
)
def test_a_wrong_rule_file_is_refused_with_the_reason(written, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_rules(written)
