"""Decide by what came of a canary's stage whether the rest is redriven."""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.redrives_table import get_batches, report_of_batches
from communications.rules.canary import Judgement, judge
from shared.observability import logger, step


class Input(TypedDict):
    run_id: str
    stage: int


@step
def handler(event: Input, context: LambdaContext) -> Judgement:
    batches = [b for b in get_batches(event["run_id"]) if int(b["stage"]) == event["stage"]]
    broken = sum(batch["state"] != "FINISHED" for batch in batches)
    judgement = judge(event["stage"], report_of_batches(batches), broken)
    logger.info("canary stage judged", run_id=event["run_id"], verdict=judgement["verdict"])
    return judgement
