"""Queue again what has waited long enough, on a schedule: dead letters whose time has come, and
whatever was lost on the way, because a function ended between its write and its message.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import ValidationError

from communications.communications_table import change, overdue
from communications.outbox import enqueue
from communications.rules.communication import State
from communications.rules.lifecycle import queued_again
from shared.errors import TransientError
from shared.observability import count, logger, step
from shared.times import format_time, now

WAITING: tuple[State, ...] = ("DEAD_LETTER", "QUEUED", "SENDING")
MOST_AT_ONCE = 500
"""Of each state in one run; the schedule brings the next."""


class Output(TypedDict):
    overdue: int
    queued: int


@step
def handler(event: object, context: LambdaContext) -> Output:
    ids = [found for state in WAITING for found in overdue(state, format_time(now()), MOST_AT_ONCE)]
    queued = sum(requeue_or_log(communication_id) for communication_id in ids)
    if ids:
        count("CommunicationOverdue", len(ids))
        logger.info("overdue communications", overdue=len(ids), queued=queued)
    return {"overdue": len(ids), "queued": queued}


def requeue_or_log(communication_id: str) -> bool:
    """One that cannot be handled must not keep the others waiting; it is met again next time."""
    try:
        return requeue(communication_id)
    except (ClientError, LookupError, TransientError, ValidationError) as error:
        count("CommunicationStuck")
        logger.error(
            "overdue communication not handled",
            communication_id=communication_id,
            error=type(error).__name__,
        )
        return False


def requeue(communication_id: str) -> bool:
    """Apply what being overdue means to one communication; True where it was queued."""
    after = change(communication_id, lambda current: queued_again(current, now()))
    if after is None or after.state != "QUEUED":
        return False
    enqueue(after, "schedule")
    return True
