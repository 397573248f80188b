"""Amazon SES's mailbox simulator: recipients at simulator.amazonses.com fare as AWS documents.

LocalStack says of every recipient that the e-mail was delivered. Here, where the configuration set
has an enabled destination that asks for these events, SES publishes for

- `bounce@`: Send, then Bounce (Permanent, General);
- `suppressionlist@`: Send, then Bounce (Permanent, Suppressed), as on the global suppression list;
- `complaint@`: Send, Delivery, then Complaint (abuse);
- `ooto@`: Send, Delivery, then Bounce (Transient, General), an automatic reply;
- `success@` and everybody else: Send and Delivery.

`bounce+label@` and the like fare alike. Events have the shape that SES documents for event
publishing. An e-mail that reaches nobody is not in the mailbox `/_aws/ses`, except a raw one, of
which LocalStack does not say there whom it goes to.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext
from localstack.services.plugins import Service, aws_provider

if TYPE_CHECKING:
    from localstack.aws.api.ses import EventDestination
    from localstack.services.ses.models import EmailType, SentEmail
    from localstack.services.ses.provider import EventDestinationPayload

LOG = logging.getLogger(__name__)

DOMAIN = "simulator.amazonses.com"
REPORTING_MTA = f"dsn; {DOMAIN}"
SUBJECT = "Amazon SES Email Event Notification"


class Outcome(Enum):
    """How an e-mail fares with one recipient."""

    DELIVERED = auto()
    BOUNCED = auto()
    SUPPRESSED = auto()
    COMPLAINED = auto()
    REPLIED_AUTOMATICALLY = auto()


_OUTCOMES = {
    "bounce": Outcome.BOUNCED,
    "suppressionlist": Outcome.SUPPRESSED,
    "complaint": Outcome.COMPLAINED,
    "ooto": Outcome.REPLIED_AUTOMATICALLY,
}
_UNDELIVERED = {Outcome.BOUNCED, Outcome.SUPPRESSED}
_BOUNCE_TYPES = {
    Outcome.BOUNCED: ("Permanent", "General"),
    Outcome.SUPPRESSED: ("Permanent", "Suppressed"),
    Outcome.REPLIED_AUTOMATICALLY: ("Transient", "General"),
}
_DIAGNOSES = {
    Outcome.BOUNCED: "smtp; 550 5.1.1 user unknown",
    Outcome.SUPPRESSED: "Amazon SES has suppressed sending to this address",
}


@dataclass(frozen=True)
class Event:
    """An event's type, and the object of that name in its JSON."""

    type: str
    content: dict[str, Any]


@aws_provider(api="ses", name="simulator")
def ses() -> Service:
    """The provider that PROVIDER_OVERRIDE_SES=simulator selects: LocalStack's with other events."""
    from localstack.services.moto import MotoFallbackDispatcher
    from localstack.services.ses import provider

    keep = provider.save_for_retrospection

    def save_for_retrospection(sent_email: "SentEmail") -> None:
        recipients = provider.recipients_from_destination(sent_email.get("Destination", {}))
        if not recipients or any(is_delivered(recipient) for recipient in recipients):
            keep(sent_email)

    provider.save_for_retrospection = save_for_retrospection
    provider.notify_event_destinations = notify_event_destinations
    return Service.for_provider(
        provider.SesProvider(), dispatch_table_factory=MotoFallbackDispatcher
    )


def notify_event_destinations(
    context: RequestContext,
    event_destinations: "EventDestination",
    payload: "EventDestinationPayload",
    email_type: "EmailType",
) -> None:
    """Publish what happens to an e-mail, as far as the destination asks for it."""
    topic = event_destinations.get("SNSDestination", {}).get("TopicARN")
    if not topic or not event_destinations["Enabled"]:
        return
    now = datetime.now(UTC)
    mail = described_mail(context, payload, now)
    for event in events_of(payload.destination_addresses, now):
        if event.type.lower() in event_destinations["MatchingEventTypes"]:
            body = {"eventType": event.type, "mail": mail, event.type.lower(): event.content}
            _publish(topic, json.dumps(body))


def events_of(recipients: Iterable[str], now: datetime) -> Iterator[Event]:
    """What happens to an e-mail for these recipients, in the order in which it happens."""
    recipients = list(recipients)
    yield Event("Send", {})
    delivered = [recipient for recipient in recipients if is_delivered(recipient)]
    if delivered:
        yield Event("Delivery", _delivery(delivered, now))
    for recipient in recipients:
        outcome = outcome_for(recipient)
        if outcome is Outcome.COMPLAINED:
            yield Event("Complaint", _complaint(recipient, now))
        elif outcome in _BOUNCE_TYPES:
            yield Event("Bounce", _bounce(recipient, outcome, now))


def is_delivered(recipient: str) -> bool:
    """Whether the recipient gets the e-mail."""
    return outcome_for(recipient) not in _UNDELIVERED


def outcome_for(recipient: str) -> Outcome:
    """How an e-mail fares with a recipient; whoever is no simulator's address gets it."""
    local_part, _, domain = _address_of(recipient).lower().rpartition("@")
    name = local_part.partition("+")[0]
    if domain != DOMAIN:
        return Outcome.DELIVERED
    return _OUTCOMES.get(name, Outcome.DELIVERED)


def described_mail(
    context: RequestContext, payload: "EventDestinationPayload", now: datetime
) -> dict[str, Any]:
    """The member `mail` of every event: the sender's tags and those that SES adds by itself."""
    sender = _address_of(payload.sender_email)
    tags: dict[str, list[str]] = {
        "ses:operation": [context.operation.name],
        "ses:configuration-set": [context.service_request["ConfigurationSetName"]],
        "ses:from-domain": [sender.rpartition("@")[2]],
    }
    for tag in payload.tags or []:
        tags.setdefault(tag["Name"], []).append(tag["Value"])
    identity = f"{context.region}:{context.account_id}:identity/{sender}"
    return {
        "timestamp": _text(now),
        "source": payload.sender_email,
        "sourceArn": f"arn:{context.partition}:ses:{identity}",
        "sendingAccountId": context.account_id,
        "messageId": payload.message_id,
        "destination": payload.destination_addresses,
        "headersTruncated": False,
        "tags": tags,
    }


def _delivery(recipients: list[str], now: datetime) -> dict[str, Any]:
    return {
        "timestamp": _text(now),
        "processingTimeMillis": 0,
        "recipients": recipients,
        "smtpResponse": "250 2.6.0 Message received",
        "reportingMTA": DOMAIN,
    }


def _bounce(recipient: str, outcome: Outcome, now: datetime) -> dict[str, Any]:
    bounced = {"emailAddress": _address_of(recipient)}
    if outcome in _DIAGNOSES:
        bounced |= {"action": "failed", "status": "5.1.1", "diagnosticCode": _DIAGNOSES[outcome]}
    bounce_type, bounce_sub_type = _BOUNCE_TYPES[outcome]
    return {
        "bounceType": bounce_type,
        "bounceSubType": bounce_sub_type,
        "bouncedRecipients": [bounced],
        "timestamp": _text(now),
        "feedbackId": _feedback_id(),
        "reportingMTA": REPORTING_MTA,
    }


def _complaint(recipient: str, now: datetime) -> dict[str, Any]:
    return {
        "complainedRecipients": [{"emailAddress": _address_of(recipient)}],
        "timestamp": _text(now),
        "feedbackId": _feedback_id(),
        "complaintSubType": None,
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": _text(now),
    }


def _publish(topic: str, message: str) -> None:
    from localstack.aws.connect import connect_to
    from localstack.constants import INTERNAL_AWS_SECRET_ACCESS_KEY
    from localstack.utils.aws.arns import parse_arn

    parts = parse_arn(topic)
    client = connect_to(
        region_name=parts["region"],
        aws_access_key_id=parts["account"],
        aws_secret_access_key=INTERNAL_AWS_SECRET_ACCESS_KEY,
    )
    try:
        client.sns.publish(TopicArn=topic, Message=message, Subject=SUBJECT)
    except ClientError as error:  # On AWS, too, an e-mail goes out whatever becomes of its events.
        LOG.error("an event of SES was not published to %s: %s", topic, error)


def _address_of(text: str) -> str:
    return parseaddr(text)[1]


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _feedback_id() -> str:
    return f"{uuid4()}-000000"
