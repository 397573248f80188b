"""Asking for a replication: the same period and entities again are the same replication."""

import hashlib
import json
from collections.abc import Sequence

from replication.replications_table import create_replication, known_replication
from replication.rules.replication import Replication
from replication.running import begin_plan
from shared.observability import count
from shared.times import format_time, now


def request_replication(
    period: str,
    entities: Sequence[str] | None,
    requested_by: str,
    *,
    rehearsal: str | None = None,
) -> Replication:
    """Store a replication and have it planned; what was asked for before is only given.

    `entities` are `<customer id>/<entity id>`, None is all. `rehearsal` makes it a dry run: one for
    each such word, because it may be repeated when something was put right.
    """
    replication = Replication(
        replication_id=identity(period, entities, rehearsal),
        period=period,
        entities=None if entities is None else tuple(sorted(set(entities))),
        dry_run=rehearsal is not None,
        state="PLANNING",
        requested_by=requested_by,
        requested_at=format_time(now()),
    )
    if create_replication(replication):
        count("ReplicationRequested")
    else:
        replication = known_replication(replication.replication_id)
    if replication.state == "PLANNING":
        begin_plan(replication)
    return replication


def identity(period: str, entities: Sequence[str] | None, rehearsal: str | None) -> str:
    """The id of a replication: its period, what of it, and of a dry run which one."""
    scope = "all" if entities is None else _digest(sorted(set(entities)))
    return f"{period}-{scope}" + (f"-dry-{_digest(rehearsal)}" if rehearsal is not None else "")


def _digest(value: str | list[str]) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]
