"""Group the entities of a replication by the storage provider of their customers.

All customers are read page by page; a retry takes the entities that failed instead. The groups lie
in our own bucket, because a hundred thousand entities fit into no payload.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from replication.plans import GroupedCustomer, GroupedEntity, Groups, write_group
from replication.replications_table import batches_of, known_replication, services_of
from replication.rules.paths import folder_names
from replication.rules.replication import Batch, Replication, Service
from replication.scopes import scope_ids
from shared.customers import Customer, Entity, entities_of, get_customer, whole_customers
from shared.observability import logger, step

CUSTOMERS_TABLE_NAME = os.environ["CUSTOMERS_TABLE_NAME"]
ENOUGH_MILLISECONDS = 60_000
"""What must be left of the function's time to read another page."""


class Input(TypedDict):
    replication_id: str
    plan: int
    cursor: Groups | None


class Output(TypedDict):
    status: Literal["done", "more"]
    cursor: Groups


@step
def handler(event: Input, context: LambdaContext) -> Output:
    replication = known_replication(event["replication_id"])
    cursor = event["cursor"] or Groups(
        start=None, done=False, parts={}, without_storage=0, unknown=0, unreadable=0
    )
    if replication.planned:
        group(cursor, event, failed_customers(replication))
        cursor["done"] = True
    elif replication.entities is not None:
        group(cursor, event, named_customers(cursor, replication.entities))
        cursor["done"] = True
    while not cursor["done"]:
        page = whole_customers(CUSTOMERS_TABLE_NAME, cursor["start"])
        group(cursor, event, [one for own in page.customers for one in grouped(cursor, *own)])
        cursor["unreadable"] += page.unreadable
        cursor["start"], cursor["done"] = page.next, page.next is None
        if context.get_remaining_time_in_millis() < ENOUGH_MILLISECONDS:
            break
    logger.info("entities grouped", parts=sum(cursor["parts"].values()), done=cursor["done"])
    return {"status": "done" if cursor["done"] else "more", "cursor": cursor}


def group(cursor: Groups, event: Input, customers: Iterable[tuple[str, GroupedCustomer]]) -> None:
    """Write one more group for each provider that there is among these customers."""
    by_provider: dict[str, list[GroupedCustomer]] = {}
    for provider, customer in customers:
        by_provider.setdefault(provider, []).append(customer)
    for provider, found in sorted(by_provider.items()):
        part = cursor["parts"].get(provider, 0) + 1
        write_group(event["replication_id"], event["plan"], provider, part, found)
        cursor["parts"][provider] = part


def grouped(
    cursor: Groups, customer: Customer, entities: list[Entity], wanted: set[str] | None = None
) -> Iterator[tuple[str, GroupedCustomer]]:
    """A customer's entities, or those wanted, under the provider; counted where there is none.

    The folder of an entity depends on the names of all others that the customer has.
    """
    names = folder_names([(entity.entity_id, entity.name) for entity in entities])
    chosen = [one for one in entities if wanted is None or one.entity_id in wanted]
    if customer.storage is None:
        cursor["without_storage"] += len(chosen)
    elif chosen:
        own: list[GroupedEntity] = [
            {
                "entity_id": entity.entity_id,
                "folder": names[entity.entity_id],
                "calls": guessed_calls(entity),
            }
            for entity in chosen
        ]
        scopes = scope_ids(customer.customer_id, customer.storage)
        yield (
            customer.storage.provider,
            {"customer_id": customer.customer_id, "scopes": scopes, "entities": own},
        )


def guessed_calls(entity: Entity) -> int:
    """A folder each and two for the period, a document for each template and folder."""
    return 2 + 2 * len(entity.folders) + 2 * len(entity.templates)


def named_customers(
    cursor: Groups, names: tuple[str, ...]
) -> Iterator[tuple[str, GroupedCustomer]]:
    """The entities that were named, under their customers; counted where there is none such."""
    for customer_id, own in groupby(sorted(names), lambda name: name.partition("/")[0]):
        wanted = {name.partition("/")[2] for name in own}
        try:
            customer = get_customer(CUSTOMERS_TABLE_NAME, customer_id)
            entities = list(entities_of(CUSTOMERS_TABLE_NAME, customer_id)) if customer else []
        except ValidationError:  # It keeps nobody else from being replicated.
            cursor["unreadable"] += len(wanted)
            continue
        cursor["unknown"] += len(wanted - {entity.entity_id for entity in entities})
        if customer is not None:
            yield from grouped(cursor, customer, entities, wanted)


def failed_customers(replication: Replication) -> Iterator[tuple[str, GroupedCustomer]]:
    """The entities that failed and that nothing has taken up again, each under its customer."""
    for service in services_of(replication.replication_id):
        for batch in batches_of(replication.replication_id, service.provider):
            yield from failed_of(batch, service)


def failed_of(batch: Batch, service: Service) -> Iterator[tuple[str, GroupedCustomer]]:
    calls = max(batch.calls // max(len(batch.entities), 1), 1)
    for position in batch.failed(service):
        entity = batch.entities[position]
        yield (
            service.provider,
            {
                "customer_id": entity.customer_id,
                "scopes": {},
                "entities": [
                    {"entity_id": entity.entity_id, "folder": entity.folder, "calls": calls}
                ],
            },
        )
