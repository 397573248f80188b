"""What a ticket takes from the analysis of its call."""

import pytest

from tickets.rules.call_findings import (
    COMPLAINTS,
    LONGEST_QUOTE,
    MOST_QUOTES,
    call_of,
    customer_of,
    priority_of,
    queue_of,
)

from .factories import any_queue


def turn(begin, end, *, role="CUSTOMER", sentiment="NEUTRAL", content=None):
    return {
        "ParticipantRole": role,
        "BeginOffsetMillis": begin,
        "EndOffsetMillis": end,
        "Content": content or f"said at {begin}",
        "Sentiment": sentiment,
    }


def document(*turns, matched=None, **ours):
    """An analysis with the turns, and with what was found where: `{"Complaint": [(0, 900)]}`."""
    details = {
        name: {
            "PointsOfInterest": [
                {"BeginOffsetMillis": begin, "EndOffsetMillis": end} for begin, end in points
            ]
        }
        for name, points in (matched or {}).items()
    }
    return {
        "Transcript": list(turns),
        "Categories": {"MatchedCategories": sorted(details), "MatchedDetails": details},
        "Aftercall": ours,
    }


def call(*turns, matched=None, **ours):
    return call_of(document(*turns, matched=matched, **ours), "any-bucket", "any-key")


def quoted(*turns, matched=None):
    """When what was quoted was said."""
    return [quote.at_ms for quote in call(*turns, matched=matched).quotes]


# --- what was found


def test_says_where_the_analysis_is_why_somebody_has_to_come_back_and_what_was_found():
    found = call(
        matched={"Complaint": [], "Billing": []},
        follow_up_reasons=["complaint", "call_back_promised"],
    )

    assert (found.analysis_bucket, found.analysis_key) == ("any-bucket", "any-key")
    assert found.reasons == ("complaint", "call_back_promised")
    assert found.categories == ("Billing", "Complaint")


def test_an_analysis_that_found_nothing_gives_nothing():
    found = call_of({"Transcript": [], "Aftercall": {}}, "any-bucket", "any-key")

    assert (found.reasons, found.categories, found.quotes) == ((), (), ())


def test_the_customer_is_whom_the_call_s_metadata_names():
    assert customer_of(document(metadata={"customer_id": "C-1"})) == "C-1"
    assert customer_of(document(metadata={})) is None
    assert customer_of(document()) is None


# --- quotes


@pytest.mark.parametrize("category", COMPLAINTS)
def test_quotes_what_the_customer_said_where_a_complaint_was_found(category):
    turns = (turn(0, 900), turn(1000, 1900), turn(2000, 2900, sentiment="NEGATIVE"))

    assert quoted(*turns, matched={category: [(1000, 1900)]}) == [1000]


def test_does_not_quote_what_only_another_category_was_found_in():
    assert quoted(turn(0, 900), matched={"Billing": [(0, 900)]}) == []


def test_quotes_what_was_negative_where_no_complaint_was_found():
    turns = (turn(0, 900), turn(1000, 1900, sentiment="NEGATIVE"), turn(2000, 2900))

    assert quoted(*turns, matched={"Billing": [(0, 900)]}) == [1000]


def test_quotes_what_was_negative_where_only_the_agent_spoke_of_a_complaint():
    turns = (turn(0, 900, role="AGENT"), turn(1000, 1900, sentiment="NEGATIVE"))

    assert quoted(*turns, matched={"Complaint": [(0, 900)]}) == [1000]


def test_never_quotes_the_agent():
    turns = (turn(0, 900, role="AGENT", sentiment="NEGATIVE"), turn(100, 800))

    assert quoted(*turns, matched={"Complaint": [(0, 900)]}) == [100]
    assert quoted(turns[0]) == []


def test_quotes_whoever_is_not_the_agent_as_what_they_are():
    [quote] = call(turn(0, 900, role="CALLER_2", sentiment="NEGATIVE")).quotes

    assert (quote.role, quote.text, quote.at_ms) == ("CALLER_2", "said at 0", 0)


@pytest.mark.parametrize(
    ("point", "is_quoted"),
    [
        ((900, 1000), False),
        ((900, 1001), True),
        ((1900, 2000), False),
        ((1899, 2000), True),
        ((1300, 1400), True),
        ((0, 9000), True),
    ],
)
def test_quotes_a_turn_that_a_point_lies_in_not_one_that_it_only_touches(point, is_quoted):
    found = quoted(turn(1000, 1900), matched={"Complaint": [point]})

    assert found == ([1000] if is_quoted else [])


def test_quotes_in_the_order_of_the_call_each_turn_once():
    matched = {"Complaint": [(2000, 2900), (0, 900)], "SupervisorRequest": [(2000, 2900)]}

    assert quoted(turn(0, 900), turn(1000, 1900), turn(2000, 2900), matched=matched) == [0, 2000]


def test_quotes_the_first_few_turns_and_their_begin():
    turns = [turn(at, at + 9, sentiment="NEGATIVE", content="x" * 1000) for at in range(0, 90, 10)]

    quotes = call(*turns).quotes

    assert [quote.at_ms for quote in quotes] == [0, 10, 20][:MOST_QUOTES]
    assert {len(quote.text) for quote in quotes} == {LONGEST_QUOTE}


# --- priority and queue


@pytest.mark.parametrize(
    ("reasons", "priority"),
    [
        ((), "normal"),
        (("call_back_promised",), "normal"),
        (("something_new",), "normal"),
        (("complaint",), "high"),
        (("cancellation_risk",), "high"),
        (("supervisor_request",), "urgent"),
        (("call_back_promised", "complaint"), "high"),
        (("complaint", "supervisor_request", "call_back_promised"), "urgent"),
    ],
)
def test_the_most_urgent_reason_decides_the_priority(reasons, priority):
    assert priority_of(reasons) == priority


QUEUES = (
    any_queue(name="returns", follow_up_reasons=("complaint",)),
    any_queue(name="accounts", follow_up_reasons=("cancellation_risk", "complaint")),
    any_queue(name="general"),
)


@pytest.mark.parametrize(
    ("reasons", "name"),
    [
        (("cancellation_risk",), "accounts"),
        (("complaint",), "accounts"),
        (("call_back_promised", "complaint"), "accounts"),
        (("call_back_promised",), "general"),
        ((), "general"),
    ],
)
def test_a_call_goes_to_the_first_queue_by_name_that_wants_it(reasons, name):
    assert queue_of(reasons, QUEUES) == queue_of(reasons, reversed(QUEUES)) == name


def test_a_call_that_no_queue_wants_goes_to_the_general_one():
    assert queue_of(("complaint",), ()) == "general"
