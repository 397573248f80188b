import pytest

from post_call.rules.personal_data import find_personal_data, redact, shift_offsets

from .factories import any_dialogue, any_document, any_turn


def masked(*said, items=False) -> list[str]:
    """What the turns read after redaction."""
    document = any_dialogue(*said, items=items)
    redacted = redact(document, find_personal_data(document["Transcript"]))
    return [turn["Content"] for turn in redacted["Transcript"]]


def types(*said) -> list[str]:
    return [span.type for span in find_personal_data(any_dialogue(*said)["Transcript"])]


@pytest.mark.parametrize(
    ("said", "shown", "kind"),
    [
        ("my card number is four one one one double two", "my card number is [PII]",
         "CREDIT_DEBIT_NUMBER"),
        ("the account number is 4712 90-38", "the account number is [PII]", "BANK_ACCOUNT_NUMBER"),
        ("you can reach me on oh seven seven nine one two", "you can reach me on [PII]", "PHONE"),
        ("my postcode is s w one a two a a", "my postcode is [PII]", "ADDRESS"),
        ("Send it to SW1A 2AA please.", "Send it to [PII] please.", "ADDRESS"),
        ("Call +1 (555) 010-2233 then.", "Call [PII] then.", "PHONE"),
        ("it is john dot smith at example dot com okay", "it is [PII] okay", "EMAIL"),
        ("it's dana whitfield 42 at example dot co dot uk", "it's [PII]", "EMAIL"),
        ("Write to j.doe+x@example.org, please.", "Write to [PII], please.", "EMAIL"),
        ("hello my name is dana whitfield and i have a question",
         "hello my name is [PII] and i have a question", "NAME"),
        ("this is dana speaking", "this is [PII] speaking", "NAME"),
        ("that is spelt w h i t f i e l d", "that is spelt [PII]", "NAME"),
        ("i was born on 12/04/1981", "i was born on [PII]", "DATE_TIME"),
        ("the security code is nine one two", "the security code is [PII]", "CREDIT_DEBIT_CVV"),
        ("account number four seven for too nine one", "account number [PII]",
         "BANK_ACCOUNT_NUMBER"),
        ("4111 1111 1111 1111", "[PII]", "CREDIT_DEBIT_NUMBER"),
        ("it says one two three four five six seven", "it says [PII]", "BANK_ACCOUNT_NUMBER"),
    ],
)  # fmt: skip
def test_masks_what_a_turn_gives_away_by_itself(said, shown, kind):
    assert masked(("CUSTOMER", said)) == [shown]
    assert types(("CUSTOMER", said)) == [kind]


@pytest.mark.parametrize(
    "harmless",
    [
        "i waited two weeks and three days",
        "this is ridiculous",
        "this is the third time i have called",
        "it costs one thousand two hundred dollars",
        "please look at the screen",
        "the box has 3 lights",
        "i paid forty five dollars for the account",
        "",
    ],
)
def test_leaves_other_numbers_and_words_alone(harmless):
    assert masked(("CUSTOMER", harmless)) == [harmless]


@pytest.mark.parametrize(
    ("question", "answer", "shown", "kind"),
    [
        ("can i have your account number please", "sure it is four seven", "sure it is [PII]",
         "BANK_ACCOUNT_NUMBER"),
        ("What's the last four of your social?", "Uh Five nine 32", "Uh [PII]", "SSN"),
        ("and your date of birth", "the third of march 81", "the [PII] of [PII]", "DATE_TIME"),
        ("could you tell me the order number", "six one eight", "[PII]", "NUMBER"),
        ("who am i speaking with", "oh um dana whitfield", "oh um [PII]", "NAME"),
        ("what is your email", "john smith at gmail", "[PII]", "EMAIL"),
        ("what is your address", "it's twenty four maple street in leeds", "it's [PII]",
         "ADDRESS"),
    ],
)  # fmt: skip
def test_masks_the_answer_by_what_was_asked(question, answer, shown, kind):
    said = (("AGENT", question), ("CUSTOMER", answer))

    assert masked(*said) == [question, shown]
    assert set(types(*said)) == {kind}


def test_masks_every_digit_of_the_answering_turn():
    assert masked(
        ("AGENT", "can i have the card number please"),
        ("CUSTOMER", "yes one moment it is four one and something then nine"),
    )[1] == ("yes [PII] moment it is [PII] and something then [PII]")


def test_an_answer_may_come_after_a_backchannel_and_be_read_back():
    assert masked(
        ("AGENT", "can i have your phone number please"),
        ("CUSTOMER", "sure"),
        ("AGENT", "mhm"),
        ("CUSTOMER", "five five five oh one"),
        ("AGENT", "so five five five oh one"),
    )[3:] == ["[PII]", "so [PII]"]


def test_a_question_is_forgotten_after_some_turns():
    turns = [("AGENT", "can i have your phone number please"), *[("CUSTOMER", "okay")] * 5]

    assert masked(*turns, ("CUSTOMER", "i need two of them"))[-1] == "i need two of them"


def test_the_agents_time_window_is_no_personal_number():
    assert masked(
        ("AGENT", "could you tell me the order number"),
        ("CUSTOMER", "six one eight five two"),
        ("AGENT", "the driver comes between ten and twelve"),
    )[2] == ("the driver comes between ten and twelve")


def test_a_name_is_masked_wherever_it_is_said_again():
    assert masked(
        ("AGENT", "thank you for calling my name is sarah"),
        ("CUSTOMER", "hi sarah"),
        ("AGENT", "Sarah again."),
    ) == ["thank you for calling my name is [PII]", "hi [PII]", "[PII] again."]


def test_unknown_speakers_may_answer_themselves():
    assert masked(
        ("UNKNOWN", "can i have your account number please"), ("UNKNOWN", "four seven one")
    ) == ["can i have your account number please", "[PII]"]


def test_a_span_has_the_audio_of_its_words():
    turn = any_turn("my pin is one two three four okay", items=True, begin=10_000)

    (span,) = find_personal_data([turn])

    assert (span.begin_char, span.end_char) == (10, 28)
    assert (span.begin_ms, span.end_ms) == (11_200, 12_800)


def test_a_span_silences_the_whole_turn_where_items_are_missing():
    (span,) = find_personal_data([any_turn("my pin is one two three four", begin=500, end=900)])

    assert (span.begin_ms, span.end_ms) == (500, 900)


def test_redacts_content_items_and_times_as_amazon_does():
    document = any_document(
        any_turn("my pin is one two three four okay", items=True, turn_id="a"),
        any_turn("okay", turn_id="b"),
    )

    redacted = redact(document, find_personal_data(document["Transcript"]))

    assert redacted["ContentMetadata"] == {"Output": "Redacted", "RedactionTypes": ["PII"]}
    first, second = redacted["Transcript"]
    assert first["Content"] == "my pin is [PII] okay"
    assert first["Redaction"] == {
        "RedactedTimestamps": [[{"BeginOffsetMillis": 1200, "EndOffsetMillis": 2800}]]
    }
    assert [item["Content"] for item in first["Items"]] == ["my", "pin", "is", "[PII]", "okay"]
    assert first["Items"][3] == {
        "Type": "pronunciation",
        "Content": "[PII]",
        "BeginOffsetMillis": 1200,
        "EndOffsetMillis": 2800,
    }
    assert second["Redaction"] == {"RedactedTimestamps": [[]]}
    assert "Items" not in second
    assert document["Transcript"][0]["Content"] == "my pin is one two three four okay"


def test_offsets_of_issues_move_along_with_the_redaction():
    turn = any_turn("my pin is one two three four and it is blocked")
    turn["IssuesDetected"] = [{"CharacterOffsets": {"Begin": 33, "End": 46}}]
    assert turn["Content"][33:46] == "it is blocked"

    redacted = redact(any_document(turn), find_personal_data([turn]))["Transcript"][0]

    offsets = redacted["IssuesDetected"][0]["CharacterOffsets"]
    assert redacted["Content"][offsets["Begin"] : offsets["End"]] == "it is blocked"


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        ("my pin", "my pin"),
        ("is blocked", "is blocked"),
        ("three four and", "[PII] and"),
        ("two three", "[PII]"),
        ("pin is one", "pin is [PII]"),
    ],
)
def test_shifted_offsets_grow_to_hold_the_redaction(piece, shown):
    turn = any_turn("my pin is one two three four and it is blocked", turn_id="a")
    spans = find_personal_data([turn])
    redacted = redact(any_document(turn), spans)["Transcript"][0]["Content"]
    begin = turn["Content"].index(piece)

    begin, end = shift_offsets("a", begin, begin + len(piece), spans)

    assert redacted[begin:end] == shown


def test_offsets_of_another_turn_stay():
    assert shift_offsets("other", 3, 9, find_personal_data([any_turn("my pin is 1234")])) == (3, 9)


def test_what_amazon_redacted_already_stays_as_it_is():
    assert masked(("CUSTOMER", "Oh um This is [PII] [PII].")) == ["Oh um This is [PII] [PII]."]


def test_an_empty_transcript_has_no_personal_data():
    assert find_personal_data([]) == []
    assert redact(any_document(), [])["Transcript"] == []


def test_an_e_mail_address_takes_no_more_words_along_than_a_name_has():
    assert masked(
        ("AGENT", "i have refunded the second payment sarah dot k at example dot com"),
        ("AGENT", "then i sent the invoice to dana whitfield at example dot com"),
    ) == ["i have refunded the second payment [PII]", "then i sent the invoice to [PII]"]
