"""The API of replications, and customers whose storage is simulated."""

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from customers.table import save_customer, save_entity
from local.cloud.client import wait_until
from local.cloud.issuer import issue_token
from local.cloud.settings import Instance
from local.providers.accounts import open_account
from local.providers.client import RunningSimulator
from local.providers.contents import documents_there, wanted_documents
from local.providers.storages import Storages, storages
from replication.rules.periods import Period
from shared.customers import Customer, Entity
from tests.cloud import INSTANCE, SECONDS_TO_WAIT, TestCloud
from tests.communications import physical_id

ENDED = ("FINISHED", "FAILED", "CANCELLED")


@dataclass
class Client:
    """A customer of a test: what lies in our bucket for them, and where it is to go."""

    customer: Customer
    simulator: RunningSimulator
    entities: dict[str, Entity] = field(default_factory=dict)
    standing: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By entity, the documents that each period begins with."""

    @property
    def customer_id(self) -> str:
        return self.customer.customer_id

    @property
    def names(self) -> list[str]:
        return [f"{self.customer_id}/{entity_id}" for entity_id in self.entities]

    def wanted(self, period: str) -> dict[str, str]:
        """Every document that is to be there after a period, with its SHA-256."""
        found: dict[str, str] = {}
        for entity_id, entity in self.entities.items():
            standing = self.standing[entity_id]
            found |= wanted_documents(entity, entity.name, Period.parse(period), standing)
        return found

    def there(self) -> dict[str, str]:
        return documents_there(self.simulator, self.customer_id)


@dataclass
class Replications:
    """Asks for periods, and waits for what comes of them."""

    cloud: TestCloud
    instance: Instance
    seed: int = 1

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        token = issue_token(self.instance, "tester", ["operator"], seconds=7200)
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    # --- customers

    def new_client(
        self, simulator: RunningSimulator, entities: int = 1, *, large: int = 0, **changed: Any
    ) -> Client:
        """A customer with an account of their own and some entities; with `large`, each has a
        document of so many bytes besides.
        """
        customer_id = f"t{uuid.uuid4().hex[:10]}"
        account = open_account(self.cloud.endpoint, simulator, customer_id)
        customer = Customer(customer_id=customer_id, name="Any", storage=account)
        client = Client(customer, simulator)
        save_customer(self.cloud.dynamodb, self.cloud.outputs["CustomersTableName"], customer)
        for number in range(1, entities + 1):
            documents = {"Bank/a.pdf": self.content(2000), "Bank/Übersicht.txt": self.content(60)}
            if large:
                documents["Scans/large.bin"] = self.content(large)
            self.add_entity(client, f"e{number}", documents, **changed)
        return client

    def add_entity(
        self, client: Client, entity_id: str, documents: dict[str, bytes], **changed: Any
    ) -> None:
        values = {
            "customer_id": client.customer_id,
            "entity_id": entity_id,
            "name": f"Depot {entity_id}",
            "folders": ("Bank", "Freight/Bills"),
            "templates": ("month-end-checklist",),
            "holidays": "DE",
        }
        entity = Entity.model_validate(values | changed)
        client.entities[entity_id], client.standing[entity_id] = entity, documents
        save_entity(self.cloud.dynamodb, self.cloud.outputs["CustomersTableName"], entity)
        for path, content in documents.items():
            self.cloud.s3.put_object(
                Bucket=self.cloud.outputs["DocumentsBucketName"],
                Key=f"documents/{client.customer_id}/{entity_id}/{path}",
                Body=content,
                ChecksumAlgorithm="SHA256",
            )

    def content(self, size: int) -> bytes:
        """Bytes that no other document has."""
        self.seed += 1
        return random.Random(self.seed).randbytes(size)

    # --- the API

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the API answers to a request that succeeds."""
        url = f"{self.cloud.outputs['ApiBaseUrl']}/replications{path}"
        reply = self._session.request(method, url, json=body, timeout=60)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json()

    def request(self, period: str, *clients: Client, **options: Any) -> str:
        """Ask for a period; the replication's id."""
        names = [name for client in clients for name in client.names]
        asked = self.ask("POST", "", {"period": period, "entities": names} | options)
        return str(asked["replication_id"])

    def read(self, replication_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/{replication_id}")
        return found

    def steer(self, replication_id: str, action: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("POST", f"/{replication_id}/{action}", {})
        return found

    def when(
        self, replication_id: str, is_so: Callable[[dict[str, Any]], bool], what: str
    ) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.read(replication_id)
            return found if is_so(found) else None

        return wait_until(look, SECONDS_TO_WAIT, f"{replication_id}: {what}")

    def ended(self, replication_id: str) -> dict[str, Any]:
        """The replication once it has ended."""
        return self.when(replication_id, lambda it: it["state"] in ENDED, "its end")

    # --- behind the API

    def watch(self) -> None:
        """Do what the schedule does each minute."""
        self.invoke("ReplicationWatchReplicationsFunction")

    def invoke(self, logical_id: str, event: dict[str, Any] | None = None) -> Any:
        reply = self.cloud.awslambda.invoke(
            FunctionName=physical_id(self.cloud.endpoint, logical_id),
            Payload=json.dumps(event or {}).encode(),
        )
        answer = json.loads(reply["Payload"].read())
        assert "FunctionError" not in reply, answer
        return answer

    def running(self, machine: str, replication_id: str) -> list[str]:
        """The ARNs of executions that run for a replication, of Plan, Service, Worker or Task."""
        arn = self.cloud.outputs[f"Replication{machine}StateMachineArn"]
        return [
            one["executionArn"]
            for one in self.cloud.executions(arn, "RUNNING")
            if one["name"].startswith(replication_id)
        ]

    def age_beat(self, replication_id: str, provider: str) -> None:
        """As if the service had not beaten for a long time."""
        self.cloud.dynamodb.update_item(
            TableName=self.cloud.outputs["ReplicationsTableName"],
            Key={"replication_id": {"S": replication_id}, "item": {"S": f"service#{provider}"}},
            UpdateExpression="SET beat_at = :long_ago",
            ExpressionAttributeValues={":long_ago": {"S": "2026-01-01T00:00:00Z"}},
        )


@contextmanager
def simulators(folder: Path, **settings: Any) -> Iterator[Storages]:
    """A Nextcloud and an S3 without limits, unless the settings of the former say so."""
    free = {"limits": [{"scope": "server", "units": None}], "chunk_minimum": 1024}
    with storages(INSTANCE, folder, nextcloud=free | settings, s3={}) as both:
        yield both


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
