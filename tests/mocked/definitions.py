"""Creates the state machines at an engine under the names that the mock file has for them.

What the template would substitute is filled in: parameters with their defaults, resources with
ARNs of nobody. What makes a path wait is set to a second.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from local.cloud.deployment import client
from tests.asl import FOLDER, machines
from tests.mocked.case import Case
from tests.mocked.engines import Engine
from tests.unit.template import ACCOUNT, template

HURRIED = {"PulseSeconds": "1", "RedrivePulseSeconds": "1"}


def definition_for(
    engine: Engine, machine: str, parameters: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A machine's definition with all substitutions, as the engine can run its mocked paths."""
    file = FOLDER / f"{machine}.asl.json"
    values = _substitutions(f"statemachine/{file.name}") | HURRIED | dict(parameters or {})
    text = re.sub(r"\$\{(\w+)\}", lambda match: str(values[match[1]]), file.read_text())
    return engine.rewritten(machine, text)


def create_all(engine: Engine, endpoint: str, cases: list[Case]) -> dict[str, str]:
    """Create or update every machine, and those with other parameters that cases need; the ARN of
    each by its name.
    """
    wanted = {machine: (machine, {}) for machine in machines()}
    wanted |= {case.created_as: (case.machine, dict(case.parameters)) for case in cases}
    stepfunctions = client("stepfunctions", endpoint)
    pages = stepfunctions.get_paginator("list_state_machines").paginate()
    arns = {
        found["name"]: found["stateMachineArn"] for page in pages for found in page["stateMachines"]
    }
    for name, (machine, parameters) in wanted.items():
        text = json.dumps(definition_for(engine, machine, parameters))
        if name in arns:
            stepfunctions.update_state_machine(stateMachineArn=arns[name], definition=text)
        else:
            arns[name] = stepfunctions.create_state_machine(
                name=name, definition=text, roleArn=f"arn:aws:iam::{ACCOUNT}:role/nobodys"
            )["stateMachineArn"]
    return {name: arns[name] for name in wanted}


def _substitutions(uri: str) -> dict[str, Any]:
    declared = template().of_type("AWS::Serverless::StateMachine").values()
    [found] = [machine for machine in declared if machine["DefinitionUri"] == uri]
    resolved: dict[str, Any] = template().resolve(found["DefinitionSubstitutions"])
    return resolved
