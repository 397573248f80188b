"""How a communication goes from state to state. Every function takes the record as it was read and
gives the record as it should be; whoever stores it makes sure that nobody was faster.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from communications.rules.communication import NO_FAILURE, Communication, Entry, State
from communications.rules.email_events import confirmed, has_arrived
from communications.rules.send_outcomes import (
    Accepted,
    Failed,
    Outcome,
    ReplyLost,
    Throttled,
    TryAgain,
)
from shared.times import format_time

LEASE = timedelta(seconds=90)
"""Longer than the worker's timeout: whoever claimed longer ago than that has ended for sure."""

QUEUE_PATIENCE = timedelta(minutes=15)
"""A queued message should have been received by then; with each time it was not, twice as long."""

MOST_LOST_MESSAGES = 8
MOST_THROTTLES = 100
LONGEST_DELAY_SECONDS = 900
"""SQS delays a message no further."""

type Reading = Literal["claim", "early", "lost", "taken", "settled"]


@dataclass(frozen=True)
class Limits:
    """How often it is tried: `tries` sends, `base_seconds` growing between them; then it rests for
    `dead_letter_seconds`, as often as the record still allows.
    """

    tries: int
    base_seconds: int
    dead_letter_seconds: int


class NotPossible(Exception):
    """What was asked for does not fit the communication's state."""


def read(communication: Communication, message_id: str, now: datetime) -> Reading:
    """What a message that names this communication means now.

    - `claim`: send it; `early`: not yet, the message must come again.
    - `lost`: the worker that claimed it by this message, or too long ago, is gone.
    - `taken`: another worker is at it; `settled`: nothing is left to do. The message is one too
      many in both cases.
    """
    if communication.state == "QUEUED":
        return "early" if communication.not_before > format_time(now) else "claim"
    if communication.state == "SENDING":
        over = communication.due_at < format_time(now)
        return "lost" if over or communication.claimed_by == message_id else "taken"
    return "settled"


def claimed(communication: Communication, message_id: str, now: datetime) -> Communication:
    """A worker is about to send; whoever finds it so later does not know how far it came."""
    return communication.changed(
        None,
        state="SENDING",
        claimed_by=message_id,
        provider_message_id=None,
        attempts=communication.attempts + 1,
        due_at=format_time(now + LEASE),
    )


def after_send(
    communication: Communication,
    attempt: int,
    outcome: Outcome,
    now: datetime,
    limits: Limits,
    jitter: float,
) -> Communication | None:
    """What came of a send; None where the record has gone on without waiting for it.

    `jitter` is a random number from 0 to 1.
    """
    if communication.attempts != attempt or communication.state not in ("SENDING", "UNKNOWN"):
        return None
    return _unless_arrived(_after(communication, outcome, now, limits, jitter))


def _unless_arrived(after: Communication) -> Communication:
    """During a send an event may prove that an earlier attempt arrived: then that is the end."""
    return confirmed(after) if after.state != "SENT" and has_arrived(after) else after


def _after(
    communication: Communication,
    outcome: Outcome,
    now: datetime,
    limits: Limits,
    jitter: float,
) -> Communication:
    attempt = communication.attempts
    match outcome:
        case Accepted(provider_message_id):
            entry = _entry("sent", now, attempt=attempt)
            return _settled(communication, entry, "SENT", provider_message_id=provider_message_id)
        case ReplyLost(error, cause):
            return _unknown(communication, error, cause, now)
        case Failed(error, cause):
            entry = _entry("failed", now, attempt=attempt, error=error)
            return _failed(communication, entry, "permanent", error, cause, now)
        case TryAgain(error, cause):
            return _after_try(communication, error, cause, now, limits, jitter)
        case Throttled(error, cause):
            return _after_throttle(communication, error, cause, now, limits, jitter)


def abandoned(communication: Communication, now: datetime) -> Communication:
    """The worker that claimed it is gone: it died before the provider's reply was recorded."""
    cause = "The worker ended before it had recorded a reply."
    return _unless_arrived(_unknown(communication, "WorkerLost", cause, now))


def queued_again(communication: Communication, now: datetime) -> Communication | None:
    """What is overdue is queued again, or given up; None where nothing is due."""
    if communication.due_at > format_time(now):
        return None
    if communication.state == "DEAD_LETTER":
        return _queued(
            communication,
            _entry("queued_again", now, by="schedule"),
            now,
            dead_letters_left=communication.dead_letters_left - 1,
        )
    if communication.state == "SENDING":
        return abandoned(communication, now)
    if communication.state != "QUEUED":
        return None
    lost = communication.lost_messages + 1
    if lost > MOST_LOST_MESSAGES:
        entry = _entry("failed", now, by="schedule", error="MessageLost")
        cause = "Its messages left the queue again and again and nobody handled them."
        return _failed(communication, entry, "transient", "MessageLost", cause, now)
    due_at = format_time(now + QUEUE_PATIENCE * 2**lost)
    return communication.changed(None, lost_messages=lost, due_at=due_at)


def retried(
    communication: Communication, by: str, now: datetime, recipient: str | None = None
) -> Communication:
    """A person has it sent once more, perhaps to another address; one series of tries."""
    if communication.state not in ("FAILED", "DEAD_LETTER"):
        raise NotPossible(_cannot(communication, "retried", "a failed one"))
    if recipient and recipient != communication.recipient:
        entry = _entry("recipient_changed", now, by=by, detail=communication.recipient)
        history = (*communication.history, entry)
        communication = communication.model_copy(
            update={
                "recipient": recipient,
                "recipient_since": communication.attempts,
                "history": history,
            }
        )
    return _queued(
        communication, _entry("retried", now, by=by), now, dead_letters_left=0, redrive_run=None
    )


def redriven(communication: Communication, run_id: str, by: str, now: datetime) -> Communication:
    """A run has it sent once more."""
    if communication.state != "FAILED":
        raise NotPossible(_cannot(communication, "redriven", "a failed one"))
    return _queued(
        communication,
        _entry("redriven", now, by=by, detail=run_id),
        now,
        dead_letters_left=0,
        redrives=communication.redrives + 1,
        redrive_run=run_id,
    )


def discarded(communication: Communication, by: str, reason: str, now: datetime) -> Communication:
    """A person gives it up; what a worker has in its hands cannot be held back."""
    if communication.state in ("SENDING", "SENT", "DISCARDED"):
        raise NotPossible(_cannot(communication, "discarded", "one that is not sent"))
    entry = _entry("discarded", now, by=by, detail=reason)
    return _settled(communication, entry, "DISCARDED")


def resolved(
    communication: Communication, by: str, was_sent: bool, evidence: str, now: datetime
) -> Communication:
    """A person says what became of a send whose reply was lost."""
    if communication.state != "UNKNOWN":
        raise NotPossible(_cannot(communication, "resolved", "an unknown one"))
    entry = _entry("resolved", now, by=by, attempt=communication.attempts, detail=evidence)
    if was_sent:
        return _settled(communication, entry, "SENT")
    cause = "The reply was lost; a person found that it was not sent."
    return _failed(
        communication, entry, "transient", communication.error or "ReplyLost", cause, now
    )


def delay_seconds(tries: int, base_seconds: int, jitter: float) -> int:
    """Seconds until the next try: doubled each time, at random between half of that and all."""
    longest: int = min(LONGEST_DELAY_SECONDS, base_seconds * 2 ** min(tries - 1, 20))
    return max(1, round(longest * (0.5 + jitter / 2)))


def _after_try(
    communication: Communication,
    error: str,
    cause: str,
    now: datetime,
    limits: Limits,
    jitter: float,
) -> Communication:
    tries = communication.tries + 1
    entry = _entry("failed", now, attempt=communication.attempts, error=error)
    if tries >= limits.tries:
        return _given_up(communication, entry, ("transient", error, cause), now, limits)
    seconds = delay_seconds(tries, limits.base_seconds, jitter)
    until = now + timedelta(seconds=seconds)
    return _waiting(communication, entry, until, tries=tries, throttles=0)


def _after_throttle(
    communication: Communication,
    error: str,
    cause: str,
    now: datetime,
    limits: Limits,
    jitter: float,
) -> Communication:
    """A throttle is not the message's fault and uses up no try. Its history keeps one entry."""
    throttles = communication.throttles + 1
    entry = _entry("throttled", now, attempt=communication.attempts, error=error)
    if throttles >= MOST_THROTTLES:
        return _given_up(communication, entry, ("throttled", error, cause), now, limits)
    seconds = delay_seconds(throttles, limits.base_seconds, jitter)
    told = entry if throttles == 1 else None
    return _waiting(communication, told, now + timedelta(seconds=seconds), throttles=throttles)


def _given_up(
    communication: Communication,
    entry: Entry,
    failure: tuple[Literal["transient", "throttled"], str, str],
    now: datetime,
    limits: Limits,
) -> Communication:
    """The tries are used up: a dead letter, or after the last one a failure."""
    error_class, error, cause = failure
    if communication.dead_letters_left < 1:
        return _failed(communication, entry, error_class, error, cause, now)
    letter = communication.changed(
        entry,
        state="DEAD_LETTER",
        due_at=format_time(now + timedelta(seconds=limits.dead_letter_seconds)),
        error_class=error_class,
        error=error,
        cause=cause,
        failed_at=format_time(now),
    )
    told = _entry("dead_lettered", now, error=error)
    return letter.model_copy(update={"history": (*letter.history, told)})


def _waiting(
    communication: Communication, entry: Entry | None, until: datetime, **values: int
) -> Communication:
    return communication.changed(
        entry,
        state="QUEUED",
        claimed_by=None,
        not_before=format_time(until),
        due_at=format_time(until + QUEUE_PATIENCE),
        **values,
    )


def _queued(
    communication: Communication, entry: Entry, now: datetime, **values: int | str | None
) -> Communication:
    """Queued anew, with all its tries before it."""
    return communication.changed(
        entry,
        state="QUEUED",
        sent=0,
        claimed_by=None,
        not_before=format_time(now),
        due_at=format_time(now + QUEUE_PATIENCE),
        tries=0,
        throttles=0,
        lost_messages=0,
        **NO_FAILURE,
        **values,
    )


def _unknown(communication: Communication, error: str, cause: str, now: datetime) -> Communication:
    return communication.changed(
        _entry("reply_lost", now, attempt=communication.attempts, error=error),
        state="UNKNOWN",
        error_class="unknown",
        error=error,
        cause=cause,
        failed_at=format_time(now),
    )


def _failed(
    communication: Communication,
    entry: Entry,
    error_class: Literal["transient", "throttled", "permanent"],
    error: str,
    cause: str,
    now: datetime,
) -> Communication:
    return communication.changed(
        entry,
        state="FAILED",
        sent=0,
        error_class=error_class,
        error=error,
        cause=cause,
        failed_at=format_time(now),
    )


def _settled(
    communication: Communication, entry: Entry, state: State, **values: str
) -> Communication:
    return communication.changed(
        entry,
        state=state,
        sent=int(state == "SENT"),
        **NO_FAILURE,
        **values,
    )


def _entry(
    event: str,
    now: datetime,
    *,
    by: str = "worker",
    attempt: int | None = None,
    error: str | None = None,
    detail: str | None = None,
) -> Entry:
    return Entry.model_validate(
        {
            "at": format_time(now),
            "by": by,
            "event": event,
            "attempt": attempt,
            "error": error,
            "detail": detail,
        }
    )


def _cannot(communication: Communication, what: str, instead: str) -> str:
    return f"A communication that is {communication.state} cannot be {what}, only {instead}."
