"""Starting what plans a replication, and what drives its services.

The table is written first. A start that is lost is made up for by the schedule.
"""

import os
from typing import Any

from replication.replications_table import update_service
from replication.rules.replication import Replication, Service, plan_name, service_name
from shared.errors import TransientError
from shared.executions import start_once
from shared.observability import count, logger
from shared.times import format_time, now

PLAN_STATE_MACHINE_ARN = os.environ["REPLICATION_PLAN_STATE_MACHINE_ARN"]
SERVICE_STATE_MACHINE_ARN = os.environ["REPLICATION_SERVICE_STATE_MACHINE_ARN"]


def begin_plan(replication: Replication) -> None:
    """Have a replication planned; a plan that was begun before stays the only one."""
    given: dict[str, Any] = {
        "replication_id": replication.replication_id,
        "plan": replication.plan,
    }
    _start(PLAN_STATE_MACHINE_ARN, plan_name(**given), given)


def begin_run(service: Service, **values: Any) -> bool:
    """Start a service's next run; False where somebody else has."""
    run = service.run + 1
    at = format_time(now())
    if not update_service(service, run=run, state="RUNNING", beat_at=at, **values):
        return False
    given: dict[str, Any] = {
        "replication_id": service.replication_id,
        "provider": service.provider,
        "run": run,
    }
    _start(SERVICE_STATE_MACHINE_ARN, service_name(**given), given)
    return True


def _start(state_machine_arn: str, name: str, given: dict[str, Any]) -> None:
    try:
        start_once(state_machine_arn, name, given)
    except TransientError as error:
        count("StartLeftToSchedule")
        logger.warning("execution not started", execution=name, error=error.code)
