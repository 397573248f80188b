"""Composing a communication: checked, stored with sent = 0, and queued."""

import hashlib
import json
import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from communications.communications_table import create, get
from communications.outbox import enqueue
from communications.rules.communication import Channel, Communication, Entry
from communications.rules.lifecycle import QUEUE_PATIENCE
from communications.rules.templates import LONGEST_SMS, TemplateInvalid, check_fields, text_of
from shared.addresses import EMail, Phone
from shared.customers import Id, get_customer
from shared.observability import count, logger
from shared.times import format_time, now

CUSTOMERS_TABLE_NAME = os.environ["CUSTOMERS_TABLE_NAME"]
DEAD_LETTERS = int(os.environ["DEAD_LETTERS"])

_ADDRESSES: dict[Channel, TypeAdapter[str]] = {
    "email": TypeAdapter(EMail),
    "sms": TypeAdapter(Phone),
}

type FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,63}$")]
type FieldValue = Annotated[str, StringConstraints(max_length=5000)]


class CommunicationInvalid(Exception):
    """What was asked for cannot be sent as it is; the text says why and quotes no customer."""


class IdTaken(Exception):
    """The same key was used before for something else."""


class Draft(BaseModel):
    """What is to be sent: a template with its fields, or a body of its own (with a subject, for an
    e-mail); to a recipient's address, or to the one on file of a customer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    channel: Literal["email", "sms"]
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    fields: dict[FieldName, FieldValue] = Field(default={}, max_length=50)
    subject: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    body: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None
    recipient: Annotated[str, StringConstraints(min_length=3, max_length=254)] | None = None
    customer_id: Id | None = None
    trace_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


def compose(draft: Draft, communication_id: str, created_by: str) -> Communication:
    """Store a communication and queue it; the same again changes nothing and queues at most once
    more, for the first time may have ended between the two.

    Raises CommunicationInvalid, and IdTaken where the id belongs to something else.
    """
    communication = get(communication_id) or stored(draft, communication_id, created_by)
    if communication.request_digest != digest_of(draft):
        raise IdTaken("This key was used before, for another communication.")
    if communication.state == "QUEUED" and communication.attempts == 0:
        enqueue(communication, created_by)
    return communication


def stored(draft: Draft, communication_id: str, created_by: str) -> Communication:
    """The new record, or the one that somebody has stored meanwhile."""
    communication = communication_of(draft, communication_id, created_by)
    if create(communication):
        count("CommunicationComposed")
        logger.info("communication composed", communication_id=communication_id)
        return communication
    found = get(communication_id)
    if found is None:
        raise LookupError("the communication was deleted meanwhile")
    return found


def communication_of(draft: Draft, communication_id: str, created_by: str) -> Communication:
    """The new record; raises CommunicationInvalid where it could never be sent."""
    check_content(draft)
    moment = now()
    at = format_time(moment)
    communication = Communication(
        communication_id=communication_id,
        channel=draft.channel,
        recipient=recipient_of(draft),
        customer_id=draft.customer_id,
        template=draft.template,
        fields=draft.fields,
        subject=draft.subject,
        body=draft.body,
        trace_id=draft.trace_id or communication_id,
        request_digest=digest_of(draft),
        created_by=created_by,
        created_at=at,
        state="QUEUED",
        not_before=at,
        due_at=format_time(moment + QUEUE_PATIENCE),
        dead_letters_left=DEAD_LETTERS,
        history=(Entry(at=at, by=created_by, event="composed"),),
    )
    if draft.channel == "sms" and len(text_of(communication).body) > LONGEST_SMS:
        raise CommunicationInvalid(f"an SMS has at most {LONGEST_SMS} characters")
    return communication


def check_content(draft: Draft) -> None:
    if (draft.template is None) == (draft.body is None):
        raise CommunicationInvalid("give either a template or a body")
    if draft.template is not None:
        try:
            check_fields(draft.template, draft.channel, draft.fields)
        except TemplateInvalid as error:
            raise CommunicationInvalid(str(error)) from error
    elif draft.fields:
        raise CommunicationInvalid("fields belong to a template")
    wants_subject = draft.channel == "email" and draft.template is None
    if wants_subject != (draft.subject is not None):
        raise CommunicationInvalid("a subject belongs to an e-mail with a body, and only there")


def recipient_of(draft: Draft) -> str:
    """The address given, or the customer's own."""
    if draft.recipient is not None:
        return valid_recipient(draft.channel, draft.recipient)
    if draft.customer_id is None:
        raise CommunicationInvalid("give a recipient or a customer_id")
    customer = get_customer(CUSTOMERS_TABLE_NAME, draft.customer_id)
    if customer is None:
        raise CommunicationInvalid("there is no customer with this customer_id")
    address = customer.email if draft.channel == "email" else customer.phone
    if address is None:
        raise CommunicationInvalid(f"the customer has no address for {draft.channel}")
    return address


def valid_recipient(channel: Channel, recipient: str) -> str:
    """An address of the channel's kind; raises CommunicationInvalid for anything else."""
    try:
        return _ADDRESSES[channel].validate_python(recipient.strip())
    except ValidationError as error:
        kind = "an e-mail address" if channel == "email" else "a phone number like +12025550101"
        raise CommunicationInvalid(f"the recipient is not {kind}") from error


def digest_of(draft: Draft) -> str:
    """What tells one request from another under the same key."""
    content = json.dumps(draft.model_dump(), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
