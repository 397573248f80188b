"""What a person, or a redrive, does with a communication that was not sent.

Every function changes the record first and queues it then; a version that the caller has seen is
held against the record's, and whoever comes second gets a Problem 412 instead of undoing the first.
"""

import os
from collections.abc import Callable

from communications.communications_table import change, get
from communications.compose import CommunicationInvalid, valid_recipient
from communications.outbox import enqueue
from communications.rules.communication import Communication
from communications.rules.lifecycle import NotPossible, discarded, redriven, resolved, retried
from shared.problems import Problem
from shared.times import now

MOST_REDRIVES = int(os.environ["MOST_REDRIVES"])


def known(communication_id: str) -> Communication:
    """The communication, or Problem 404."""
    communication = get(communication_id)
    if communication is None:
        raise Problem(404, "unknown-communication", "There is no communication with this id.")
    return communication


def retry(
    communication_id: str, by: str, version: int | None, recipient: str | None
) -> Communication:
    """Send a failed one again, perhaps to another address."""

    def rule(current: Communication) -> Communication:
        address = recipient and valid_recipient(current.channel, recipient)
        return retried(current, by, now(), address)

    return queued(changed(communication_id, version, rule), by)


def redrive(communication_id: str, by: str, version: int | None, run_id: str) -> Communication:
    """Send a failed one again for a run. Asked once more by the same run, whatever came of it
    meanwhile is the answer; only where nobody has tried it yet its message may never have left.
    """
    current = known(communication_id)
    if current.redrive_run == run_id:
        waits = current.state == "QUEUED" and current.tries == 0
        return queued(current, by) if waits else current
    if current.redrives >= MOST_REDRIVES:
        raise Problem(
            409, "redrive-limit", f"It was redriven {current.redrives} times; no more than that."
        )
    return queued(
        changed(communication_id, version, lambda found: redriven(found, run_id, by, now())), by
    )


def discard(communication_id: str, by: str, version: int | None, reason: str) -> Communication:
    return changed(communication_id, version, lambda found: discarded(found, by, reason, now()))


def resolve(
    communication_id: str, by: str, version: int | None, was_sent: bool, evidence: str
) -> Communication:
    """Say what became of one whose reply was lost."""
    return changed(
        communication_id, version, lambda found: resolved(found, by, was_sent, evidence, now())
    )


def changed(
    communication_id: str,
    version: int | None,
    rule: Callable[[Communication], Communication],
) -> Communication:
    """Apply a rule to what the caller has seen; what is not possible is a Problem."""

    def checked(current: Communication) -> Communication:
        if version is not None and current.version != version:
            raise Problem(
                412,
                "stale-version",
                f"It has changed meanwhile and is now {current.state}; read it again.",
                version=current.version,
            )
        return rule(current)

    known(communication_id)
    try:
        after = change(communication_id, checked)
    except NotPossible as error:
        raise Problem(409, "not-possible", str(error)) from error
    except CommunicationInvalid as error:
        raise Problem(422, "invalid-recipient", f"{error}.") from error
    if after is None:
        raise LookupError("a rule of this module always gives something")
    return after


def queued(communication: Communication, by: str) -> Communication:
    enqueue(communication, by)
    return communication
