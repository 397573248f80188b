"""Start workers: for the next batches, and for batches whose workers have gone.

A batch is taken up in the table first, under the number of the attempt, and its execution is named
by both: so whatever is done twice starts once, and where the step broke off in between it goes on.
Some are started at a time, because a beat that takes long leaves the quota unused.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.replications_table import get_batch, get_service, start_batch, update_service
from replication.rules.replication import Again, Batch, Service, worker_name
from shared.clients import stepfunctions
from shared.errors import TransientError
from shared.executions import start_once
from shared.observability import count, logger, step
from shared.times import format_time, now

STATE_MACHINE_ARN = environ["REPLICATION_WORKER_STATE_MACHINE_ARN"]

AT_ONCE = 8
"""How many workers are started at a time."""


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
    service = get_service(event["replication_id"], event["provider"])
    if service is None or service.run != event["run"]:
        return {"started": 0}
    last = min(service.started + event["new"], service.batches)
    new = [Again(batch=number, attempt=0) for number in range(service.started + 1, last + 1)]
    started = 0
    stepfunctions()  # A client may be used by all threads, but not be made by two.
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some in batched([*event["again"], *new], AT_ONCE, strict=False):
                started += len(list(pool.map(partial(start, service), some)))
                begun = [one["batch"] for one in some if one["attempt"] == 0]
                if begun and not update_service(service, started=begun[-1]):
                    break  # Another run has the service by now; it goes on.
    except TransientError as error:
        # What is not started is left to the next beat: it must not wait for a retry of this one.
        count("StartLeftToNextBeat")
        logger.warning("not all workers started", provider=service.provider, error=error.code)
    return {"started": started}


def start(service: Service, over: Again) -> None:
    """Take a batch up after its last attempt and start its worker; one that was begun before stays
    the only one.
    """
    last_attempt = over["attempt"]
    batch = get_batch(service.replication_id, service.provider, over["batch"])
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
