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
    if event is None or event.happening is None:
        return
    if event.suppresses:
        for address in event.recipients:
            suppress(address, event.suppresses, "provider", format_time(now()))
    record_event(event)


def content_of(body: str) -> Any:
    """The JSON that SES published; SES also publishes a plain sentence, as a test."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def record_event(event: EmailEvent) -> None:
    if get(event.communication_id) is None:
        logger.warning("event of an unknown communication", event_type=event.event_type)
        return
    after = change(event.communication_id, lambda current: with_event(current, event, now()))
    if after:
        count(f"Email{event.event_type.replace(' ', '')}")
        logger.info(
            "email event recorded",
            communication_id=event.communication_id,
            event_type=event.event_type,
            state=after.state,
        )
