"""Start workers: for the next batches, and for batches whose workers have gone.

A batch is taken up in the table first, under the number of the attempt, and its execution is named
by both: so whatever is done twice starts once, and where the step broke off in between it goes on.
"""

from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.replications_table import get_batch, get_service, start_batch, update_service
from replication.rules.replication import Again, Batch, worker_name
from shared.errors import TransientError
from shared.executions import start_once
from shared.observability import count, logger, step
from shared.times import format_time, now

STATE_MACHINE_ARN = environ["REPLICATION_WORKER_STATE_MACHINE_ARN"]


class Input(TypedDict):
    replication_id: str
    provider: str
    run: int
    new: int
    """For how many further batches."""
    again: list[Again]
    """Batches to be taken up again."""


class Output(TypedDict):
    started: int


@step
def handler(event: Input, context: LambdaContext) -> Output:
    replication_id, provider = event["replication_id"], event["provider"]
    service = get_service(replication_id, provider)
    if service is None or service.run != event["run"]:
        return {"started": 0}
    started = 0
    try:
        for over in event["again"]:
            start_worker(get_batch(replication_id, provider, over["batch"]), over["attempt"])
            started += 1
        last = min(service.started + event["new"], service.batches)
        for number in range(service.started + 1, last + 1):
            start_worker(get_batch(replication_id, provider, number), 0)
            started += 1
            if not update_service(service, started=number):
                break  # Another run has the service by now; it goes on.
    except TransientError as error:
        # What is not started is left to the next beat: it must not wait for a retry of this one.
        count("StartLeftToNextBeat")
        logger.warning("not all workers started", provider=provider, error=error.code)
    return {"started": started}


def start_worker(batch: Batch, last_attempt: int) -> None:
    """Take a batch up after its last attempt and start its worker; one that was begun before stays
    the only one.
    """
    taken: Batch | None = batch
    if batch.attempt == last_attempt:
        taken = start_batch(batch, format_time(now()))
    if taken is None or taken.open is None or taken.attempt != last_attempt + 1:
        return
    given: dict[str, Any] = {
        "replication_id": taken.replication_id,
        "provider": taken.provider,
        "batch": taken.batch,
        "attempt": taken.attempt,
    }
    start_once(STATE_MACHINE_ARN, worker_name(**given), given)
