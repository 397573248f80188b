"""Every path of every state machine with mocked tasks, on the engine that is there."""

from collections import Counter

import pytest

from tests.asl import machines
from tests.mocked.case import Case
from tests.mocked.coverage import untaken
from tests.mocked.executions import Execution, Executions
from tests.mocked.generate import CASES
from tests.mocked.paths import end_of, errors_in, input_of, path_of


@pytest.fixture
def execution(executions: Executions, case: Case) -> Execution:
    if reason := case.cannot.get(executions.engine.name):
        pytest.skip(reason)
    return executions.of(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_takes_exactly_its_path(execution: Execution, case: Case) -> None:
    thrown = [error for errors in case.all_throws.values() for error in errors]

    assert path_of(execution.history) == case.path
    assert Counter(errors_in(execution.history)) == Counter(thrown)


@pytest.mark.parametrize("case", [case for case in CASES if not case.failure], ids=str)
def test_succeeds_with_its_output(execution: Execution, executions: Executions, case: Case) -> None:
    assert execution.status == "SUCCEEDED"
    assert {name: (execution.output or {}).get(name) for name in case.output} == case.output


@pytest.mark.parametrize("case", [case for case in CASES if case.failure], ids=str)
def test_fails_with_the_error_of_what_failed(execution: Execution, case: Case) -> None:
    end = end_of(execution.history)

    assert execution.status == "FAILED"
    assert (end["error"], end["cause"]) == case.failure


@pytest.mark.parametrize("case", [case for case in CASES if case.blamed], ids=str)
def test_records_which_state_failed_and_with_what(execution: Execution, case: Case) -> None:
    failed = input_of(execution.history, "Record Failure")["failed"]

    assert {state: failure["Error"] for state, failure in failed.items()} == case.blamed


@pytest.mark.parametrize("machine", machines())
def test_takes_every_way_through_the_machine(executions: Executions, machine: str) -> None:
    untakable = {way for way in executions.engine.untakable if way.startswith(f"{machine}:")}

    assert untaken(machine, executions.histories(machine)) == untakable
