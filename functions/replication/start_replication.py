"""Replicate the month that begins, for all entities, on a schedule.

The replication is identified by its period, so the same event delivered again starts nothing new.
"""

from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.requesting import request_replication
from replication.rules.periods import Period
from shared.observability import logger, step
from shared.times import parse_time


class Output(TypedDict):
    replication_id: str


@step
def handler(event: dict[str, Any], context: LambdaContext) -> Output:
    period = str(Period.of(parse_time(event["time"]).date()))
    replication = request_replication(period, None, "schedule")
    logger.info("replication requested", replication_id=replication.replication_id)
    return {"replication_id": replication.replication_id}
