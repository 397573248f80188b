"""Start the redrive that a person asked for through the API.

The API itself cannot: the state machine calls the API, and neither could be deployed before the
other. So it stores the run and publishes `RedriveRequested`.
"""

from os import environ
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from communications.redrives import batches_of, start_batches, start_once
from communications.redrives_table import get_run, update_run
from shared.events import Detail, RedriveRequested
from shared.observability import count, logger, step

STATE_MACHINE_ARN = environ["COMMUNICATIONS_REDRIVE_STATE_MACHINE_ARN"]
CANARY_STATE_MACHINE_ARN = environ["COMMUNICATIONS_CANARY_STATE_MACHINE_ARN"]


class Requested(BaseModel):
    """The event as EventBridge hands it over."""

    detail: Detail[RedriveRequested]


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    run_id = Requested.model_validate(event).detail.data.run_id
    run = get_run(run_id)
    if run is None or run["state"] not in ("REQUESTED", "RUNNING"):
        logger.warning("redrive not started", run_id=run_id, known=run is not None)
        return
    if run["canary"]:
        start_canary(run_id, run["state"])
    else:
        start_at_once(run_id, run["selection"])
    count("RedriveStarted")
    logger.info("redrive started", run_id=run_id, canary=run["canary"])


def start_canary(run_id: str, state: str) -> None:
    """Start the canary, which writes its end on the run: by then the run must be known to run."""
    if state == "REQUESTED":
        update_run(run_id, state="RUNNING")
    start_once(CANARY_STATE_MACHINE_ARN, run_id, {"run_id": run_id})


def start_at_once(run_id: str, selection: dict[str, str]) -> None:
    """Start all batches together; a run that finds nothing has finished."""
    batches = batches_of(run_id, 1, selection)
    start_batches(STATE_MACHINE_ARN, batches)
    update_run(
        run_id,
        state="RUNNING" if batches else "FINISHED",
        communications=sum(len(batch["communications"]) for batch in batches),
        batches=len(batches),
    )
