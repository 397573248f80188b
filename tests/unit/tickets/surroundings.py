"""What lies in the tables of tickets, which executions there are, and what has reached people."""

import json
from importlib import import_module
from typing import Any

from moto.backends import get_backend
from moto.stepfunctions.exceptions import AWSError

from customers.table import save_customer
from shared.customers import Customer
from shared.items import to_attributes, to_values
from tests.unit.template import ACCOUNT, REGION
from tickets.rules.queue import Queue
from tickets.rules.representative import Profile, Representative
from tickets.rules.ticket import Entry, Notice, Ticket

from .factories import ID, any_queue, at

OTHER = "7d793037a0760186574b0282f2f435e7"
THIRD = "9dd4e461268c8034f5c8564e155c67a6"
SARAH, JANE = "sarah.k", "jane.d"
TOKEN = "any-task-token"


def any_notice(**changed: Any) -> Notice:
    return Notice.model_validate(
        {
            "notice_id": "2-0-case_update-email",
            "channel": "email",
            "template": "case_update",
            "fields": {"name": "John Smith", "status": "any"},
            "recipient": "john.smith@example.com",
        }
        | changed
    )


class Tasks:
    """Waits of executions: what is completed once is over, and so is what was timed out."""

    def __init__(self) -> None:
        self.completed: list[str] = []
        self.over: dict[str, str] = {}

    def end(self, token: str, code: str) -> None:
        self.over[token] = code

    def complete(self, token: str) -> None:
        if code := self.over.get(token):
            raise type(code, (AWSError,), {"TYPE": code, "STATUS": 400})("any message")
        self.completed.append(token)
        self.over[token] = "TaskTimedOut"


class Surroundings:
    """The cloud as this domain uses it. What is put here needs a step that is loaded."""

    def __init__(self, cloud: Any, tasks: Tasks) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.put_queue(any_queue())

    # --- tickets

    def put(self, ticket: Ticket, **workflow: Any) -> Ticket:
        """Store a ticket as the code itself stores it, with its workflow's item."""
        table = import_module("tickets.tickets_table")
        values = {"run": 1, "restarts": 0, "outbox": {}, "watched": "yes", "attention_at": at()}
        given = {name: one for name, one in (values | workflow).items() if one is not None}
        items = {
            "TicketsTable": table._item(ticket),
            "TicketWorkflowsTable": to_attributes({"ticket_id": ticket.ticket_id, **given}),
        }
        self.cloud.dynamodb.batch_write_item(
            RequestItems={
                self.cloud.name(name): [{"PutRequest": {"Item": item}}]
                for name, item in items.items()
            }
        )
        return ticket

    def get(self, ticket_id: str = ID) -> Ticket:
        return Ticket.model_validate(self.item(ticket_id))

    def item(self, ticket_id: str = ID) -> dict[str, Any]:
        """The ticket's item with all its columns."""
        return self._get("TicketsTable", {"ticket_id": ticket_id})

    def every_ticket(self) -> list[Ticket]:
        return [Ticket.model_validate(item) for item in self._scan("TicketsTable")]

    def workflow(self, ticket_id: str = ID) -> dict[str, Any]:
        return self._get("TicketWorkflowsTable", {"ticket_id": ticket_id})

    def history(self, ticket_id: str = ID) -> list[Entry]:
        items = self._scan("TicketHistoryTable")
        own = [item for item in items if item["ticket_id"] == ticket_id]
        return [Entry.model_validate(item) for item in sorted(own, key=lambda one: one["entry"])]

    def events(self, ticket_id: str = ID) -> list[str]:
        """What has happened to a ticket."""
        return [entry.event for entry in self.history(ticket_id)]

    def outbox(self, ticket_id: str = ID) -> list[str]:
        """Templates of what somebody is still to get."""
        notices = self.workflow(ticket_id)["outbox"]
        return [notices[notice_id]["template"] for notice_id in sorted(notices)]

    # --- who works on them

    def put_representative(self, *given: Representative) -> None:
        table = import_module("tickets.representatives_table")
        for one in given:
            profile = Profile.model_validate(one.model_dump(include=set(Profile.model_fields)))
            table.put_profile(one.representative_id, profile, 0)
            if one.load:
                self.set_load(one.representative_id, one.load)

    def set_load(self, representative_id: str, load: int) -> None:
        self.cloud.dynamodb.update_item(
            TableName=self.cloud.name("RepresentativesTable"),
            Key={"representative_id": {"S": representative_id}},
            UpdateExpression="SET #load = :load",
            ExpressionAttributeNames={"#load": "load"},
            ExpressionAttributeValues={":load": {"N": str(load)}},
        )

    def deactivate(self, representative_id: str) -> None:
        table = import_module("tickets.representatives_table")
        current = table.get_representative(representative_id)
        values = current.model_dump(include=set(Profile.model_fields)) | {"active": False}
        table.put_profile(representative_id, Profile.model_validate(values), current.version)

    def loads(self) -> dict[str, int]:
        """Who has how many tickets."""
        items = self._scan("RepresentativesTable")
        return {item["representative_id"]: int(item["load"]) for item in items}

    def put_queue(self, queue: Queue) -> None:
        item = {"kind": "queue", "name": queue.name, "version": 1}
        settings = {"settings": queue.model_dump_json()}
        self._put("QueuesTable", to_attributes(item | settings))

    # --- customers, executions, people

    def put_customer(self, **changed: Any) -> None:
        customer = Customer(
            **{"customer_id": "1001", "name": "John Smith", "email": "john.smith@example.com"}
            | changed
        )
        save_customer(self.cloud.dynamodb, self.cloud.name("CustomersTable"), customer)

    def executions(self) -> dict[str, Any]:
        """Name -> input of what was started."""
        return {one.name: json.loads(one.execution_input) for one in self._machine().executions}

    def start(self, name: str, status: str = "RUNNING", **given: Any) -> str:
        """An execution that was started before; gives its ARN."""
        started = self.cloud.stepfunctions.start_execution(
            stateMachineArn=self.cloud.arn("TicketStateMachine"),
            name=name,
            input=json.dumps({"ticket_id": ID, "run": 1} | given),
        )
        [execution] = [one for one in self._machine().executions if one.name == name]
        execution.status = status
        return str(started["executionArn"])

    def fail(self, name: str, error: str, cause: str) -> None:
        """Have an execution end with an error."""
        [execution] = [one for one in self._machine().executions if one.name == name]
        execution.status, execution.error, execution.cause = "FAILED", error, cause

    def forget(self, name: str) -> None:
        """Have Step Functions know no execution of that name any more."""
        machine = self._machine()
        machine.executions = [one for one in machine.executions if one.name != name]

    def alerts(self) -> list[tuple[str, str]]:
        """Subject and text of what the alerts topic was told."""
        topics = get_backend("sns")[ACCOUNT][REGION].topics
        told = topics[self.cloud.arn("AlertsTopic")].sent_notifications
        return [(subject, text) for _, text, subject, *_ in told]

    def _machine(self) -> Any:
        backend = get_backend("stepfunctions")[ACCOUNT][REGION]
        return backend.describe_state_machine(self.cloud.arn("TicketStateMachine"))

    # --- items

    def _put(self, table: str, item: dict[str, Any]) -> None:
        self.cloud.dynamodb.put_item(TableName=self.cloud.name(table), Item=item)

    def _get(self, table: str, key: dict[str, str]) -> dict[str, Any]:
        reply = self.cloud.dynamodb.get_item(
            TableName=self.cloud.name(table), Key=to_attributes(key)
        )
        return to_values(reply["Item"])

    def _scan(self, table: str) -> list[dict[str, Any]]:
        reply = self.cloud.dynamodb.scan(TableName=self.cloud.name(table))
        return [to_values(item) for item in reply["Items"]]
