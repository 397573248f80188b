"""Starting a run's batches: each is an execution of `communications_redrive`, named by run and
number, so that starting twice starts once.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import batched, islice
from typing import Any

from communications.communications_table import every
from communications.redrives_table import (
    Batch,
    Target,
    as_batch,
    create_batches,
    get_batches,
    page_of_runs,
    update_run,
)
from communications.rules.clusters import NO_TEMPLATE, belongs
from shared.errors import TransientError
from shared.executions import start_once
from shared.times import format_time, now

MOST_REDRIVES = int(os.environ["MOST_REDRIVES"])
MOST_BATCHES = int(os.environ["MOST_BATCHES"])
BATCH_SIZE = 20
CANARY_RESPITE_HOURS = 24
"""For so long the schedule leaves alone what a canary was started for, unless it has healed it."""

HEALED_BY_ITSELF = ("transient", "throttled")
"""Classes of failures that another try can heal without anybody having mended anything."""


def begin(state_machine_arn: str, canary_state_machine_arn: str, run: Mapping[str, Any]) -> None:
    """Start a run that was requested. What is done already is not done again."""
    run_id = str(run["run_id"])
    if run["canary"]:
        update_run(run_id, state="RUNNING")
        start_once(canary_state_machine_arn, run_id, {"run_id": run_id})
        return
    batches = batches_of(run_id, 1, targets_of(run["selection"]))
    number = sum(len(batch["communications"]) for batch in batches)
    state = "RUNNING" if batches else "FINISHED"
    update_run(run_id, state=state, communications=number)
    start_batches(state_machine_arn, batches)


def targets_of(selection: Mapping[str, str]) -> Iterator[Target]:
    """What a run redrives, the oldest first: the failed that have the selection's values and were
    not redriven too often. With no selection, those that another try can heal and that no canary is
    about to find out about.
    """
    stored = {name: value for name, value in selection.items() if value != NO_TEMPLATE}
    watched = [] if selection else watched_by_canaries()
    for failure in every("FAILED", equal=stored):
        wanted = belongs(failure, selection) if selection else is_healed_by_itself(failure)
        watches = any(belongs(failure, values) for values in watched)
        if wanted and not watches and int(failure["redrives"]) < MOST_REDRIVES:
            yield {
                "communication_id": str(failure["communication_id"]),
                "version": int(failure["version"]),
            }


def is_healed_by_itself(failure: Mapping[str, Any]) -> bool:
    return failure["error_class"] in HEALED_BY_ITSELF


def watched_by_canaries() -> list[dict[str, str]]:
    """The selections of canaries that run, or that ended otherwise than well not long ago."""
    since = format_time(now() - timedelta(hours=CANARY_RESPITE_HOURS))
    return [
        run["selection"]
        for run in page_of_runs(50)[0]
        if run["canary"]
        and run["selection"]
        and run["state"] != "FINISHED"
        and run["started_at"] > since
    ]


def batches_of(
    run_id: str, stage: int, targets: Iterable[Target], size: int | None = None
) -> list[Batch]:
    """Store a stage's batches and give them; the stage's own where it has been here before.

    What an earlier stage of the run has redriven is left out, whatever came of it.
    """
    stored = [(int(batch["stage"]), as_batch(batch)) for batch in get_batches(run_id)]
    own = [batch for of_stage, batch in stored if of_stage == stage]
    if own:
        return own
    seen = {one["communication_id"] for _, batch in stored for one in batch["communications"]}
    new = (one for one in targets if one["communication_id"] not in seen)
    most = MOST_BATCHES * BATCH_SIZE
    chosen = islice(new, most if size is None else min(size, most))
    made: list[Batch] = [
        {"run_id": run_id, "batch": len(stored) + number, "communications": list(some)}
        for number, some in enumerate(batched(chosen, BATCH_SIZE, strict=False), 1)
    ]
    if not made or create_batches(made, stage):
        return made
    raise TransientError("Conflict", "another invocation is planning the same stage")


def start_batches(state_machine_arn: str, batches: Iterable[Batch]) -> None:
    """Start an execution for each batch that has none."""
    for batch in batches:
        start_once(
            state_machine_arn, f"{batch['run_id']}-{batch['batch']}", {**batch, "tell": True}
        )
