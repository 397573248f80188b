"""The end of a replication: when the last of its services has finished."""

import os

from replication.replications_table import change_state, known_replication, services_of
from replication.rules.replication import Replication, Service, State
from shared.events import Detail, ReplicationFinished, publish
from shared.observability import count, logger
from shared.times import format_time, now

EVENT_BUS_NAME = os.environ["EVENT_BUS_NAME"]
_MAY_FINISH: tuple[State, ...] = ("RUNNING", "PAUSED")


def finish_if_all_have(replication_id: str) -> bool:
    """End a replication whose services have all finished, and tell so.

    The event comes first: a step that breaks off in between runs again, and the event's id is the
    same then. What was cancelled, or is being planned again, does not end here.
    """
    replication = known_replication(replication_id)
    if replication.state not in _MAY_FINISH:
        return False
    services = services_of(replication.replication_id)
    if any(service.state != "FINISHED" for service in services):
        return False
    at = format_time(now())
    publish(EVENT_BUS_NAME, "replication", finished_event(replication, services, at))
    if change_state(
        replication.replication_id,
        _MAY_FINISH,
        "FINISHED",
        of_plan=replication.plan,
        finished_at=at,
    ):
        count("ReplicationFinished")
        logger.info("replication finished")
    return True


def finished_event(
    replication: Replication, services: list[Service], at: str
) -> Detail[ReplicationFinished]:
    entities = sum(service.entities for service in services)
    failed = sum(service.failed - service.retried for service in services)
    conflicts = sum(service.counts.get("conflicts", 0) for service in services)
    return Detail(
        event_id=f"{replication.replication_id}-{replication.plan}-finished",
        trace_id=replication.replication_id,
        subject_id=replication.replication_id,
        occurred_at=at,
        data=ReplicationFinished(
            replication_id=replication.replication_id,
            period=replication.period,
            dry_run=replication.dry_run,
            entities=entities,
            failed=failed,
            conflicts=conflicts,
            without_storage=replication.without_storage,
            summary=f"Replication {replication.replication_id} has finished: {entities} entities,"
            f" {failed} of them failed. {conflicts} documents were not put where others are;"
            f" {replication.without_storage} further entities have no storage account."
            " Its report says more.",
        ),
    )
