"""Writes MockConfigFile.json from the cases: `make mock-config`."""

import json
import re
from pathlib import Path
from typing import Any

from tests.mocked import communications, post_call, replication, tickets
from tests.mocked.case import Case

FILE = Path(__file__).parent / "MockConfigFile.json"
DOMAINS = (post_call, communications, replication, tickets)
CASES: list[Case] = [case for domain in DOMAINS for case in domain.CASES]
GIVEN = {machine: given for domain in DOMAINS for machine, given in domain.GIVEN.items()}


def mock_config() -> dict[str, Any]:
    """All cases in the form that LocalStack and Step Functions Local read; what a state answers in
    most cases is there once.
    """
    machines: dict[str, Any] = {}
    responses: dict[str, Any] = {}
    for case in CASES:
        usual = Case(case.machine, "usual", path="").responses()
        states = machines.setdefault(case.created_as, {"TestCases": {}})["TestCases"]
        states[case.name] = {}
        for state, response in case.responses().items():
            owner = case.machine if response == usual[state] else f"{case.machine}.{case.name}"
            name = f"{owner}.{re.sub(r'\W', '_', state.lower())}"
            states[case.name][state] = name
            responses[name] = response
    return {"StateMachines": machines, "MockedResponses": responses}


def text() -> str:
    return json.dumps(mock_config(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
