"""A communication: one message to one recipient, and everything that happened to it.

States, and who moves a communication on:

- `QUEUED`: a message with its id is in the queue, or will be at `not_before`; the worker.
- `SENDING`: a worker has claimed it and may be talking to the provider; that worker.
- `SENT`: the provider took it, and nothing says that it came back. Only here is `sent` 1.
- `DEAD_LETTER`: its tries are used up; at `due_at` it is queued again.
- `FAILED`: nobody tries again by himself; a redrive or a person.
- `UNKNOWN`: it may have been sent and the reply was lost; evidence from the provider or a person.
- `DISCARDED`: a person gave it up.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

type Channel = Literal["email", "sms"]
type State = Literal["QUEUED", "SENDING", "SENT", "DEAD_LETTER", "FAILED", "UNKNOWN", "DISCARDED"]
type ErrorClass = Literal["transient", "throttled", "permanent", "unknown"]
type SuppressionReason = Literal["bounce", "complaint", "unsubscribe"]
type Happening = Literal[
    "composed",
    "sent",
    "failed",
    "throttled",
    "reply_lost",
    "dead_lettered",
    "queued_again",
    "retried",
    "redriven",
    "recipient_changed",
    "discarded",
    "resolved",
    "accepted",
    "delivered",
    "delayed",
    "bounced",
    "bounced_for_now",
    "complained",
    "rejected",
]


class Entry(BaseModel):
    """One thing that happened: when, by whom (a person, `worker`, `schedule`, `provider`), what.

    `attempt` is the number of the send it belongs to, `detail` says more in plain words.
    """

    model_config = ConfigDict(frozen=True)

    at: str
    by: str
    event: Happening
    attempt: int | None = None
    error: str | None = None
    detail: str | None = None


class Communication(BaseModel):
    """The record. Times are as shared.times writes them; `version` grows with every change.

    It has either a template with its fields, or a body (and a subject, for e-mail). `attempts`
    counts all sends and numbers them; those up to `recipient_since` went to another address.
    `tries` are those that count against the limit since it was last queued anew, `throttles` those
    in a row that the provider had no room for.
    """

    model_config = ConfigDict(frozen=True)

    communication_id: str
    channel: Channel
    recipient: str
    customer_id: str | None = None
    template: str | None = None
    fields: dict[str, str] = {}
    subject: str | None = None
    body: str | None = None
    trace_id: str
    request_digest: str
    created_by: str
    created_at: str

    state: State
    sent: Literal[0, 1] = 0
    version: int = 1
    not_before: str
    due_at: str
    attempts: int = 0
    tries: int = 0
    throttles: int = 0
    lost_messages: int = 0
    dead_letters_left: int = 0
    redrives: int = 0
    redrive_run: str | None = None
    recipient_since: int = 0
    claimed_by: str | None = None
    provider_message_id: str | None = None
    error_class: ErrorClass | None = None
    error: str | None = None
    cause: str | None = None
    failed_at: str | None = None
    history: tuple[Entry, ...] = ()

    def changed(self, entry: Entry | None, **values: Any) -> Self:
        """The next version, with an entry added to its history."""
        added = (entry,) if entry else ()
        history = (*self.history, *added)
        return self.model_copy(update={**values, "version": self.version + 1, "history": history})

    @property
    def destination(self) -> str:
        """What recipients have in common: an e-mail's domain, how a phone number begins."""
        if self.channel == "email":
            return self.recipient.rpartition("@")[2].lower()
        return self.recipient[:4]


NO_FAILURE: dict[str, None] = {
    "error_class": None,
    "error": None,
    "cause": None,
    "failed_at": None,
}
"""What a communication says of a failure when there is none, or none any more."""
