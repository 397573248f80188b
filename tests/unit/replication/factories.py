"""Records whose values do not matter but for what a test changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from replication.rules.replication import Batch, Current, EntityRef, Replication, Service
from shared.customers import Customer, Entity, StorageAccount
from shared.times import format_time

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
ID = "2026-12-all"
PROVIDER = "webdav"


def at(seconds: float = 0) -> str:
    """A time so long after NOW."""
    return format_time(NOW + timedelta(seconds=seconds))


def any_replication(**changed: Any) -> Replication:
    return Replication.model_validate(
        {
            "replication_id": ID,
            "period": "2026-12",
            "state": "RUNNING",
            "planned": True,
            "requested_by": "somebody",
            "requested_at": at(-60),
        }
        | changed
    )


def any_service(**changed: Any) -> Service:
    return Service.model_validate(
        {
            "replication_id": ID,
            "provider": PROVIDER,
            "run": 1,
            "plan": 1,
            "state": "RUNNING",
            "batches": 3,
            "entities": 6,
            "calls_planned": 60,
            "scopes": {"server": 1},
            "began_at": at(-30),
            "beat_at": at(-5),
        }
        | changed
    )


def refs(*names: str, customer_id: str = "1003") -> tuple[EntityRef, ...]:
    return tuple(
        EntityRef(customer_id=customer_id, entity_id=name, folder=name.title()) for name in names
    )


def any_batch(**changed: Any) -> Batch:
    """A batch that nobody has started."""
    return Batch.model_validate(
        {
            "replication_id": ID,
            "provider": PROVIDER,
            "batch": 1,
            "entities": refs("north", "south"),
            "calls": 20,
        }
        | changed
    )


def started(batch: Batch, **changed: Any) -> Batch:
    values = {
        "attempt": 1,
        "open": f"{batch.replication_id}#{batch.provider}",
        "seen_at": at(-1),
        "started_at": at(-1),
    }
    return Batch.model_validate(batch.model_dump() | values | changed)


def any_current(**changed: Any) -> Current:
    """The second entity of a batch, given to its worker just now."""
    return Current.model_validate({"position": 1, "given_at": NOW.timestamp()} | changed)


def any_customer(customer_id: str = "1003", **changed: Any) -> Customer:
    account = StorageAccount(
        provider="webdav",
        location="https://cloud.example/remote.php/dav/files/books",
        secret_name=f"aftercall/storage/{customer_id}",
    )
    values = {"customer_id": customer_id, "name": "Lindgren Logistics", "storage": account}
    return Customer.model_validate(values | changed)


def any_entity(entity_id: str = "north", customer_id: str = "1003", **changed: Any) -> Entity:
    values = {
        "customer_id": customer_id,
        "entity_id": entity_id,
        "name": entity_id.title(),
        "folders": ("Bank", "Freight/Bills"),
        "templates": ("month-end-checklist",),
    }
    return Entity.model_validate(values | changed)
