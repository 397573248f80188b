"""Creates the state machines at an engine under the names that the mock file has for them:
`python -m tests.mocked.load http://127.0.0.1:8083` prints their ARNs.
"""

import json
import sys
from collections.abc import Mapping

from local.cloud.deployment import client
from tests.asl import machines
from tests.mocked.definitions import definition_for
from tests.mocked.engines import Engine, engine_at
from tests.mocked.generate import CASES
from tests.unit.template import ACCOUNT


def create_all(engine: Engine, endpoint: str) -> dict[str, str]:
    """Create or update every machine, and those with other parameters that cases need; the ARN of
    each by its name.
    """
    wanted: dict[str, tuple[str, Mapping[str, str]]] = {name: (name, {}) for name in machines()}
    wanted |= {case.created_as: (case.machine, case.parameters) for case in CASES}
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


if __name__ == "__main__":
    [there] = sys.argv[1:]
    for arn in create_all(engine_at(there), there).values():
        sys.stdout.write(f"{arn}\n")
