"""Starting a run's batches: each is an execution of `communications_redrive`, named by run and
number, so that starting twice starts once.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import batched, islice
from typing import Any

from botocore.exceptions import ClientError

from communications.communications_table import every
from communications.redrives_table import Batch, Target, as_batch, create_batch, get_batches
from communications.rules.clusters import NO_TEMPLATE, belongs
from shared.clients import error_code, stepfunctions, transient_failures

MOST_REDRIVES = int(os.environ["MOST_REDRIVES"])
MOST_BATCHES = int(os.environ["MOST_BATCHES"])
BATCH_SIZE = 20

HEALED_BY_ITSELF: tuple[dict[str, str], ...] = (
    {"error_class": "transient"},
    {"error_class": "throttled"},
)
"""Failures that another try can heal without anybody having mended anything."""


def targets_of(selection: Mapping[str, str]) -> Iterator[Target]:
    """What a run redrives, the oldest first: the failed that have the selection's values and were
    not redriven too often. With no selection, those that another try can heal.
    """
    selections = [selection] if selection else HEALED_BY_ITSELF
    for one in selections:
        stored = {name: value for name, value in one.items() if value != NO_TEMPLATE}
        for failure in every("FAILED", equal=stored):
            if belongs(failure, one) and int(failure["redrives"]) < MOST_REDRIVES:
                yield {
                    "communication_id": str(failure["communication_id"]),
                    "version": int(failure["version"]),
                }


def batches_of(
    run_id: str, stage: int, selection: Mapping[str, str], size: int | None = None
) -> list[Batch]:
    """Store a stage's batches and give them; the stage's own where it has been here before.

    What an earlier stage of the run has redriven is left out, whatever came of it.
    """
    stored = [(int(batch["stage"]), as_batch(batch)) for batch in get_batches(run_id)]
    own = [batch for of_stage, batch in stored if of_stage == stage]
    if own:
        return own
    seen = {one["communication_id"] for _, batch in stored for one in batch["communications"]}
    new = (one for one in targets_of(selection) if one["communication_id"] not in seen)
    most = MOST_BATCHES * BATCH_SIZE
    targets = islice(new, most if size is None else min(size, most))
    made: list[Batch] = [
        {"run_id": run_id, "batch": len(stored) + number, "communications": list(some)}
        for number, some in enumerate(batched(targets, BATCH_SIZE, strict=False), 1)
    ]
    for batch in made:
        create_batch(batch, stage)
    return made


def start_batches(state_machine_arn: str, batches: Iterable[Batch]) -> None:
    """Start an execution for each batch that has none."""
    for batch in batches:
        start_once(
            state_machine_arn, f"{batch['run_id']}-{batch['batch']}", {**batch, "tell": True}
        )


def start_once(state_machine_arn: str, name: str, given: Mapping[str, Any]) -> None:
    """Start an execution unless there is one of this name."""
    try:
        with transient_failures():
            stepfunctions().start_execution(
                stateMachineArn=state_machine_arn, name=name, input=json.dumps(given)
            )
    except ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
