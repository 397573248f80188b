"""What Amazon SES tells of an e-mail after it was sent, and what that proves.

Events come more than once, late and in any order. So the state is not moved from event to event:
the communication keeps what it was told of each attempt, and its state follows from all of it.
Shapes: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from communications.rules.communication import NO_FAILURE, Communication, Entry, Happening
from shared.times import format_time

COMMUNICATION_TAG = "communication_id"
ATTEMPT_TAG = "attempt"

type Verdict = Literal["sent", "bounced", "bounced_for_now", "rejected"]

_HAPPENINGS: dict[str, Happening] = {
    "Send": "accepted",
    "Delivery": "delivered",
    "DeliveryDelay": "delayed",
    "Complaint": "complained",
    "Reject": "rejected",
}


class EmailEvent(BaseModel):
    """The part of an SES event that matters here. Its tags say which attempt it speaks of."""

    model_config = ConfigDict(hide_input_in_errors=True)  # Errors are logged.

    event_type: str = Field(validation_alias="eventType")
    message_id: str = Field(validation_alias=AliasPath("mail", "messageId"))
    communication_id: str = Field(validation_alias=AliasPath("mail", "tags", COMMUNICATION_TAG, 0))
    attempt: int = Field(validation_alias=AliasPath("mail", "tags", ATTEMPT_TAG, 0))
    recipients: tuple[str, ...] = Field(validation_alias=AliasPath("mail", "destination"))
    bounce_type: str | None = Field(
        default=None, validation_alias=AliasPath("bounce", "bounceType")
    )
    bounce_sub_type: str | None = Field(
        default=None, validation_alias=AliasPath("bounce", "bounceSubType")
    )
    complaint_sub_type: str | None = Field(
        default=None, validation_alias=AliasPath("complaint", "complaintSubType")
    )
    feedback: str | None = Field(
        default=None, validation_alias=AliasPath("complaint", "complaintFeedbackType")
    )
    reason: str | None = Field(default=None, validation_alias=AliasPath("reject", "reason"))

    @property
    def happening(self) -> Happening | None:
        """What it says; None for what changes nothing, an opened message or a click."""
        if self.event_type == "Bounce":
            return "bounced" if self.bounce_type == "Permanent" else "bounced_for_now"
        if self.complaint_sub_type == "OnAccountSuppressionList":
            return "rejected"  # SES had a complaint before, and did not try.
        return _HAPPENINGS.get(self.event_type)

    @property
    def suppresses(self) -> Literal["bounce", "complaint"] | None:
        """Why the recipient shall get nothing more."""
        if self.happening == "bounced":
            return "bounce"
        welcome = self.feedback == "not-spam"
        return "complaint" if self.event_type == "Complaint" and not welcome else None


def with_event(
    communication: Communication, event: EmailEvent, now: datetime
) -> Communication | None:
    """The communication after it was told; None when it knew that already, or nothing changes.

    What went to an address that was corrected since says nothing of the new one: it is history.
    """
    happening = event.happening
    if happening is None or _knows(communication, happening, event.attempt):
        return None
    entry = Entry(
        at=format_time(now),
        by="provider",
        event=happening,
        attempt=event.attempt,
        detail=event.bounce_sub_type or event.complaint_sub_type or event.reason,
    )
    told = communication.changed(entry)
    if event.attempt <= told.recipient_since:
        return told
    if event.attempt == told.attempts or told.provider_message_id is None:
        told = told.model_copy(update={"provider_message_id": event.message_id})
    return _judged(told, event.attempt)


def verdict_on(communication: Communication, attempt: int) -> Verdict | None:
    """What the worker's reply and all events of one attempt prove together."""
    told = {entry.event for entry in communication.history if entry.attempt == attempt}
    if "rejected" in told:
        return "rejected"
    if "bounced" in told:
        return "bounced"
    if told & {"delivered", "complained"}:
        return "sent"
    if "bounced_for_now" in told:
        return "bounced_for_now"
    return "sent" if told & {"accepted", "sent"} else None


def _knows(communication: Communication, happening: Happening, attempt: int) -> bool:
    return any(e.event == happening and e.attempt == attempt for e in communication.history)


def _judged(communication: Communication, attempt: int) -> Communication:
    """The state that follows from everything told so far, an attempt's event just now.

    A send under way is left to its worker, and what a person gave up stays so.
    """
    latest = verdict_on(communication, communication.attempts)
    if communication.state == "DISCARDED":
        return communication
    if has_arrived(communication):
        under_way = communication.state == "SENDING" and latest is None
        return communication if under_way else confirmed(communication)
    if latest is not None:
        return _came_back(communication, communication.attempts, latest)
    verdict = verdict_on(communication, attempt)
    if verdict is not None and communication.state == "SENT" and not _resolved(communication):
        return _came_back(communication, attempt, verdict)
    return communication


def has_arrived(communication: Communication) -> bool:
    """Whether anything proves that its recipient, or the provider on the way to them, has it."""
    numbered = {entry.attempt for entry in communication.history if entry.attempt is not None}
    attempts = {number for number in numbered if number > communication.recipient_since}
    return any(verdict_on(communication, attempt) == "sent" for attempt in attempts)


def _resolved(communication: Communication) -> bool:
    """Whether a person said what became of the latest attempt."""
    return any(
        entry.event == "resolved" and entry.attempt == communication.attempts
        for entry in communication.history
    )


def confirmed(communication: Communication) -> Communication:
    """It reached the provider or the recipient: whoever means to send it again need not."""
    return communication.model_copy(update={"state": "SENT", "sent": 1, **NO_FAILURE})


def _came_back(communication: Communication, attempt: int, verdict: Verdict) -> Communication:
    """It did not arrive. What is to be sent again anyway goes on."""
    if communication.state not in ("SENDING", "SENT", "UNKNOWN", "FAILED"):
        return communication
    told = next(e for e in communication.history if (e.attempt, e.event) == (attempt, verdict))
    return communication.model_copy(
        update={
            "state": "FAILED",
            "sent": 0,
            # SES has tried for long enough; and an automatic answer may look just like this.
            "error_class": "permanent",
            "error": {
                "bounced": "Bounced",
                "bounced_for_now": "BouncedForNow",
                "rejected": "Rejected",
            }[verdict],
            "cause": f"The provider told of it afterwards: {told.detail or verdict}",
            "failed_at": told.at,
        }
    )


def parse_event(message: Any) -> EmailEvent | None:
    """Read an SNS message of SES; None for one that is about no communication.

    SES sends a test message when the topic is connected, and other senders may share the set.
    """
    mail = message.get("mail") if isinstance(message, dict) else None
    tags = mail.get("tags") if isinstance(mail, dict) else None
    if not isinstance(tags, dict) or not {COMMUNICATION_TAG, ATTEMPT_TAG} <= set(tags):
        return None
    return EmailEvent.model_validate(message)
