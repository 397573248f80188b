"""The dead-letter queue: what nobody can make sense of, message by message with the reason."""

import os

from shared.clients import sqs, transient_failures
from shared.observability import count, logger

DEAD_LETTER_QUEUE_URL = os.environ["COMMUNICATIONS_DEAD_LETTER_QUEUE_URL"]


def put_aside(body: str, reason: str) -> None:
    """Keep a message for a person; its attribute `reason` says why no function can handle it."""
    with transient_failures():
        sqs().send_message(
            QueueUrl=DEAD_LETTER_QUEUE_URL,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )
    count("MessagePutAside")
    logger.error("message put aside", reason=reason)
