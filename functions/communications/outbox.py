"""The queue of what is to be sent."""

import os

from communications.rules.communication import Communication
from communications.rules.lifecycle import LONGEST_DELAY_SECONDS
from communications.rules.queue_messages import message_body
from shared.clients import sqs, transient_failures
from shared.times import format_time, now, parse_time

QUEUE_URL = os.environ["COMMUNICATIONS_QUEUE_URL"]


def enqueue(communication: Communication, by: str) -> None:
    """Have a communication sent, not before its time. A message too many does no harm."""
    wait = (parse_time(communication.not_before) - now()).total_seconds()
    with transient_failures():
        sqs().send_message(
            QueueUrl=QUEUE_URL,
            MessageBody=message_body(
                communication.communication_id, communication.channel, by, format_time(now())
            ),
            DelaySeconds=max(0, min(LONGEST_DELAY_SECONDS, round(wait + 0.5))),
        )
