"""The deployed state machines for tests: started directly, with mocked states, or as variants.

A variant is the deployed definition under a name of its own, so that what a test starts takes no
place from what comes through the front door. An additional rule leads the end of its executions to
the same target as the template's rule does for the deployed machine. What a machine is given, and
how a variant of it differs, is the business of its domain's module beside this one.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.asl import machines
from tests.cloud import INSTANCE, TestCloud
from tests.mocks import MOCKS, function_states, response

DEPLOYED = {machine: f"{machine.title().replace('_', '')}StateMachineArn" for machine in machines()}
"""Every machine with the stack's output that has its ARN."""

_RULE_PREFIX = "ended-variants-"

type Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Variant:
    """A machine's definition with a change to it."""

    machine: str
    change: Change = lambda definition: None


@dataclass
class Machines:
    """Starts executions of the variants, and remembers all machines for the coverage.

    Every machine has a variant of its own name that changes nothing.
    """

    cloud: TestCloud
    variants: Mapping[str, Variant]
    _arns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.variants = {machine: Variant(machine) for machine in DEPLOYED} | dict(self.variants)
        write_mock_file(self.variants)
        pages = self.cloud.stepfunctions.get_paginator("list_state_machines").paginate()
        existing = {found["name"] for page in pages for found in page["stateMachines"]}
        for name, variant in self.variants.items():
            self._arns[name] = self._make(name, variant, name in existing)
        self._record_ends()

    def _make(self, name: str, variant: Variant, exists: bool) -> str:
        """Create or update a variant; its ARN."""
        deployed = self.cloud.stepfunctions.describe_state_machine(
            stateMachineArn=self.deployed(variant.machine)
        )
        definition = json.loads(deployed["definition"])
        variant.change(definition)
        text = json.dumps(definition)
        if exists:
            arn = deployed["stateMachineArn"].rpartition(":")[0] + f":{name}"
            self.cloud.stepfunctions.update_state_machine(stateMachineArn=arn, definition=text)
            return str(arn)
        created = self.cloud.stepfunctions.create_state_machine(
            name=name, definition=text, roleArn=deployed["roleArn"]
        )
        return str(created["stateMachineArn"])

    def _record_ends(self) -> None:
        """Beside each rule on the ends of deployed machines one on the ends of their variants."""
        for rule in self.cloud.events.list_rules()["Rules"]:
            pattern = json.loads(rule.get("EventPattern", "{}"))
            watched = pattern.get("detail", {}).get("stateMachineArn", [])
            if not watched or rule["Name"].startswith(_RULE_PREFIX):
                continue
            pattern["detail"]["stateMachineArn"] = [
                self._arns[name]
                for name, variant in self.variants.items()
                if self.deployed(variant.machine) in watched
            ]
            name = f"{_RULE_PREFIX}{rule['Name']}"[:64]
            targets = self.cloud.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            self.cloud.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
            self.cloud.events.put_targets(Rule=name, Targets=targets)

    def deployed(self, machine: str) -> str:
        """The ARN of the machine that the template made."""
        return self.cloud.outputs[DEPLOYED[machine]]

    def all(self) -> list[tuple[str, str]]:
        """Every machine's ARN with the name of its definition."""
        variants = [(arn, self.variants[name].machine) for name, arn in self._arns.items()]
        return [(self.deployed(machine), machine) for machine in DEPLOYED] + variants

    def function(self, machine: str, state: str) -> str:
        """The ARN of the function behind a state."""
        found = self.cloud.stepfunctions.describe_state_machine(stateMachineArn=self._arns[machine])
        return str(json.loads(found["definition"])["States"][state]["Resource"])

    def start(self, variant: str, given: Mapping[str, Any], *, case: str = "") -> str:
        """Start an execution, with a case of mocks.json where one is named; its ARN."""
        arn = self._arns[variant] + (f"#{case}" if case else "")
        reply = self.cloud.stepfunctions.start_execution(
            stateMachineArn=arn, name=str(uuid.uuid4()), input=json.dumps(given)
        )
        return str(reply["executionArn"])


def write_mock_file(variants: Mapping[str, Variant]) -> None:
    """The cases of mocks.json as Step Functions Local and the emulator read them.

    The emulator reads the file again when its whole-second modification time has changed.
    """
    responses: dict[str, Any] = {}
    cases = {
        machine: {
            "TestCases": {
                name: mock_case(machine, name, case, responses)
                for name, case in MOCKS.get(machine, {}).get("cases", {}).items()
            }
        }
        for machine in DEPLOYED
    }
    by_variant = {name: cases[variant.machine] for name, variant in variants.items()}
    file = INSTANCE.mock_file
    before = file.stat().st_mtime if file.exists() else 0
    config = {"StateMachines": by_variant, "MockedResponses": responses}
    file.write_text(json.dumps(config, indent=2))
    changed = max(before + 2, time.time())
    os.utime(file, (changed, changed))


def mock_case(
    machine: str, name: str, case: dict[str, Any], responses: dict[str, Any]
) -> dict[str, str]:
    """One case's states, each with the name under which its responses are added."""
    answers = MOCKS[machine]["answers"] | case.get("answers", {})
    functions = function_states(machine)
    states = {}
    for state in answers if case["others"] == "mocked" else case["throws"]:
        states[state] = f"{machine}/{name}/{state}"
        responses[states[state]] = response(
            answers[state], case["throws"].get(state, []), of_function=state in functions
        )
    return states
