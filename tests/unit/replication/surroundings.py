"""What lies in the tables and buckets of replication, and which executions there are."""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from moto.backends import get_backend

from customers.table import save_customer, save_entity
from replication.rules.replication import Batch, Replication, Service
from shared.customers import Customer, Entity
from shared.items import to_values
from tests.unit.template import ACCOUNT, REGION


class Surroundings:
    """The cloud as this domain uses it. What is put here needs a step that is loaded."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud

    @property
    def table(self) -> Any:
        """The domain's own module, as the loaded step has it."""
        return import_module("replication.replications_table")

    # --- records

    def put(self, *records: Replication | Service | Batch) -> None:
        """Store records as they are, in the place of others."""
        for record in records:
            if isinstance(record, Replication):
                self.delete("replication", record.replication_id)
                assert self.table.create_replication(record)
                if record.state in ("FINISHED", "CANCELLED", "FAILED"):
                    values = {n: getattr(record, n) for n in ("error", "cause", "finished_at")}
                    given = {name: value for name, value in values.items() if value}
                    self.table.change_state(
                        record.replication_id, [record.state], record.state, **given
                    )
            elif isinstance(record, Service):
                self.delete(f"service#{record.provider}", record.replication_id)
                assert self.table.put_service(record, None)
        batches = [record for record in records if isinstance(record, Batch)]
        self.table.put_batches(batches)
        for batch in batches:
            if batch.current is not None:
                self.table.record_outcome(batch, None, batch.current, batch.seen_at, batch.put_off)

    def delete(self, item: str, replication_id: str) -> None:
        self.cloud.dynamodb.delete_item(
            TableName=self.cloud.name("ReplicationsTable"),
            Key={"replication_id": {"S": replication_id}, "item": {"S": item}},
        )

    def replication(self, replication_id: str = "2026-12-all") -> Replication:
        return self.table.known_replication(replication_id)

    def service(self, provider: str = "webdav", replication_id: str = "2026-12-all") -> Service:
        found = self.table.get_service(replication_id, provider)
        assert found is not None
        return found

    def batch(self, number: int = 1, provider: str = "webdav") -> Batch:
        return self.table.get_batch("2026-12-all", provider, number)

    def batches(self, provider: str | None = None) -> list[Batch]:
        return list(self.table.batches_of("2026-12-all", provider))

    def items(self) -> list[dict[str, Any]]:
        reply = self.cloud.dynamodb.scan(TableName=self.cloud.name("ReplicationsTable"))
        return [to_values(item) for item in reply["Items"]]

    # --- customers and documents

    def put_customer(self, customer: Customer, *entities: Entity) -> None:
        table = self.cloud.name("CustomersTable")
        save_customer(self.cloud.dynamodb, table, customer)
        for entity in entities:
            save_entity(self.cloud.dynamodb, table, entity)

    def put_document(self, key: str, content: bytes = b"any") -> None:
        self.cloud.s3.put_object(Bucket=self.cloud.name("DocumentsBucket"), Key=key, Body=content)

    def delete_document(self, key: str) -> None:
        self.cloud.s3.delete_object(Bucket=self.cloud.name("DocumentsBucket"), Key=key)

    def document(self, key: str) -> bytes:
        reply = self.cloud.s3.get_object(Bucket=self.cloud.name("DocumentsBucket"), Key=key)
        return bytes(reply["Body"].read())

    def document_keys(self) -> list[str]:
        return self.cloud.keys("DocumentsBucket")

    # --- executions and people

    def executions(self, machine: str) -> dict[str, Any]:
        """Name -> input of what was started of ReplicationPlan, ...Service, ...Worker."""
        return {one.name: json.loads(one.execution_input) for one in self._executions(machine)}

    def start(self, machine: str, name: str, status: str = "RUNNING", **given: Any) -> str:
        """An execution that was started before; gives its ARN."""
        started = self.cloud.stepfunctions.start_execution(
            stateMachineArn=self.cloud.arn(f"{machine}StateMachine"),
            name=name,
            input=json.dumps(given),
        )
        [execution] = [one for one in self._executions(machine) if one.name == name]
        execution.status = status
        return str(started["executionArn"])

    def alerts(self) -> list[tuple[str, str]]:
        """Subject and text of what the alerts topic was told."""
        topics = get_backend("sns")[ACCOUNT][REGION].topics
        told = topics[self.cloud.arn("AlertsTopic")].sent_notifications
        return [(subject, text) for _, text, subject, *_ in told]

    def _executions(self, machine: str) -> Iterator[Any]:
        backend = get_backend("stepfunctions")[ACCOUNT][REGION]
        return iter(
            backend.describe_state_machine(self.cloud.arn(f"{machine}StateMachine")).executions
        )
