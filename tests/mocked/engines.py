"""The engines on which mocked paths run, and what has to be different on each."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ConnectionError as NotConnected
from botocore.exceptions import HTTPClientError

from local.cloud import emulator
from local.cloud.client import wait_until
from local.cloud.deployment import client
from tests.asl import Scope, scopes
from tests.mocked.case import Case

LOCALSTACK = "LocalStack"
STEP_FUNCTIONS_LOCAL = "Step Functions Local"
SECONDS_TO_START = 60.0

type Rewrite = Callable[[Scope], None]


@dataclass(frozen=True)
class Engine:
    """An engine, how definitions are rewritten for it, and the ways nobody can take on it, with
    the reason.
    """

    name: str
    rewrites: tuple[Rewrite, ...]
    untakable: Mapping[str, str]

    def takes(self, cases: Iterable[Case]) -> list[Case]:
        return [case for case in cases if self.name not in case.cannot]

    def rewritten(self, machine: str, text: str) -> dict[str, Any]:
        """A definition as this engine can run its mocked paths."""
        definition: dict[str, Any] = json.loads(text)
        for scope in list(scopes(machine, definition)):
            for rewrite in self.rewrites:
                rewrite(scope)
        return definition


def hurry_retries(scope: Scope) -> None:
    """Wait a second before each retry, whichever it is: that many are made is what counts here."""
    for state in scope.states.values():
        for retrier in state.get("Retry", []):
            retrier |= {"IntervalSeconds": 1, "BackoffRate": 1}
            del retrier["MaxDelaySeconds"], retrier["JitterStrategy"]


def leave_names_of_errors_alone(scope: Scope) -> None:
    """Call DynamoDB by the AWS SDK: of its own integration, LocalStack 4.14.0 gives every mocked
    error the name DynamoDB.AmazonDynamoDBException.
    """
    for state in scope.states.values():
        if "Resource" in state:
            state["Resource"] = re.sub(
                "^(arn:aws:states:::)(dynamodb:)", r"\1aws-sdk:\2", state["Resource"]
            )


def spell_maps_as_of_old(scope: Scope) -> None:
    """Step Functions Local 2.0.0 fails to parse an ItemProcessor when an execution starts. Whether
    it reads a MaxConcurrencyPath is not known, and all the same here.
    """
    for state in scope.states.values():
        if state["Type"] == "Map":
            state["Iterator"] = state.pop("ItemProcessor")
            state["Iterator"].pop("ProcessorConfig")
            state.pop("MaxConcurrencyPath", None)


_RUNTIME_ERRORS = "only States.Runtime ends this Map, and no Catch may meet that"
ENGINES = {
    LOCALSTACK: Engine(
        LOCALSTACK,
        (hurry_retries, leave_names_of_errors_alone),
        {
            "ticket: Work On Case -> Review Case (Catch[0])": (
                "it meets States.Timeout, and no mocked error may have such a name;"
                " tests/workflow has a real one"
            )
        },
    ),
    STEP_FUNCTIONS_LOCAL: Engine(
        STEP_FUNCTIONS_LOCAL,
        (hurry_retries, spell_maps_as_of_old),
        {
            "communications_canary: Redrive Stage -> Record Failure (Catch[0])": _RUNTIME_ERRORS,
            "communications_redrive: Retry Communications -> Record Failure (Catch[0])": (
                _RUNTIME_ERRORS
            ),
        },
    ),
}


def engine_at(endpoint: str) -> Engine:
    """The engine at an endpoint, once it answers."""

    def answers() -> bool | None:
        try:
            client("stepfunctions", endpoint).list_state_machines()
        except (NotConnected, HTTPClientError):
            return None
        return True

    wait_until(answers, SECONDS_TO_START, f"an answer of {endpoint}")
    # Only LocalStack has a path of that name.
    return ENGINES[STEP_FUNCTIONS_LOCAL if emulator.health(endpoint) is None else LOCALSTACK]
