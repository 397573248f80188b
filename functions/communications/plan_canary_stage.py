"""Choose what the next stage of a canary redrives: one, then ten, then the rest."""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.redrives import batches_of, targets_of
from communications.redrives_table import Batch, get_run
from communications.rules.canary import size_of
from shared.errors import RedriveUnknown
from shared.observability import step


class Input(TypedDict):
    """`stage` counts from 1."""

    run_id: str
    stage: int


class Output(TypedDict):
    stage: int
    communications: int
    batches: list[Batch]


@step
def handler(event: Input, context: LambdaContext) -> Output:
    run_id, stage = event["run_id"], event["stage"]
    run = get_run(run_id)
    if run is None:
        raise RedriveUnknown("There is no run with this id.")
    batches = batches_of(run_id, stage, targets_of(run["selection"]), size_of(stage))
    return {
        "stage": stage,
        "communications": sum(len(batch["communications"]) for batch in batches),
        "batches": batches,
    }
