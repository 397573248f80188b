"""Take in what Amazon SES tells of an e-mail: it went out, arrived, came back, or was unwelcome.

That resolves sends whose reply was lost, fails what bounced, and puts addresses that bounce or
complain on the suppression list.
"""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from communications.communications_table import change, get
from communications.dead_letters import put_aside
from communications.rules.email_events import EmailEvent, parse_event, with_event
from communications.suppressions_table import suppress
from shared.observability import batch_item, count, logger, step
from shared.times import format_time, now

SES_TRIES_THE_TOPIC = "Successfully validated SNS topic"

_processor = BatchProcessor(event_type=EventType.SQS)


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event, handle, _processor, context)


@batch_item
def handle(record: SQSRecord) -> None:
    try:
        event = parse_event(content_of(record.body))
    except ValidationError:
        put_aside(record.body, "the event is not as Amazon SES documents it")
        return
    except ValueError:
        put_aside(record.body, "the message is not JSON")
        return
    if event is not None:
        record_event(event)


def content_of(body: str) -> Any:
    """The JSON that SES published; None for the plain sentence with which it tries a topic."""
    return None if body.startswith(SES_TRIES_THE_TOPIC) else json.loads(body)


def record_event(event: EmailEvent) -> None:
    """Change the record, and before that the suppression list; an event that the record knows
    changes neither, for a person may have taken the address off the list since.
    """
    communication = get(event.communication_id)
    if communication is None:
        logger.warning("event of an unknown communication", event_type=event.event_type)
        return
    if event.suppresses and with_event(communication, event, now()):
        for address in event.recipients:
            suppress(address, event.suppresses, "provider", format_time(now()))
    after = change(event.communication_id, lambda current: with_event(current, event, now()))
    if after:
        count(f"Email{event.event_type.replace(' ', '')}")
        logger.info(
            "email event recorded",
            communication_id=event.communication_id,
            event_type=event.event_type,
            state=after.state,
        )
