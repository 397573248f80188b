"""How an execution ended, read from its history."""

import pytest

from post_call.rules.execution_history import End, end_of


def entered(name: str, kind: str = "Task") -> dict:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def failed(error: str | None = None, cause: str | None = None) -> dict:
    return {
        "type": "ExecutionFailed",
        "executionFailedEventDetails": {"error": error, "cause": cause},
    }


def test_reads_error_cause_and_state():
    history = [failed("AnyError", "any cause"), entered("Store Analysis"), entered("Claim Call")]

    assert end_of(history) == End("AnyError", "any cause", "store_analysis")


def test_a_fail_state_is_where_an_execution_ends_and_not_where_it_failed():
    history = [failed("AnyError"), entered("Failure Not Recorded", "Fail"), entered("Store It")]

    assert end_of(history).state == "store_it"


@pytest.mark.parametrize(
    ("name", "written"),
    [("Needs Follow-up?", "needs_follow_up"), ("Which Speech Engine?", "which_speech_engine")],
)
def test_writes_a_state_as_everything_else_names_it(name, written):
    assert end_of([failed("Any"), entered(name, "Choice")]).state == written


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ({"type": "ExecutionTimedOut"}, "States.Timeout"),
        ({"type": "ExecutionAborted", "executionAbortedEventDetails": {}}, "ExecutionAborted"),
        (failed(), "States.Runtime"),
    ],
)
def test_the_kind_of_the_end_is_the_error_where_the_engine_gives_none(ending, error):
    assert end_of([ending]) == End(error, "The engine gave no cause.", "unknown")


@pytest.mark.parametrize("status", ["", "FAILED", "ABORTED"])
def test_a_history_without_an_end_has_none(status):
    with pytest.raises(ValueError, match="no end"):
        end_of([entered("Claim Call")], status)


def test_a_timeout_needs_no_end_in_the_history():
    end = end_of([entered("Claim Call")], "TIMED_OUT")

    assert end == End("States.Timeout", "The engine gave no cause.", "claim_call")


def test_an_end_in_the_history_says_more_than_the_status():
    assert end_of([failed("AnyError", "any cause")], "TIMED_OUT").error == "AnyError"


def test_a_timeout_is_known_by_the_status_while_the_history_lags_behind():
    end = end_of([entered("Fetch Recording")], "TIMED_OUT")

    assert end == End("States.Timeout", "The engine gave no cause.", "fetch_recording")
