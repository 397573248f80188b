"""Look after replications that nothing drives: a start that was lost, an execution that is gone.

A service's run shows itself with every beat. Where none was seen for a while and no execution goes
on, the schedule starts the next run, each time after twice as long, until one beats again. So it is
with a replication all of whose services have finished, and that has not: a run ends it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from replication.replications_table import change_state, open_replications, services_of
from replication.rules.replication import Replication, Service, plan_name, service_name
from replication.running import (
    PLAN_STATE_MACHINE_ARN,
    SERVICE_STATE_MACHINE_ARN,
    begin_plan,
    begin_run,
)
from shared.errors import TransientError
from shared.executions import status_of
from shared.observability import count, logger, step
from shared.times import format_time, now, parse_time

PATIENCE = timedelta(seconds=60)
MOST_DOUBLINGS = 8


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    for replication in open_replications():
        with comes_again(replication):
            look_after(replication)


@contextmanager
def comes_again(replication: Replication) -> Iterator[None]:
    """One that cannot be looked after does not keep the others waiting."""
    try:
        yield
    except (ClientError, TransientError) as error:
        count("ReplicationNotLookedAfter")
        logger.error(
            "replication not looked after",
            replication_id=replication.replication_id,
            error=type(error).__name__,
        )


def look_after(replication: Replication) -> None:
    if replication.state == "PLANNING":
        look_after_plan(replication)
    elif replication.state == "RUNNING":
        services = services_of(replication.replication_id)
        left = [service for service in services if service.state != "FINISHED"]
        for service in left or services[:1]:
            with comes_again(replication):
                look_after_service(service)


def look_after_plan(replication: Replication) -> None:
    """Have it planned, or note that its plan broke off without a word."""
    name = plan_name(replication.replication_id, replication.plan)
    status = status_of(PLAN_STATE_MACHINE_ARN, name)
    if status is None:
        begin_plan(replication)
    elif status == "SUCCEEDED" and replication.planned:
        # It was resumed in the moment in which its plan was done.
        change_state(replication.replication_id, ["PLANNING"], "RUNNING", of_plan=replication.plan)
    elif status != "RUNNING":
        change_state(
            replication.replication_id,
            ["PLANNING"],
            "FAILED",
            of_plan=replication.plan,
            finished_at=format_time(now()),
            error=f"Plan{status.title().replace('_', '')}",
            cause="The execution that planned it came to no state that could have said more.",
        )


def look_after_service(service: Service) -> None:
    """Start the next run of a service that does not beat and that nothing drives."""
    patience = PATIENCE * 2 ** min(service.restarts, MOST_DOUBLINGS)
    if now() - parse_time(service.beat_at) < patience:
        return
    name = service_name(service.replication_id, service.provider, service.run)
    if service.state == "RUNNING" and status_of(SERVICE_STATE_MACHINE_ARN, name) == "RUNNING":
        return
    if begin_run(service, restarts=service.restarts + 1):
        count("ServiceRestarted")
        logger.warning("a service is started again", provider=service.provider)
