"""Send what the queue names, at most once as its recipient sees it.

Before the provider is called the communication is claimed: whoever finds the claim later knows
that a message may have gone out. What passes comes back to the queue with a growing delay, as a
message of its own: SQS counts deliveries also where Lambda is throttled, so tries are counted on
the record. Messages that mean nothing go to the dead-letter queue with the reason.
"""

import os
import random
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.communications_table import change, get, replace
from communications.dead_letters import put_aside
from communications.outbox import enqueue
from communications.providers import obstacle_to, send
from communications.rules.communication import Communication
from communications.rules.lifecycle import Limits, abandoned, after_send, claimed, read
from communications.rules.queue_messages import (
    MessageRejected,
    SendMessage,
    check_channel,
    parse_message,
)
from communications.rules.send_outcomes import Accepted, Outcome
from shared.errors import TransientError
from shared.observability import batch_item, count, logger, step
from shared.times import now

LIMITS = Limits(
    tries=int(os.environ["SEND_TRIES"]),
    base_seconds=int(os.environ["RETRY_BASE_SECONDS"]),
    dead_letter_seconds=int(os.environ["DEAD_LETTER_SECONDS"]),
)
SLOWEST_SEND_MILLISECONDS = 25_000
"""Nothing is claimed with less time left: its claim would outlive this function."""

_processor = BatchProcessor(event_type=EventType.SQS)


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(
        event, lambda record: handle(record, context), _processor, context
    )


@batch_item
def handle(record: SQSRecord, context: LambdaContext) -> None:
    """Do what one message asks for, as far as its communication's state still asks for it."""
    try:
        message, communication = understood(record.body)
    except MessageRejected as error:
        put_aside(record.body, str(error))
        return
    moment = now()
    match read(communication, record.message_id, moment):
        case "early":
            enqueue(communication, message.created_by)
        case "lost":
            if replace(communication, abandoned(communication, moment)):
                tell(communication, "WorkerLost")
        case "claim":
            obstacle = obstacle_to(communication)
            check_time_left(context)
            claim = claimed(communication, record.message_id, now())
            if replace(communication, claim):
                conclude(claim, obstacle or send(claim), message.created_by)
        case "taken" | "settled":
            count("DuplicateMessage")


def understood(body: str) -> tuple[SendMessage, Communication]:
    """The message, and the communication that it names."""
    message = parse_message(body)
    communication = get(message.primary_id)
    if communication is None:
        raise MessageRejected("there is no communication with this primaryId")
    check_channel(message, communication.channel)
    return message, communication


def conclude(claim: Communication, outcome: Outcome, created_by: str) -> None:
    """Record what came of a send, and queue it again where it is to be tried again."""
    if isinstance(outcome, Accepted):  # Here first: should the record fail, it is all there is.
        logger.info(
            "provider accepted",
            communication_id=claim.communication_id,
            provider_message_id=outcome.provider_message_id,
        )
    jitter = random.random()  # noqa: S311 - spreads load, hides nothing
    after = change(
        claim.communication_id,
        lambda current: after_send(current, claim.attempts, outcome, now(), LIMITS, jitter),
    )
    if after is None:
        return
    if after.state == "QUEUED":
        enqueue(after, created_by)
    tell(after, type(outcome).__name__)


def check_time_left(context: LambdaContext) -> None:
    if context.get_remaining_time_in_millis() < SLOWEST_SEND_MILLISECONDS:
        raise TransientError("NoTimeLeft", "the message waits for another invocation")


def tell(communication: Communication, outcome: str) -> None:
    count(f"Send{outcome}")
    logger.info(
        "communication handled",
        communication_id=communication.communication_id,
        outcome=outcome,
        error=communication.error,
    )
