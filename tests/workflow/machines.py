"""The deployed state machines for tests: started directly, with mocked states, or as variants.

A variant is the deployed definition under a name of its own, so that what a test starts takes no
place from the calls that come through the front door. An additional rule leads the end of its
executions to the same queue as the template's rule does for the deployed machine.
"""

import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from post_call.execution import ExecutionInput
from shared.times import format_time
from tests.asl import machines, scopes
from tests.cloud import INSTANCE, Recording, TestCloud, any_call_id

MOCKS = json.loads((Path(__file__).parent / "mocks.json").read_text())
DEPLOYED = {
    "post_call": "PostCallStateMachineArn",
    "transcribe_embedded": "TranscribeEmbeddedStateMachineArn",
}

type Change = Callable[[dict[str, Any]], None]


@dataclass
class Machines:
    """Starts executions of the variants, and remembers all machines for the coverage."""

    cloud: TestCloud
    _arns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        write_mock_file()
        for machine in DEPLOYED:
            self.variant(machine, machine)
        self.variant("other_engine", "post_call", name_unknown_engine)
        self.variant("impatient", "post_call", time_out_soon)
        self._record_ends()

    def variant(self, name: str, machine: str, change: Change = lambda definition: None) -> None:
        """The deployed definition with a change, under another name."""
        deployed = self.cloud.stepfunctions.describe_state_machine(
            stateMachineArn=self.cloud.outputs[DEPLOYED[machine]]
        )
        definition = json.loads(deployed["definition"])
        change(definition)
        arn = deployed["stateMachineArn"].rpartition(":")[0] + f":{name}"
        if name not in {m["name"] for m in self._existing()}:
            self.cloud.stepfunctions.create_state_machine(
                name=name, definition=json.dumps(definition), roleArn=deployed["roleArn"]
            )
        else:
            self.cloud.stepfunctions.update_state_machine(
                stateMachineArn=arn, definition=json.dumps(definition)
            )
        self._arns[name] = arn

    def _existing(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud.stepfunctions.list_state_machines()[
            "stateMachines"
        ]
        return found

    def _record_ends(self) -> None:
        deployed = self.cloud.outputs["PostCallStateMachineArn"]
        rules = self.cloud.events.list_rules()["Rules"]
        rule = next(rule for rule in rules if deployed in rule.get("EventPattern", ""))
        targets = self.cloud.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        pattern = json.loads(rule["EventPattern"])
        names = ("post_call", "other_engine", "impatient")
        pattern["detail"]["stateMachineArn"] = [self._arns[name] for name in names]
        self.cloud.events.put_rule(Name="ended-variants", EventPattern=json.dumps(pattern))
        self.cloud.events.put_targets(Rule="ended-variants", Targets=targets)

    def all(self) -> list[tuple[str, str]]:
        """Every machine's ARN with the name of its definition."""
        variants = [
            (arn, name if name in DEPLOYED else "post_call") for name, arn in self._arns.items()
        ]
        return [(self.cloud.outputs[o], m) for m, o in DEPLOYED.items()] + variants

    def function(self, machine: str, state: str) -> str:
        """The ARN of the function behind a state."""
        found = self.cloud.stepfunctions.describe_state_machine(stateMachineArn=self._arns[machine])
        return str(json.loads(found["definition"])["States"][state]["Resource"])

    def start(
        self,
        given: ExecutionInput | dict[str, Any],
        *,
        variant: str = "post_call",
        case: str = "",
    ) -> str:
        """Start an execution, with a case of mocks.json where one is named; its ARN."""
        arn = self._arns[variant] + (f"#{case}" if case else "")
        reply = self.cloud.stepfunctions.start_execution(
            stateMachineArn=arn, name=str(uuid.uuid4()), input=json.dumps(given)
        )
        return str(reply["executionArn"])


def name_unknown_engine(definition: dict[str, Any]) -> None:
    """What the parameter SpeechEngine would do with a value that nobody has built yet."""
    definition["States"]["Prepare Call"]["Parameters"]["speech_engine"] = "none"


def time_out_soon(definition: dict[str, Any]) -> None:
    definition["TimeoutSeconds"] = 5


def call_input(
    recording: Recording | None = None,
    *,
    call_id: str = "",
    started: datetime | None = None,
    lease: timedelta = timedelta(hours=7),
    **changes: Any,
) -> ExecutionInput:
    """What on_recording_created gives an execution."""
    started = started or datetime.now(UTC)
    recording = recording or Recording("recordings", "recordings/any.wav", "any", 1000, "any")
    given: Any = {
        "call_id": call_id or recording.call_id,
        "attempt": 1,
        "recording": recording.object | changes,
        "created_at": format_time(started),
        "started_at": format_time(started),
        "lease_expires_at": format_time(started + lease),
    }
    return given  # type: ignore[no-any-return]


def mocked_input(**values: Any) -> ExecutionInput:
    """The input of a call that has no recording."""
    return call_input(call_id=any_call_id(), **values)


def write_mock_file() -> None:
    """The cases of mocks.json as Step Functions Local and the emulator read them.

    The emulator reads the file again when its whole-second modification time has changed.
    """
    config: dict[str, Any] = {"StateMachines": {}, "MockedResponses": {}}
    for machine in DEPLOYED:
        cases = {
            name: mock_case(machine, name, case, config["MockedResponses"])
            for name, case in MOCKS[machine]["cases"].items()
        }
        config["StateMachines"][machine] = {"TestCases": cases}
    config["StateMachines"]["impatient"] = config["StateMachines"]["post_call"]
    file = INSTANCE.mock_file
    before = file.stat().st_mtime if file.exists() else 0
    file.write_text(json.dumps(config, indent=2))
    changed = max(before + 2, time.time())
    os.utime(file, (changed, changed))


def mock_case(
    machine: str, name: str, case: dict[str, Any], responses: dict[str, Any]
) -> dict[str, str]:
    """One case's states, each with the name under which its responses are added."""
    answers = MOCKS[machine]["answers"]
    functions = function_states(machine)
    states = {}
    for state in answers if case["others"] == "mocked" else case["throws"]:
        throws = case["throws"].get(state, [])
        answer = answers[state]
        steps = {
            str(number): {"Throw": {"Error": error, "Cause": f"{error}, as the test wants it."}}
            for number, error in enumerate(throws)
        }
        # LocalStack takes the reply of the API, not the function's payload, for a Task that names
        # a function's ARN.
        value = {"StatusCode": 200, "Payload": answer} if state in functions else answer
        steps[f"{len(throws)}-{len(throws) + 9}"] = {"Return": value}
        states[state] = f"{machine}/{name}/{state}"
        responses[states[state]] = steps
    return states


def function_states(machine: str) -> set[str]:
    """The states that invoke a function."""
    return {
        name
        for scope in scopes(machine, machines()[machine])
        for name, state in scope.states.items()
        if state["Type"] == "Task" and state["Resource"].endswith("FunctionArn}")
    }
