"""Every path of `transcribe_embedded`; what it does to real speech, test_post_call.py sees."""

import pytest

from tests.cloud import TestCloud
from tests.mocks import MOCKS
from tests.workflow.histories import failures_in
from tests.workflow.machines import Machines

GIVEN = {"call_id": "any-call", "work": {"bucket": "any", "prefix": "work/any-call/1"}}
TRANSCRIPT = {"transcript": {"bucket": "work", "key": "transcript.json"}}


@pytest.fixture(scope="module")
def mocked(machines: Machines) -> dict[str, str]:
    """Every mocked case, all started at once: their waits for a retry go by together."""
    return {
        case: machines.start("transcribe_embedded", GIVEN, case=case)
        for case in MOCKS["transcribe_embedded"]["cases"]
    }


@pytest.mark.parametrize(
    ("case", "error", "retries"),
    [
        (
            "everything_is_throttled_once",
            {"Lambda.TooManyRequestsException", "Runtime.ExitError", "Lambda.ServiceException"},
            3,
        ),
        ("every_function_fails_transiently_once", {"TransientError"}, 3),
    ],
)
def test_tries_again_what_may_pass(
    cloud: TestCloud, mocked: dict[str, str], case: str, error: set[str], retries: int
) -> None:
    execution = cloud.execution(mocked[case])

    failures = failures_in(cloud.history(mocked[case]))
    assert execution["status"] == "SUCCEEDED"
    assert len(failures) == retries
    assert set(failures) == error


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("plan_fails", "SpeechEngineMissing"),
        ("chunk_fails", "SpeechEngineMissing"),
        ("join_fails", "KeyError"),
    ],
)
def test_ends_with_its_own_error(
    cloud: TestCloud, mocked: dict[str, str], case: str, error: str
) -> None:
    execution = cloud.execution(mocked[case])

    assert execution["status"] == "FAILED"
    assert execution["error"] == error
    assert execution["cause"] == f"{error}, as the test wants it."
