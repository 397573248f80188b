"""The cases of mocked paths: complete, in the mock file, and told apart by what histories say."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests import asl
from tests.mocked.case import Case
from tests.mocked.definitions import definition_for
from tests.mocked.engines import ENGINES, LOCALSTACK, STEP_FUNCTIONS_LOCAL
from tests.mocked.generate import CASES, FILE, GIVEN, text
from tests.mocked.paths import errors_in, path_of
from tests.mocks import MOCKS, response
from tests.unit.template import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "step-functions-local.md"
FEATURES = {
    "JSONata, `Assign`": r'"QueryLanguage"|"Assign"',
    "Distributed Map": '"DISTRIBUTED"',
    "`ItemProcessor`": '"ItemProcessor"',
    "`ItemSelector`": '"ItemSelector"',
    "`MaxConcurrencyPath`": '"MaxConcurrencyPath"',
    "`JitterStrategy`, `MaxDelaySeconds`": '"JitterStrategy"|"MaxDelaySeconds"',
    "`ErrorPath`, `CausePath`": '"ErrorPath"|"CausePath"',
    "`TimeoutSecondsPath`": '"TimeoutSecondsPath"',
    "`States.StringToJson`": r"States\.StringToJson",
    "`States.ArrayGetItem`, `States.StringSplit`": r"States\.(ArrayGetItem|StringSplit)",
    "`startExecution.sync:2`": r"startExecution\.sync:2",
    "`startExecution` without waiting": 'startExecution"',
    "`aws-sdk:` with `waitForTaskToken`": r"aws-sdk:\S+\.waitForTaskToken",
    "`events:putEvents`": ":::events:",
    "`dynamodb:updateItem`": ":::dynamodb:",
    "`sns:publish`": ":::sns:",
    "an activity": ":activity:",
}
"""What the document tells of, with what shows that a definition uses it."""


def test_the_mock_file_is_what_the_cases_say() -> None:
    assert FILE.read_text() == text(), "run `make mock-config`"


def test_every_case_has_a_name_of_its_own() -> None:
    names = [(case.machine, case.name) for case in CASES]

    assert len(set(names)) == len(names)


def test_every_case_of_the_workflow_tests_is_taken_with_everything_mocked() -> None:
    theirs = {
        (machine, name)
        for machine, mocks in MOCKS.items()
        if machine != "comment"
        for name in mocks["cases"]
    }

    assert theirs - {(case.machine, case.name) for case in CASES} == set()


def test_every_task_has_an_answer_and_every_machine_an_input() -> None:
    tasks = {(scope.machine, name) for scope, name, _ in asl.states("Task")}
    answers = {(case.machine, state) for case in CASES for state in case.responses()}

    assert answers == tasks
    assert set(GIVEN) == set(asl.machines())


@pytest.mark.parametrize("machine", asl.machines())
def test_the_expected_paths_take_every_transition(machine: str) -> None:
    transitions = {
        (way.source, way.target)
        for scope in asl.scopes(machine, asl.machines()[machine])
        for way in scope.transitions()
    }
    taken = {
        pair for case in CASES if case.machine == machine for pair in transitions_of(case.path)
    }

    assert taken == transitions


@pytest.mark.parametrize("case", [case for case in CASES if case.cannot], ids=str)
def test_every_case_can_be_taken_by_some_engine(case: Case) -> None:
    assert set(case.cannot) < set(ENGINES)


def test_a_response_throws_in_turn_and_then_answers_in_turn() -> None:
    assert response([{"a": 1}, {"a": 2}], ["Busy"], of_function=False) == {
        "0": {"Throw": {"Error": "Busy", "Cause": "Busy, as the test wants it."}},
        "1": {"Return": {"a": 1}},
        "2-11": {"Return": {"a": 2}},
    }


def test_a_function_answers_with_its_payload_and_with_the_reply_around_it() -> None:
    [step] = response({"a": 1}, [], of_function=True).values()

    assert step == {"Return": {"a": 1, "StatusCode": 200, "Payload": {"a": 1}}}


# ------------------------------------------------------------------ definitions


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("machine", asl.machines())
def test_a_definition_has_all_substitutions_and_waits_a_second_at_most(
    engine: str, machine: str
) -> None:
    definition = json.dumps(definition_for(ENGINES[engine], machine))

    assert "${" not in definition
    assert set(re.findall(r'"IntervalSeconds": (\d+), "BackoffRate": (\d+)', definition)) == {
        ("1", "1")
    }
    assert set(re.findall(r"pulse_seconds.\$\": \"States.StringToJson\('(\d+)'", definition)) <= {
        "1"
    }


def test_maps_are_spelt_as_step_functions_local_reads_them() -> None:
    definition = definition_for(ENGINES[STEP_FUNCTIONS_LOCAL], "communications_canary")

    stage = definition["States"]["Redrive Stage"]
    assert set(stage["Iterator"]) == {"StartAt", "States"}
    assert not {"ItemProcessor", "MaxConcurrencyPath"} & set(stage)


def test_only_localstack_is_told_to_call_dynamodb_by_the_sdk() -> None:
    resources = {
        engine: definition_for(ENGINES[engine], "post_call")["States"]["Claim Call"]["Resource"]
        for engine in ENGINES
    }

    assert resources == {
        LOCALSTACK: "arn:aws:states:::aws-sdk:dynamodb:updateItem",
        STEP_FUNCTIONS_LOCAL: "arn:aws:states:::dynamodb:updateItem",
    }


# ------------------------------------------------------------------ histories


def test_a_path_tells_what_ran_inside_a_map_sorted() -> None:
    history = History()
    entered = history.enter("Map", "Take Calls")
    first = history.add("MapIterationStarted", name="Take Calls", index=0)
    second = history.add("MapIterationStarted", after=entered, name="Take Calls", index=1)
    history.task("Store Call", after=history.task("Claim Call", after=second))
    last = history.task("Claim Call", after=first)
    history.task("Rest", after=history.exit("Map", "Take Calls", after=last))

    assert path_of(history.events) == ("Take Calls (Claim Call | Claim Call > Store Call) > Rest")


def test_a_path_tells_iterations_apart_that_come_one_after_the_other() -> None:
    history = History()
    history.enter("Map", "Take Calls")
    for index in range(2):
        history.add("MapIterationStarted", name="Take Calls", index=index)
        history.task("Claim Call")

    assert path_of(history.events) == "Take Calls (Claim Call | Claim Call)"


def test_a_path_tells_only_the_branch_that_failed() -> None:
    history = History()
    begun = history.enter("Parallel", "Analyse")
    history.enter("Task", "Score", after=begun)
    history.add("TaskFailed", error="KeyError", cause="")
    history.task("Measure", after=begun)
    stopped = history.enter("Task", "Summarise", after=begun)
    history.task("Record", after=history.exit("Parallel", "Analyse", after=begun))
    history.add("LambdaFunctionFailed", after=stopped, error="Exception", cause="")

    assert path_of(history.events) == "Analyse (Score) > Record"
    assert errors_in(history.events) == ["KeyError"]


def test_a_path_has_a_state_once_that_was_tried_again() -> None:
    history = History()
    history.enter("Task", "Fetch")
    history.add("TaskFailed", error="TransientError", cause="")
    history.add("TaskSucceeded")
    history.task("Store", after=history.exit("Task", "Fetch"))

    assert path_of(history.events) == "Fetch > Store"
    assert errors_in(history.events) == ["TransientError"]


# ------------------------------------------------------------------ the document


@pytest.mark.parametrize("feature", FEATURES)
def test_the_document_says_which_machines_use_what(feature: str) -> None:
    rows = [line.split(" | ") for line in DOCUMENT.read_text().splitlines() if line[:2] == "| "]
    [told] = [cells[1] for cells in rows if cells[0] == f"| {feature}"]
    using = [
        file.name.removesuffix(".asl.json")
        for file in sorted(asl.FOLDER.glob("*.asl.json"))
        if re.search(FEATURES[feature], file.read_text())
    ]

    assert re.findall(r"`(\w+)`", told) == ([] if using == list(asl.machines()) else using)
    assert told.startswith("all") == (using == list(asl.machines()))


class History:
    """Events as an engine would tell them, each after the one before unless it is said."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, kind: str, after: int | None = None, **details: Any) -> int:
        before = len(self.events) if after is None else after
        self.events.append(
            {
                "id": len(self.events) + 1,
                "previousEventId": before,
                "type": kind,
                "anyEventDetails": details,
            }
        )
        return len(self.events)

    def enter(self, kind: str, name: str, after: int | None = None) -> int:
        return self.add(f"{kind}StateEntered", after, name=name)

    def exit(self, kind: str, name: str, after: int | None = None) -> int:
        return self.add(f"{kind}StateExited", after, name=name)

    def task(self, name: str, after: int | None = None) -> int:
        self.enter("Task", name, after)
        return self.exit("Task", name)


def transitions_of(path: str) -> Iterator[tuple[str, str]]:
    """Each state with the next one, in a path and in what ran inside its states."""
    for inner in re.findall(r"\(([^)]*)\)", path):
        for one in inner.split(" | "):
            yield from transitions_of(one)
    names = re.sub(r" \([^)]*\)", "", path).split(" > ")
    yield from pairwise(names)
