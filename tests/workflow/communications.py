"""What tests give the machines of communications, and their variants."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.items import to_attributes
from shared.times import format_time
from tests.communications import Communications
from tests.workflow.machines import Machines, Variant

NESTED = "broken_redrive"


def wait_long(definition: dict[str, Any]) -> None:
    definition["States"]["Prepare Redrive"]["Parameters"]["pulse_seconds"] = 600


def time_out_while_waiting(definition: dict[str, Any]) -> None:
    wait_long(definition)
    time_out_soon(definition)


def time_out_soon(definition: dict[str, Any]) -> None:
    definition["TimeoutSeconds"] = 4


def have_no_patience(definition: dict[str, Any]) -> None:
    """What the parameter RedrivePatienceSeconds would do with 0."""
    definition["States"]["Prepare Redrive"]["Parameters"]["patience_seconds"] = 0


def collect_without_patience(definition: dict[str, Any]) -> None:
    """A definition that no longer fits its function."""
    del definition["States"]["Collect Outcomes"]["Parameters"]["patience_seconds.$"]


def nest_the_broken_one(definition: dict[str, Any]) -> None:
    stage = definition["States"]["Redrive Stage"]["ItemProcessor"]
    parameters = stage["States"]["Redrive Batch"]["Parameters"]
    prefix = parameters["StateMachineArn"].rpartition(":")[0]
    parameters["StateMachineArn"] = f"{prefix}:{NESTED}"


VARIANTS = {
    "waiting_redrive": Variant("communications_redrive", wait_long),
    "impatient_redrive": Variant("communications_redrive", time_out_while_waiting),
    "no_patience": Variant("communications_redrive", have_no_patience),
    NESTED: Variant("communications_redrive", collect_without_patience),
    "impatient_canary": Variant("communications_canary", time_out_soon),
    "fragile_canary": Variant("communications_canary", nest_the_broken_one),
}


def store_run(
    communications: Communications, *, canary: bool = False, **selection: str
) -> dict[str, Any]:
    """Store a run as the API does; the input of a canary."""
    run_id = uuid.uuid4().hex
    _store(
        communications,
        {
            "run_id": run_id,
            "item": "run",
            "kind": "run",
            "started_at": format_time(datetime.now(UTC)),
            "started_by": "olga",
            "selection": selection,
            "canary": canary,
            "state": "RUNNING",
        },
    )
    return {"run_id": run_id}


def store_batch(
    communications: Communications, ids: Sequence[str], *, tell: bool = True
) -> dict[str, Any]:
    """Store a run with one batch; the input of a redrive."""
    run_id = store_run(communications)["run_id"]
    batch: dict[str, Any] = {
        "run_id": run_id,
        "batch": 1,
        "communications": [
            {"communication_id": one, "version": version_of(communications, one)} for one in ids
        ],
    }
    _store(communications, {**batch, "item": "batch#00001", "stage": 1, "state": "RUNNING"})
    return {**batch, "tell": tell}


def version_of(communications: Communications, communication_id: str) -> int:
    """The version that a list shows; 1 of what is in none."""
    reply = communications.ask("GET", f"/{communication_id}")
    return int(reply.json()["version"]) if reply.ok else 1


def _store(communications: Communications, values: dict[str, Any]) -> None:
    communications.cloud.dynamodb.put_item(
        TableName=communications.cloud.outputs["RedrivesTableName"], Item=to_attributes(values)
    )


@dataclass
class StartedRuns:
    """The runs that a suite has started so far, by names of its own, and the messages of each."""

    communications: Communications
    ids: dict[str, list[str]] = field(default_factory=dict)
    run_ids: dict[str, str] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)

    def start(
        self, machines: Machines, name: str, variant: str, given: dict[str, Any], case: str = ""
    ) -> None:
        """Start an execution of a stored run or batch directly."""
        self.run_ids[name] = given["run_id"]
        self.arns[name] = machines.start(variant, given, case=case)

    def ended(self, name: str) -> dict[str, Any]:
        """A run, once it has ended."""
        return self.communications.run_ended(self.run_ids[name])
