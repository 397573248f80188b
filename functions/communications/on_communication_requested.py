"""Compose what another domain asks for by a `CommunicationRequested` event.

The communication's id derives from the event's, so the same event delivered again composes nothing.
What can never be sent goes to the dead-letter queue with the reason.
"""

import hashlib
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, ValidationError

from communications.compose import CommunicationInvalid, Draft, IdTaken, compose
from communications.dead_letters import put_aside
from shared.events import CommunicationRequested, Detail
from shared.observability import batch_item, step

_processor = BatchProcessor(event_type=EventType.SQS)


class Requested(BaseModel):
    """The event as EventBridge hands it over."""

    model_config = ConfigDict(hide_input_in_errors=True)

    source: str
    detail: Detail[CommunicationRequested]


@step
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event, handle, _processor, context)


@batch_item
def handle(record: SQSRecord) -> None:
    try:
        requested = Requested.model_validate_json(record.body)
        draft = draft_of(requested.detail)
        compose(draft, communication_id_of(requested.detail.event_id), requested.source)
    except (ValidationError, CommunicationInvalid, IdTaken) as error:
        put_aside(record.body, plain(error))


def draft_of(detail: Detail[CommunicationRequested]) -> Draft:
    return Draft(**detail.data.model_dump(), trace_id=detail.trace_id)


def communication_id_of(event_id: str) -> str:
    return hashlib.sha256(f"CommunicationRequested {event_id}".encode()).hexdigest()[:32]


def plain(error: Exception) -> str:
    """What is wrong, without quoting what was given."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_input=False, include_url=False)
        return "; ".join(f"{place(fault['loc'])}: {fault['msg']}" for fault in faults)[:1000]
    return str(error)


def place(loc: tuple[int | str, ...]) -> str:
    """Where a fault is, down to the fields: what they are called is the sender's own word."""
    known = loc[: loc.index("fields") + 1] if "fields" in loc else loc
    return ".".join(map(str, known))
