"""Tickets as people see them who work with the API: supervisors, and representatives on shift."""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from local.cloud.client import Cloud, wait_until
from local.cloud.deployment import client
from local.cloud.issuer import ROLES, issue_token
from local.cloud.settings import Instance
from shared.times import format_time
from tests.deadlines import SECONDS_TO_WAIT

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PRIORITIES = ("urgent", "high", "normal", "low")
LONG = 3600

_TRY_AGAIN = Retry(
    total=8, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=None
)
"""When all processes of functions are busy, the gateway has none for the API. Every request of
these may be repeated: each has a key of its own.
"""


def open_on(days: Iterable[str]) -> dict[str, Any]:
    """A calendar of whole days, in UTC."""
    return {"time_zone": "UTC", "hours": {day: [["00:00", "24:00"]] for day in days}}


ALWAYS = open_on(DAYS)


def not_before_long() -> dict[str, Any]:
    """A calendar that is closed now and for days, so that nothing depends on the time of day."""
    return open_on([DAYS[(datetime.now(UTC).weekday() + 3) % 7]])


def tier(
    solution: int = LONG, first_response: int | None = None, update: int | None = None
) -> dict[str, Any]:
    """The same promises for every priority, in seconds."""
    targets = {
        "first_response": first_response or solution,
        "update": update,
        "solution": solution,
    }
    return {"targets": dict.fromkeys(PRIORITIES, targets)}


def shift(seconds: float = LONG, *, begins_in: float = -LONG) -> dict[str, str]:
    """A shift that lasts for so long from now on, or from when it begins on."""
    begin = datetime.now(UTC) + timedelta(seconds=begins_in)
    end = datetime.now(UTC) + timedelta(seconds=max(begins_in, 0) + seconds)
    return {"begins_at": begin.isoformat(), "ends_at": end.isoformat()}


def any_name(prefix: str) -> str:
    """A queue, a skill or a person of its own."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def events_of(ticket: dict[str, Any]) -> list[str]:
    """What happened to a ticket, in order."""
    return [entry["event"] for entry in ticket["history"]]


@dataclass
class Tickets:
    """The API of tickets of one instance, in anybody's name."""

    cloud: Cloud
    instance: Instance
    _tokens: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", HTTPAdapter(pool_maxsize=32, max_retries=_TRY_AGAIN))
        return session

    def token(self, by: str) -> str:
        """A token of somebody called like a role, who has that role, or of a representative."""
        if by not in self._tokens:
            role = by if by in ROLES else "representative"
            self._tokens[by] = issue_token(self.instance, by, [role], seconds=7200)
        return self._tokens[by]

    def ask(
        self, method: str, path: str, body: Any = None, *, by: str = "supervisor", key: str = ""
    ) -> requests.Response:
        """One request below /tickets, in somebody's name."""
        return self._session.request(
            method,
            f"{self.cloud.outputs['ApiBaseUrl']}/tickets{path}",
            json=body,
            headers={
                "Authorization": f"Bearer {self.token(by)}",
                "Idempotency-Key": key or uuid.uuid4().hex,
            },
            timeout=60,
        )

    def done(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What the API answers to a request that succeeds."""
        reply = self.ask(method, path, body, **options)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    # --- who works on what

    def store_queue(self, name: str, *, version: int = 0, **settings: Any) -> dict[str, Any]:
        """A queue that is always open, with one tier and no hurry, unless the settings say else."""
        stored = {"calendar": ALWAYS, "on_call": ALWAYS, "tiers": [tier()]} | settings
        path, body = f"/queues/{name}", {"version": version, "settings": stored}
        found: dict[str, Any] = self.done("PUT", path, body)
        return found

    def store_representative(
        self, representative_id: str, *, version: int = 0, **profile: Any
    ) -> dict[str, Any]:
        """Somebody of the first tier who is always there with room for one ticket, unless the
        profile says else.
        """
        stored = {
            "name": representative_id.title(),
            "email": f"{representative_id}@aftercall.example",
            "capacity": 1,
            "calendar": ALWAYS,
        }
        path = f"/representatives/{representative_id}"
        found: dict[str, Any] = self.done(
            "PUT", path, {"version": version, "profile": stored | profile}
        )
        return found

    # --- tickets

    def open(self, queue: str, *, key: str = "", **request: Any) -> dict[str, Any]:
        """Open a ticket; what the API shows of it."""
        body = {"subject": "No light", "queue": queue} | request
        found: dict[str, Any] = self.done("POST", "", body, key=key)
        return found

    def read(self, ticket_id: str) -> dict[str, Any]:
        """A ticket with its history."""
        found: dict[str, Any] = self.done("GET", f"/{ticket_id}")
        return found

    def act(self, ticket: dict[str, Any], action: str, by: str, **body: Any) -> dict[str, Any]:
        """Change the version that was read; the ticket as it is then."""
        path, change = f"/{ticket['ticket_id']}/{action}", {"version": ticket["version"], **body}
        found: dict[str, Any] = self.done("POST", path, change, by=by)
        return found

    def insist(self, ticket_id: str, action: str, by: str, **body: Any) -> dict[str, Any]:
        """Make a change, whatever else changes meanwhile; the ticket as it is then."""

        def made() -> dict[str, Any] | None:
            change = {"version": self.read(ticket_id)["version"], **body}
            reply = self.ask("POST", f"/{ticket_id}/{action}", change, by=by)
            if reply.status_code == 409 and reply.json()["type"] == "/problems/stale-version":
                return None
            assert reply.ok, f"{action}: {reply.status_code} {reply.text}"
            found: dict[str, Any] = reply.json()
            return found

        return wait_until(made, SECONDS_TO_WAIT, f"{action} of {ticket_id}", pause=0.05)

    def when(
        self, ticket_id: str, is_so: Callable[[dict[str, Any]], object], what: str
    ) -> dict[str, Any]:
        """The ticket, once it is so."""

        def read() -> dict[str, Any] | None:
            found = self.read(ticket_id)
            return found if is_so(found) else None

        return wait_until(read, SECONDS_TO_WAIT, f"{ticket_id}: {what}")

    def in_state(self, ticket_id: str, *states: str) -> dict[str, Any]:
        """The ticket, once it is in one of these states."""
        return self.when(ticket_id, lambda it: it["state"] in states, " or ".join(states))

    def happened(self, ticket_id: str, event: str, times: int = 1) -> dict[str, Any]:
        """The ticket, once its history tells of that, so many times."""
        return self.when(
            ticket_id, lambda it: events_of(it).count(event) >= times, f"{event} {times} times"
        )

    # --- behind the API

    def watch_cases(self) -> None:
        """Do what the schedule does."""
        reply = client("lambda", self.cloud.endpoint).invoke(
            FunctionName=self.cloud.outputs["TicketsWatchCasesFunctionName"], Payload=b"{}"
        )
        answer = json.loads(reply["Payload"].read())
        assert "FunctionError" not in reply, answer

    def execution_arn(self, ticket_id: str, run: int = 1) -> str:
        """The execution of that number which the system starts for a ticket."""
        machine = self.cloud.outputs["TicketStateMachineArn"]
        return f"{machine.replace(':stateMachine:', ':execution:')}:{ticket_id}-{run}"

    def workflow(self, ticket_id: str) -> dict[str, Any]:
        """What the workflows table has of a ticket, as DynamoDB writes it."""
        found: dict[str, Any] = self.cloud.dynamodb.get_item(
            TableName=self.cloud.outputs["TicketWorkflowsTableName"],
            Key={"ticket_id": {"S": ticket_id}},
            ConsistentRead=True,
        )["Item"]
        return found

    def set_attention(self, ticket_id: str, at: datetime) -> None:
        """Say until when the machine should have looked at a ticket."""
        self.cloud.dynamodb.update_item(
            TableName=self.cloud.outputs["TicketWorkflowsTableName"],
            Key={"ticket_id": {"S": ticket_id}},
            UpdateExpression="SET attention_at = :at",
            ExpressionAttributeValues={":at": {"S": format_time(at)}},
        )

    def mails_to(self, recipient: str) -> list[str]:
        """The e-mails that somebody got so far, each with its subject in front."""
        found = requests.get(f"{self.cloud.endpoint}/_aws/ses", timeout=60).json()["messages"]
        return [
            f"{mail['Subject']}\n{mail['Body']['text_part']}"
            for mail in found
            if recipient in mail["Destination"]["ToAddresses"]
        ]

    def mail_to(self, recipient: str, *words: str) -> str:
        """An e-mail to somebody that says all of this, once it is there."""

        def read() -> str | None:
            mails = self.mails_to(recipient)
            return next((mail for mail in mails if all(word in mail for word in words)), None)

        return wait_until(read, SECONDS_TO_WAIT, f"an e-mail to {recipient} with {words}")
