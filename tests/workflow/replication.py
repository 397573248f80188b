"""What tests give the machines of replication, and their variants."""

import uuid
from typing import Any

from tests.workflow.machines import Variant


def given_plan() -> dict[str, Any]:
    return {"replication_id": _id(), "plan": 1}


def given_service() -> dict[str, Any]:
    return {"replication_id": _id(), "provider": "s3", "run": 1}


def given_worker() -> dict[str, Any]:
    return {"replication_id": _id(), "provider": "s3", "batch": 1, "attempt": 1}


def given_task() -> dict[str, Any]:
    entity = {"position": 0, "customer_id": "mocked", "entity_id": "mocked"}
    return given_worker() | entity | {"period": "2026-12", "dry_run": False, "cursor": None}


GIVEN = {
    "replication_plan": given_plan,
    "replication_service": given_service,
    "replication_worker": given_worker,
    "replication_task": given_task,
}


def _id() -> str:
    """That of a replication which nobody has asked for."""
    return f"2026-12-{uuid.uuid4().hex[:8]}"


VARIANTS: dict[str, Variant] = {}
