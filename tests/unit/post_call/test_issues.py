import pytest

from post_call.rules.issues import find_issues

from .factories import any_dialogue, any_document


def found(kind, *said) -> list[str]:
    document = any_dialogue(*said)
    findings = find_issues(document)["turns"]
    pieces = []
    for turn in document["Transcript"]:
        for detected in findings.get(turn["Id"], {}).get(kind, []):
            offsets = detected["CharacterOffsets"]
            pieces.append(turn["Content"][offsets["Begin"] : offsets["End"]])
    return pieces


@pytest.mark.parametrize(
    ("said", "issue"),
    [
        (
            "Hi um uh you just need to cancel my card. Um I have two.",
            "you just need to cancel my card",
        ),
        ("Okay. I was charged twice. Why?", "I was charged twice"),
        ("my internet is down again", "my internet is down again"),
        ("well i am calling about my last invoice", "i am calling about my last invoice"),
        ("i still have not received it", "i still have not received it"),
    ],
)
def test_an_issue_is_the_customers_sentence_that_states_the_problem(said, issue):
    assert found("IssuesDetected", ("CUSTOMER", said)) == [issue]


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("AGENT", "i have a problem with my line"),
        ("CUSTOMER", "no problem"),
        ("CUSTOMER", "yes that is right"),
    ],
)
def test_other_sentences_are_no_issue(role, said):
    assert found("IssuesDetected", (role, said)) == []


def test_an_endless_sentence_is_cut_around_the_phrase():
    before, behind = "word " * 20, " thing" * 30

    (issue,) = found("IssuesDetected", ("CUSTOMER", f"{before}i was charged twice{behind}"))

    assert issue == "word " * 5 + "i was charged twice" + " thing" * 13


def test_an_outcome_is_what_the_agent_has_done():
    assert found(
        "OutcomesDetected",
        ("AGENT", "Okay so I have cancelled the second payment. Anything else?"),
        ("CUSTOMER", "i have cancelled it myself"),
    ) == ["I have cancelled the second payment"]


def test_an_action_item_is_what_the_agent_will_do():
    assert found(
        "ActionItemsDetected",
        ("AGENT", "good i'll send you an email tomorrow"),
        ("AGENT", "I will check it for you right away."),
        ("CUSTOMER", "i will send you a letter"),
    ) == ["i'll send you an email tomorrow"]


@pytest.mark.parametrize(
    ("said", "promised"),
    [
        ("a supervisor will call you back tomorrow", True),
        ("we'll get back to you by friday", True),
        ("if we get disconnected i will call you back", False),
        ("thank you for calling", False),
    ],
)
def test_a_promise_to_call_back_is_kept_by_turn(said, promised):
    findings = find_issues(any_dialogue(("AGENT", said)))

    assert findings["call_backs"] == (["t1"] if promised else [])


def test_an_unknown_speaker_may_be_the_customer_or_the_agent():
    said = ("UNKNOWN", "my internet is down. I will send an engineer.")

    assert found("IssuesDetected", said) == ["my internet is down"]
    assert found("ActionItemsDetected", said) == ["I will send an engineer"]


def test_an_empty_transcript_has_no_issues():
    assert find_issues(any_document()) == {"turns": {}, "call_backs": []}
