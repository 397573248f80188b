"""What lies in the tables and queues of communications, and what has reached people."""

import hashlib
import json
from importlib import import_module
from itertools import batched
from typing import Any

from moto.backends import get_backend

from communications.rules.communication import Communication
from customers.table import save_customer
from shared.customers import Customer
from shared.items import to_attributes, to_values
from tests.unit.template import ACCOUNT, REGION, client

from .factories import ID

FAR_AHEAD = "2999-01-01T00:00:00Z"
LONG_AGO = "2026-03-02T09:00:00Z"


class Surroundings:
    """The cloud as this domain uses it. What is put here needs a step that is loaded."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        client("ses").verify_email_identity(EmailAddress="service@aftercall.example")

    # --- communications

    def put(self, *communications: Communication) -> None:
        """Store communications as the code itself stores them."""
        table = import_module("communications.communications_table")
        puts = [{"PutRequest": {"Item": table._item(one)}} for one in communications]
        for some in batched(puts, 25, strict=False):
            self.cloud.dynamodb.batch_write_item(
                RequestItems={table.COMMUNICATIONS_TABLE_NAME: list(some)}
            )

    def get(self, communication_id: str = ID) -> Communication:
        return Communication.model_validate(self.item(communication_id))

    def item(self, communication_id: str = ID) -> dict[str, Any]:
        """The item with all its columns."""
        key = {"communication_id": {"S": communication_id}}
        reply = self.cloud.dynamodb.get_item(
            TableName=self.cloud.name("CommunicationsTable"), Key=key
        )
        return to_values(reply["Item"])

    def all(self) -> list[Communication]:
        reply = self.cloud.dynamodb.scan(TableName=self.cloud.name("CommunicationsTable"))
        return [Communication.model_validate(to_values(item)) for item in reply["Items"]]

    def put_customer(self, **changed: Any) -> None:
        customer = Customer(
            **{"customer_id": "1001", "name": "John Smith", "email": "john.smith@example.com"}
            | changed
        )
        save_customer(self.cloud.dynamodb, self.cloud.name("CustomersTable"), customer)

    def suppress(self, address: str, reason: str = "bounce") -> None:
        item = {
            "address_id": hashlib.sha256(address.lower().encode()).hexdigest(),
            "address": address,
            "reason": reason,
            "by": "any",
            "at": LONG_AGO,
        }
        self.cloud.dynamodb.put_item(
            TableName=self.cloud.name("SuppressionsTable"), Item=to_attributes(item)
        )

    def suppressed(self) -> dict[str, str]:
        """Address -> reason."""
        reply = self.cloud.dynamodb.scan(TableName=self.cloud.name("SuppressionsTable"))
        return {item["address"]["S"]: item["reason"]["S"] for item in reply["Items"]}

    # --- redrives

    def put_run(self, run_id: str, **changed: Any) -> None:
        values = {
            "run_id": run_id,
            "item": "run",
            "kind": "run",
            "started_at": "2026-03-02T09:16:04Z",
            "started_by": "sarah.k",
            "selection": {},
            "canary": False,
            "state": "REQUESTED",
        }
        self._put_redrive(values | changed)

    def put_batch(self, run_id: str, number: int, **changed: Any) -> None:
        values = {
            "run_id": run_id,
            "item": f"batch#{number:05}",
            "batch": number,
            "stage": 1,
            "state": "RUNNING",
            "communications": [],
        }
        self._put_redrive(values | changed)

    def _put_redrive(self, values: dict[str, Any]) -> None:
        self.cloud.dynamodb.put_item(
            TableName=self.cloud.name("RedrivesTable"), Item=to_attributes(values)
        )

    def redrive_items(self, run_id: str) -> dict[str, dict[str, Any]]:
        """The run and its batches, by their item's name."""
        reply = self.cloud.dynamodb.scan(TableName=self.cloud.name("RedrivesTable"))
        items = [to_values(item) for item in reply["Items"]]
        return {item["item"]: item for item in items if item["run_id"] == run_id}

    def executions(self, machine: str = "CommunicationsRedriveStateMachine") -> dict[str, Any]:
        """Name -> input of the executions of a machine."""
        steps = self.cloud.stepfunctions
        listed = steps.list_executions(stateMachineArn=self.cloud.arn(machine))["executions"]
        described = [steps.describe_execution(executionArn=e["executionArn"]) for e in listed]
        return {one["name"]: json.loads(one["input"]) for one in described}

    # --- queues, and people

    def queued(self) -> list[Any]:
        """Messages that wait to be sent, with their delays, as moto keeps them."""
        return self._messages("CommunicationsQueue")

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.queued()]

    def delays(self) -> list[int]:
        """Seconds that the queue holds each message back."""
        return [
            max(0, round((message.delayed_until - message.sent_timestamp) / 1000))
            for message in self.queued()
        ]

    def dead_letters(self) -> list[tuple[str, str]]:
        """Body and reason of what was put aside."""
        return [
            (message.body, message.message_attributes["reason"]["StringValue"])
            for message in self._messages("CommunicationsDeadLetterQueue")
        ]

    def _messages(self, queue: str) -> list[Any]:
        return list(get_backend("sqs")[ACCOUNT][REGION].queues[self.cloud.name(queue)]._messages)

    def mails(self) -> list[Any]:
        return list(get_backend("ses")[ACCOUNT][REGION].sent_messages)

    def texts(self) -> list[tuple[str, str]]:
        """Phone number and text of each SMS."""
        return list(get_backend("sns")[ACCOUNT][REGION].sms_messages.values())


def record(body: Any, message_id: str = "message-1") -> dict[str, Any]:
    """A message as Lambda gets it from SQS."""
    template = {
        "receiptHandle": "any-receipt",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772442964000"},
        "messageAttributes": {},
        "md5OfBody": "any-digest",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:any-queue",
        "awsRegion": "us-east-1",
    }
    text = body if isinstance(body, str) else json.dumps(body)
    return template | {"messageId": message_id, "body": text}


def batch(*bodies: Any) -> dict[str, Any]:
    """Messages `message-1`, `message-2`, ... as one event."""
    return {"Records": [record(body, f"message-{n}") for n, body in enumerate(bodies, 1)]}


def failed_ids(result: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in result["batchItemFailures"]]
