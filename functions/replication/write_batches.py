"""Write a plan's batches, one provider after another, and say which services are to be started.

The order is fair to the customers, and the batches become smaller towards the end. A batch that
lies behind its service's last one is nobody's yet: so the step may run twice, and nothing is
started before all batches of all providers are written.
"""

import os
from collections import Counter, defaultdict
from typing import Literal, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.finishing import finish_if_all_have
from replication.plans import GroupedCustomer, Groups, read_group
from replication.replications_table import (
    batches_of,
    get_service,
    known_replication,
    note_planned,
    put_batches,
    put_service,
    services_of,
    take_up_again,
)
from replication.rules.batches import EntityWork, plan_batches
from replication.rules.limits import limits_of
from replication.rules.pulse import (
    FIRST_GUESS,
    Level,
    accounts_decide,
    effective_rate,
    seconds_of_worker,
    workers_wanted,
)
from replication.rules.replication import Batch, EntityRef, Largest, Replication, Service
from shared.errors import TransientError
from shared.observability import logger, step
from shared.times import format_time, now

MOST_WORKERS = int(os.environ["MOST_WORKERS"])
PROVIDER_LIMITS = os.environ["PROVIDER_LIMITS"]


class Cursor(TypedDict):
    providers: list[str]
    """Whose batches are written."""


class Started(TypedDict):
    provider: str
    run: int


class Input(TypedDict):
    replication_id: str
    plan: int
    groups: Groups
    cursor: Cursor | None


class Output(TypedDict):
    status: Literal["done", "more"]
    cursor: Cursor
    services: list[Started]


@step
def handler(event: Input, context: LambdaContext) -> Output:
    replication = known_replication(event["replication_id"])
    cursor = event["cursor"] or Cursor(providers=[])
    parts = dict(event["groups"]["parts"])
    if not replication.planned:
        # A plan that broke off may have written services that this one has nothing for.
        earlier = services_of(replication.replication_id)
        parts = {service.provider: 0 for service in earlier} | parts
    left = sorted(set(parts) - set(cursor["providers"]))
    if left:
        write_provider(replication, event["plan"], left[0], parts[left[0]])
        cursor = Cursor(providers=[*cursor["providers"], left[0]])
    if len(left) > 1:
        return {"status": "more", "cursor": cursor, "services": []}
    first = event["plan"] == 1 or not replication.planned
    groups = event["groups"]
    counts = {
        "without_storage": groups["without_storage"],
        "unknown": groups["unknown"],
        "unreadable": groups["unreadable"],
    }
    note_planned(replication.replication_id, **(counts if first else {}))
    services = [
        Started(provider=service.provider, run=service.run)
        for service in services_of(replication.replication_id)
        if service.plan == event["plan"]
    ]
    if not services:
        finish_if_all_have(replication.replication_id)
    return {"status": "done", "cursor": cursor, "services": services}


def write_provider(replication: Replication, plan: int, provider: str, parts: int) -> None:
    """Write the batches of one provider, and then that its service has them."""
    before = get_service(replication.replication_id, provider)
    if before is not None and before.plan == plan:
        return
    customers = [
        customer
        for part in range(1, parts + 1)
        for customer in read_group(replication.replication_id, plan, provider, part)
    ]
    work = [
        EntityWork(customer["customer_id"], one["entity_id"], one["folder"], one["calls"])
        for customer in customers
        for one in customer["entities"]
    ]
    earlier = before if before is not None and replication.planned else None
    service = planned_service(replication, plan, provider, before, earlier, customers)
    batches = batches_for(service, work)
    put_batches(batches)
    if earlier is not None:
        mark_retried(earlier, plan)
    complete = service.model_copy(
        update={
            "batches": service.batches + len(batches),
            "entities": service.entities + (0 if earlier else len(work)),
            "calls_planned": service.calls_planned + sum(one.calls for one in work),
            "retried": service.retried + (len(work) if earlier else 0),
        }
    )
    if not put_service(complete, before):
        raise TransientError("Conflict", "another execution has the service by now")
    logger.info("batches written", provider=provider, batches=len(batches), entities=len(work))


def planned_service(
    replication: Replication,
    plan: int,
    provider: str,
    before: Service | None,
    earlier: Service | None,
    customers: list[GroupedCustomer],
) -> Service:
    """The service as it is before the plan's batches are added; `earlier` is what a retry keeps."""
    at = format_time(now())
    changes = {
        "run": before.run + 1 if before else 1,
        "plan": plan,
        "state": "RUNNING",
        "beat_at": at,
        "finished_at": None,
        "restarts": 0,
    }
    if earlier is not None:
        return earlier.model_copy(update=changes)
    calls = calls_by_scope(customers)
    new = {
        "replication_id": replication.replication_id,
        "provider": provider,
        "batches": 0,
        "began_at": at,
        "scopes": {level: len(own) for level, own in calls.items()},
        "largest": largest_scopes(calls),
    }
    return Service.model_validate(new | changes)


def batches_for(service: Service, work: list[EntityWork]) -> list[Batch]:
    limits = limits_of(service.provider, PROVIDER_LIMITS)
    levels = [
        Level([limit.ceiling] * service.scopes.get(limit.scope, 1), limit.mean_cost())
        for limit in limits
    ]
    seconds = seconds_of_worker(levels, FIRST_GUESS)
    workers = workers_wanted(effective_rate(levels), seconds, MOST_WORKERS)
    batches = plan_batches(work, workers, in_proportion=accounts_decide(levels))
    return [
        Batch(
            replication_id=service.replication_id,
            provider=service.provider,
            batch=service.batches + number,
            calls=sum(one.calls for one in chosen),
            entities=tuple(
                EntityRef(customer_id=one.customer_id, entity_id=one.entity_id, folder=one.folder)
                for one in chosen
            ),
        )
        for number, chosen in enumerate(batches, 1)
    ]


def calls_by_scope(customers: list[GroupedCustomer]) -> dict[str, Counter[str]]:
    """How many calls are planned in each quota, by level and id."""
    calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for customer in customers:
        for level, scope_id in customer["scopes"].items():
            calls[level][scope_id] += sum(one["calls"] for one in customer["entities"])
    return dict(calls)


def largest_scopes(calls: dict[str, Counter[str]]) -> list[Largest]:
    """Of each level that has several quotas the one with the most calls."""
    several = ((level, own.most_common(1)) for level, own in calls.items() if len(own) > 1)
    return [Largest(key=f"{level}#{one}", calls=most) for level, [(one, most)] in several]


def mark_retried(earlier: Service, plan: int) -> None:
    """Note of the failed entities that the new batches have them."""
    for batch in batches_of(earlier.replication_id, earlier.provider):
        if positions := batch.failed(earlier):
            take_up_again(batch, positions, plan)
