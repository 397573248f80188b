import json
from pathlib import Path

import pytest

from post_call.model import CallDocument
from post_call.rules.conversation_measures import (
    find_interruptions,
    find_silences,
    measure_conversation,
)

from .factories import any_dialogue, any_document, any_item, any_turn

BANK_CALL = Path(__file__).parents[4] / "shared/data/transcribe/call_analytics_bank.json"


@pytest.fixture(name="bank_call")
def fixture_bank_call() -> CallDocument:
    if not BANK_CALL.exists():
        pytest.skip("the recorded Call Analytics output is not beside this checkout")
    document: CallDocument = json.loads(BANK_CALL.read_text())
    return document


def test_agrees_with_amazon_on_the_bank_call(bank_call):
    amazon = bank_call["ConversationCharacteristics"]

    ours = measure_conversation(
        bank_call, duration_ms=amazon["TotalConversationDurationMillis"], speech=None
    )

    assert ours["NonTalkTime"] == amazon["NonTalkTime"]
    assert ours["Interruptions"]["TotalCount"] == amazon["Interruptions"]["TotalCount"]
    assert (
        ours["Interruptions"]["InterruptionsByInterrupter"]
        == amazon["Interruptions"]["InterruptionsByInterrupter"]
    )
    assert ours["Interruptions"]["TotalTimeMillis"] == pytest.approx(
        amazon["Interruptions"]["TotalTimeMillis"], abs=1
    )
    for role in ("AGENT", "CUSTOMER"):
        assert ours["TalkTime"]["DetailsByParticipant"][role]["TotalTimeMillis"] == pytest.approx(
            amazon["TalkTime"]["DetailsByParticipant"][role]["TotalTimeMillis"], rel=0.03
        )
        # redacted words are one item here and were several words there
        assert ours["TalkSpeed"]["DetailsByParticipant"][role][
            "AverageWordsPerMinute"
        ] == pytest.approx(
            amazon["TalkSpeed"]["DetailsByParticipant"][role]["AverageWordsPerMinute"], rel=0.15
        )
    assert ours.keys() <= amazon.keys()


def test_measures_nothing_on_an_empty_transcript():
    measures = measure_conversation(any_document(), duration_ms=5000, speech=None)

    assert measures == {
        "TotalConversationDurationMillis": 5000,
        "TalkTime": {"TotalTimeMillis": 0, "DetailsByParticipant": {}},
        "NonTalkTime": {"TotalTimeMillis": 0, "Instances": []},
        "Interruptions": {
            "TotalCount": 0,
            "TotalTimeMillis": 0,
            "InterruptionsByInterrupter": {},
        },
        "TalkSpeed": {"DetailsByParticipant": {}},
    }


def test_takes_talk_time_and_silences_from_voice_activity_when_it_is_given():
    document = any_document(
        any_turn("one two three four five", role="AGENT", begin=0, end=9000),
        any_turn("six", role="CUSTOMER", begin=12000, end=13000),
    )

    measures = measure_conversation(
        document,
        duration_ms=20000,
        speech={"AGENT": [(0, 2000), (1500, 3000)], "CUSTOMER": [(8000, 9000)]},
    )

    assert measures["TalkTime"]["DetailsByParticipant"] == {
        "AGENT": {"TotalTimeMillis": 3000},
        "CUSTOMER": {"TotalTimeMillis": 1000},
    }
    assert measures["NonTalkTime"]["Instances"] == [
        {"BeginOffsetMillis": 3000, "EndOffsetMillis": 8000, "DurationMillis": 5000}
    ]
    assert measures["TalkSpeed"]["DetailsByParticipant"] == {
        "AGENT": {"AverageWordsPerMinute": 100},
        "CUSTOMER": {"AverageWordsPerMinute": 60},
    }


def test_counts_a_participant_without_voice_activity_as_silent():
    document = any_dialogue(("AGENT", "hello"), ("CUSTOMER", "hi"))

    measures = measure_conversation(
        document, duration_ms=3000, speech={"AGENT": [(0, 400)], "CUSTOMER": []}
    )

    assert measures["TalkTime"]["DetailsByParticipant"]["CUSTOMER"] == {"TotalTimeMillis": 0}
    assert "CUSTOMER" not in measures["TalkSpeed"]["DetailsByParticipant"]


def test_measures_a_single_speaker_without_inventing_the_other():
    measures = measure_conversation(
        any_document(any_turn("hello there", role="AGENT", begin=0, end=1000)),
        duration_ms=1000,
        speech=None,
    )

    assert measures["TalkTime"]["DetailsByParticipant"] == {"AGENT": {"TotalTimeMillis": 1000}}
    assert measures["TalkSpeed"]["DetailsByParticipant"]["AGENT"] == {"AverageWordsPerMinute": 120}


def test_measures_unknown_speakers_but_finds_no_interruption_among_them():
    document = any_document(
        any_turn("i was saying that the parcel", role="UNKNOWN", begin=0, end=6000),
        any_turn("no wait listen to me", role="UNKNOWN", begin=1000, end=5000),
    )

    measures = measure_conversation(document, duration_ms=6000, speech=None)

    assert measures["TalkTime"]["DetailsByParticipant"] == {"UNKNOWN": {"TotalTimeMillis": 6000}}
    assert measures["Interruptions"]["TotalCount"] == 0


def test_finds_a_silence_inside_a_turn_from_its_items():
    turn = any_turn("one moment alright", role="AGENT", begin=0, end=9000)
    turn["Items"] = [
        any_item("one", 0, 300),
        any_item("moment", 300, 800),
        any_item("alright", 8300, 9000),
    ]

    assert find_silences(any_document(turn)) == {
        "TotalTimeMillis": 7500,
        "Instances": [{"BeginOffsetMillis": 800, "EndOffsetMillis": 8300, "DurationMillis": 7500}],
    }


def test_pauses_below_three_seconds_are_no_silence():
    document = any_document(any_turn(begin=0, end=1000), any_turn(begin=3999, end=5000))

    assert find_silences(document)["Instances"] == []


def test_an_interruption_lasts_until_one_of_them_stops():
    document = any_document(
        any_turn("so i went to the shop and then", role="CUSTOMER", begin=0, end=10000),
        any_turn("let me stop you there", role="AGENT", begin=4000, end=7000),
    )

    assert find_interruptions(document)["InterruptionsByInterrupter"] == {
        "AGENT": [{"BeginOffsetMillis": 4000, "EndOffsetMillis": 7000, "DurationMillis": 3000}]
    }


@pytest.mark.parametrize("said", ["Mhm. And then your code please?", "okay okay yeah", "Perfect."])
def test_a_backchannel_is_no_interruption(said):
    document = any_document(
        any_turn("so i went to the shop and then", role="CUSTOMER", begin=0, end=10000),
        any_turn(said, role="AGENT", begin=4000, end=9000),
    )

    assert find_interruptions(document)["TotalCount"] == 0


def test_bare_words_are_a_backchannel_when_a_long_pause_follows_them():
    turn = any_turn("right sure can you spell that", role="AGENT", begin=4000, end=9000)
    turn["Items"] = [
        any_item("right", 4000, 4200),
        any_item("sure", 4200, 4500),
        any_item("can", 7500, 7700),
        any_item("you", 7700, 8000),
        any_item("spell", 8000, 8500),
        any_item("that", 8500, 9000),
    ]
    document = any_document(any_turn("well it was", role="CUSTOMER", begin=0, end=10000), turn)

    assert find_interruptions(document)["TotalCount"] == 0


def test_a_short_overlap_is_no_interruption():
    document = any_document(
        any_turn("so that is all i wanted", role="CUSTOMER", begin=0, end=5000),
        any_turn("is there anything else", role="AGENT", begin=4000, end=7000),
    )

    assert find_interruptions(document)["TotalCount"] == 0
