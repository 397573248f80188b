"""Decide by what came of a canary's stage whether the rest is redriven."""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.redrives_table import get_batches, report_of_batches
from communications.rules.canary import Judgement, judge
from communications.rules.redrive_outcomes import text_of
from shared.observability import logger, step


class Input(TypedDict):
    run_id: str
    stage: int


@step
def handler(event: Input, context: LambdaContext) -> Judgement:
    every_stage = get_batches(event["run_id"])
    batches = [batch for batch in every_stage if int(batch["stage"]) == event["stage"]]
    broken = sum(batch["state"] != "FINISHED" for batch in batches)
    judgement = judge(event["stage"], report_of_batches(batches), broken)
    so_far = text_of(report_of_batches(every_stage), "All stages")
    logger.info("canary stage judged", run_id=event["run_id"], verdict=judgement["verdict"])
    return {**judgement, "text": f"{judgement['text']}\n{so_far}"}
