"""The definitions of the state machines as an engine can run their mocked paths.

What the template would substitute is filled in: parameters with their defaults, resources with
ARNs of nobody. What makes a path wait is set to a second.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.asl import FOLDER
from tests.mocked.engines import Engine
from tests.unit.template import template

HURRIED = {"RedrivePulseSeconds": "1"}


def definition_for(
    engine: Engine, machine: str, parameters: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A machine's definition with all substitutions, as the engine can run its mocked paths."""
    file = FOLDER / f"{machine}.asl.json"
    values = _substitutions(f"statemachine/{file.name}") | HURRIED | dict(parameters or {})
    text = re.sub(r"\$\{(\w+)\}", lambda match: str(values[match[1]]), file.read_text())
    return engine.rewritten(machine, text)


def _substitutions(uri: str) -> dict[str, Any]:
    declared = template().of_type("AWS::Serverless::StateMachine").values()
    [found] = [machine for machine in declared if machine["DefinitionUri"] == uri]
    resolved: dict[str, Any] = template().resolve(found["DefinitionSubstitutions"])
    return resolved
