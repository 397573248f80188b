"""Every path of `ticket`."""

from functools import partial
from typing import Any

from tests.mocked.case import Case
from tests.mocked.engines import LOCALSTACK
from tests.mocks import MOCKS

GIVEN = {"ticket": lambda: {"ticket_id": "any-ticket", "run": 1}}

OPENED = "Open Case > Begin Turns > Assign Case > Review Case"
REVIEWED = f"{OPENED} > Case Resolved?"
CLOSED = "Review Case > Case Resolved? > Close Case > Case Closed"
RECORDED = "Record Failure > Case Failed"

CLOSE = MOCKS["ticket"]["answers"]["Review Case"]
EXHAUSTED = MOCKS["ticket"]["answers"]["Escalate Case"]

ticket = partial(Case, "ticket")


def closed(name: str, between: str, first: str | None = None, **values: Any) -> Case:
    """A case that is closed after it was reviewed with another result at first."""
    answers = {"Review Case": [{**CLOSE, "next": first}, CLOSE]} if first else {}
    return Case(
        "ticket",
        name,
        f"{REVIEWED} > {between} > {CLOSED}",
        output={"case": CLOSE},
        **{"answers": answers, **values},
    )


def failed(name: str, until: str, state: str, error: str = "KeyError") -> Case:
    return ticket(name, f"{until} > {RECORDED}", blamed={state: error})


CASES = [
    closed("everything_is_throttled_once", "Work On Case"),
    ticket(
        "every_function_fails_transiently_once",
        f"{REVIEWED} > Close Case > Case Closed",
        output={"case": CLOSE},
    ),
    closed(
        "a_clock_strikes",
        "Work On Case",
        "work",
        throws={"Work On Case": ["States.Timeout"]},
        cannot={LOCALSTACK: "LocalStack 4.14.0 mocks no error whose name begins with States."},
    ),
    closed(
        "review_is_outdated",
        "Work On Case > Let Change Settle",
        throws={"Work On Case": ["DynamoDb.TransactionCanceledException"]},
    ),
    closed("assigned_again", "Assign Case", "assign"),
    closed(
        "next_tier_resolves_it",
        "Escalate Case > Top Tier Passed?",
        answers={
            "Review Case": [{**CLOSE, "next": "escalate"}, CLOSE],
            "Escalate Case": {"exhausted": False},
        },
    ),
    ticket(
        "ended_otherwise",
        f"{REVIEWED} > Case Ended Otherwise",
        output={"case": {**CLOSE, "next": "none"}},
        answers={"Review Case": {**CLOSE, "next": "none"}},
    ),
    *(
        ticket(
            name,
            f"{REVIEWED} > Escalate Case > Top Tier Passed? > Escalation Exhausted",
            error=EXHAUSTED["error"],
            cause=EXHAUSTED["cause"],
        )
        for name in ("escalating_is_throttled_once", "escalating_fails_transiently_once")
    ),
    ticket(
        "handing_over_is_throttled_once",
        f"{REVIEWED} > Hand Over Case > Case Handed Over",
        output={"case": {**CLOSE, "next": "hand_over", "run": 2}},
    ),
    ticket(
        "next_run_is_there",
        f"{REVIEWED} > Hand Over Case > Case Handed Over",
        output={"case": {**CLOSE, "next": "hand_over", "run": 2}},
        answers={"Review Case": {**CLOSE, "next": "hand_over", "run": 2}},
        throws={"Hand Over Case": ["StepFunctions.ExecutionAlreadyExistsException"]},
    ),
    *(
        failed(name, "Open Case", "open_case")
        for name in (
            "opening_fails",
            "the_way_of_a_failure_is_throttled_once",
            "the_way_of_a_failure_fails_transiently_once",
        )
    ),
    failed("assigning_fails", "Open Case > Begin Turns > Assign Case", "assign_case"),
    failed("reviewing_fails", OPENED, "review_case"),
    ticket(
        "working_fails",
        f"{REVIEWED} > Work On Case > {RECORDED}",
        blamed={"work_on_case": "DynamoDb.ResourceNotFoundException"},
        answers={"Review Case": {**CLOSE, "next": "work"}},
    ),
    failed("closing_fails", f"{REVIEWED} > Close Case", "close_case"),
    failed("escalating_fails", f"{REVIEWED} > Escalate Case", "escalate_case"),
    failed(
        "handing_over_fails",
        f"{REVIEWED} > Hand Over Case",
        "hand_over_case",
        "StepFunctions.StateMachineDeletingException",
    ),
    ticket(
        "failure_is_not_recorded",
        "Open Case > Record Failure > Failure Not Recorded",
        blamed={"open_case": "KeyError"},
        error="AccessDeniedException",
    ),
]
