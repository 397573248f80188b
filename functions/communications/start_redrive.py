"""Redrive what has failed and another try can heal, on a schedule.

Failed communications are taken in batches of 20, one execution of `communications_redrive` each.
The run is named by the schedule's event, so the same event delivered again starts nothing new.
Runs that a person asked for, and whose event was lost, are started first.
"""

from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.redrives import batches_of, begin, start_batches, targets_of
from communications.redrives_table import create_run, page_of_runs
from shared.observability import count, logger, step
from shared.times import format_time, now

STATE_MACHINE_ARN = environ["COMMUNICATIONS_REDRIVE_STATE_MACHINE_ARN"]
CANARY_STATE_MACHINE_ARN = environ["COMMUNICATIONS_CANARY_STATE_MACHINE_ARN"]


class Output(TypedDict):
    run_id: str
    communications: int
    batches: int


@step
def handler(event: dict[str, Any], context: LambdaContext) -> Output:
    begin_forgotten_runs()
    run_id = f"scheduled-{event['id']}"
    batches = batches_of(run_id, 1, targets_of({}))
    if not batches:
        return {"run_id": run_id, "communications": 0, "batches": 0}
    number = sum(len(batch["communications"]) for batch in batches)
    create_run(
        run_id,
        {
            "started_at": format_time(now()),
            "started_by": "schedule",
            "selection": {},
            "canary": False,
            "state": "RUNNING",
            "communications": number,
        },
    )
    start_batches(STATE_MACHINE_ARN, batches)
    count("RedriveStarted")
    logger.info("redrive started", run_id=run_id, communications=number, batches=len(batches))
    return {"run_id": run_id, "communications": number, "batches": len(batches)}


def begin_forgotten_runs() -> None:
    for run in page_of_runs(50)[0]:
        if run["state"] == "REQUESTED":
            begin(STATE_MACHINE_ARN, CANARY_STATE_MACHINE_ARN, run)
