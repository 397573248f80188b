"""The message in the queue: which communication, and what to do with it.

`{"primaryId": "...", "operation": "send.email" | "send.sms" | "send.communications",
"createdBy": "...", "created": "2026-03-02T09:14:05Z"}`, and nothing of the communication itself.
"""

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from communications.rules.communication import Channel

OPERATIONS: dict[str, frozenset[Channel]] = {
    "send.email": frozenset({"email"}),
    "send.sms": frozenset({"sms"}),
    "send.communications": frozenset({"email", "sms"}),
}


class MessageRejected(Exception):
    """No worker can make sense of a message; the text says why and quotes nothing of it."""


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must have a time zone")
    return moment


class SendMessage(BaseModel):
    """The message's body."""

    model_config = ConfigDict(hide_input_in_errors=True, strict=True)

    primary_id: str = Field(alias="primaryId", min_length=1, max_length=128)
    operation: Literal["send.email", "send.sms", "send.communications"]
    created_by: str = Field(alias="createdBy", min_length=1, max_length=256)
    created: Annotated[datetime, Field(strict=False), AfterValidator(_aware)]


def message_body(communication_id: str, channel: Channel, created_by: str, created: str) -> str:
    """What is put into the queue to have a communication sent."""
    return json.dumps(
        {
            "primaryId": communication_id,
            "operation": f"send.{channel}",
            "createdBy": created_by,
            "created": created,
        }
    )


def parse_message(body: str) -> SendMessage:
    """Read a body; MessageRejected says what is wrong with it."""
    try:
        return SendMessage.model_validate_json(body)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        ]
        raise MessageRejected("; ".join(faults)[:1000]) from error


def check_channel(message: SendMessage, channel: Channel) -> None:
    """An operation for the other channel is a producer's mistake."""
    if channel not in OPERATIONS[message.operation]:
        raise MessageRejected(f"operation {message.operation} does not fit the channel {channel}")
