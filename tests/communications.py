"""Communications as people see them who work with the API, and as their recipients do."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlencode

import requests
from boto3.dynamodb.types import TypeDeserializer
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from communications.rules.queue_messages import message_body
from local.cloud.client import Cloud, wait_until
from local.cloud.deployment import client
from local.cloud.issuer import issue_token
from local.cloud.settings import STACK_NAME, Instance
from tests.deadlines import SECONDS_TO_WAIT

WORKER = "communications.on_communication_queued.handler"

_REFUSED = {"action": "reject", "code": "MessageRejected", "status": 400, "message": "Not so."}
_BUSY = {"action": "reject", "code": "ServiceUnavailable", "status": 503, "message": "Not now."}
_LOST = {"action": "lose_reply", "times": 1}
_SLOW = {"action": "delay", "seconds": 4, "times": 1}
_AREAS = {
    "mended": "303",
    "hiccup": "304",
    "refused": "306",
    "lost": "404",
    "slow": "505",
    "mended-then-slow": "606",
}


def _email(fate: str, rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    recipient = f"*@{fate}.example"
    return {"service": "ses", "operation": "SendEmail", "recipient": recipient, **rule, **more}


def _sms(fate: str, rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    recipient = f"+1{_AREAS[fate]}*"
    return {"service": "sns", "operation": "Publish", "recipient": recipient, **rule, **more}


FAULTS = [
    _email("mended", _REFUSED, times=1),
    _email("mended-twice", _REFUSED, times=2),
    _email("refused", _REFUSED),
    _email("hiccup", _BUSY, times=1),
    _email("stumble", _BUSY, times=2),
    _email("exhausted", _BUSY, times=6),
    _email("down", _BUSY),
    _email("lost", _LOST),
    _email("slow", _SLOW),
    _sms("mended", _REFUSED, times=1),
    _sms("hiccup", _BUSY, times=1),
    _sms("refused", _REFUSED),
    _sms("lost", _LOST),
    _sms("slow", _SLOW),
    _sms("mended-then-slow", _REFUSED, times=1),
    _sms("mended-then-slow", _SLOW),
]
"""What becomes of a message depends on its recipient alone, so that tests need not take turns in
setting faults: each rule counts for every recipient apart. Whoever has no such fate gets his.
"""

_READ_AGAIN = Retry(
    total=8, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=("GET",)
)
"""When all processes of functions are busy, the gateway has none for the API."""

_deserialise = TypeDeserializer().deserialize


def any_email(fate: str = "good") -> str:
    return f"{uuid.uuid4().hex[:12]}@{fate}.example"


def any_number(fate: str = "") -> str:
    """A number of its own, longer than any that there is."""
    return f"+1{_AREAS.get(fate, '202')}555{uuid.uuid4().int % 10**8:08}"


def any_customer_id() -> str:
    return f"customer-{uuid.uuid4().hex[:12]}"


@dataclass
class Communications:
    """The API, the mailbox, and the queue of one instance."""

    cloud: Cloud
    instance: Instance
    _tokens: dict[str, str] = field(default_factory=dict)

    # --- the API

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", HTTPAdapter(pool_maxsize=32, max_retries=_READ_AGAIN))
        return session

    def token(self, role: str) -> str:
        if role not in self._tokens:
            self._tokens[role] = issue_token(self.instance, "olga", [role], seconds=7200)
        return self._tokens[role]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "operator",
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        """One request below /communications, in somebody's name."""
        return self._session.request(
            method,
            f"{self.cloud.outputs['ApiBaseUrl']}/communications{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token(role)}", **(headers or {})},
            timeout=60,
        )

    def done(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What the API answers to a request that succeeds."""
        reply = self.ask(method, path, body, **options)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def compose(self, recipient: str, *, customer_id: str = "any", key: str = "") -> str:
        """Compose an SMS to a number, an e-mail to anything else; its id."""
        sms = recipient.startswith("+")
        draft = {
            "channel": "sms" if sms else "email",
            "template": "case_update",
            "fields": {"name": "Ann", "case_number": "17", "status": "open"},
            "recipient": recipient,
            "customer_id": customer_id,
        }
        headers = {"Idempotency-Key": key} if key else None
        reply = self.done("POST", "", draft, role="representative", headers=headers)
        return str(reply["communication_id"])

    def compose_all(self, *recipients: str, customer_id: str = "any") -> list[str]:
        return [self.compose(recipient, customer_id=customer_id) for recipient in recipients]

    def read(self, communication_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.done("GET", f"/{communication_id}")
        return found

    def in_state(self, communication_id: str, *states: str) -> dict[str, Any]:
        """The communication, once it is in one of these states."""

        def read() -> dict[str, Any] | None:
            found = self.read(communication_id)
            return found if found["state"] in states else None

        return wait_until(read, SECONDS_TO_WAIT, f"{communication_id} to be {' or '.join(states)}")

    def happened(self, communication_id: str, event: str) -> dict[str, Any]:
        """The communication, once its history tells of that."""

        def read() -> dict[str, Any] | None:
            found = self.read(communication_id)
            return found if event in events_of(found) else None

        return wait_until(read, SECONDS_TO_WAIT, f"{event} of {communication_id}")

    def listed(self, **filters: str) -> dict[str, dict[str, Any]]:
        """All of what was not sent that fits, by its id."""
        return {one["communication_id"]: one for one in self.all("/failed", **filters)}

    def all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The items of all pages of a list."""
        items: list[dict[str, Any]] = []
        query["limit"] = "100"
        while True:
            page = self.done("GET", f"{path}?{urlencode(query)}")
            items += page["items"]
            if page["next"] is None:
                return items
            query["cursor"] = page["next"]

    def redrive(self, **selection: Any) -> str:
        """Have failures sent again; the run's id."""
        return str(self.done("POST", "/redrives", selection)["run_id"])

    def run_ended(self, run_id: str, seconds: float = SECONDS_TO_WAIT) -> dict[str, Any]:
        """A run of redrives, once it goes no further."""

        def read() -> dict[str, Any] | None:
            run: dict[str, Any] = self.done("GET", f"/redrives/{run_id}")
            return run if run["state"] in ("FINISHED", "STOPPED", "FAILED") else None

        return wait_until(read, seconds, f"the end of redrive {run_id}")

    # --- what recipients got

    def received(self) -> Counter[str]:
        """How many messages each recipient got so far."""
        mails = requests.get(f"{self.cloud.endpoint}/_aws/ses", timeout=60).json()["messages"]
        sms = requests.get(f"{self.cloud.endpoint}/_aws/sns/sms-messages", timeout=60).json()
        got = Counter(mail["Destination"]["ToAddresses"][0] for mail in mails)
        return got + Counter({to: len(texts) for to, texts in sms["sms_messages"].items()})

    # --- behind the API

    def put_into_queue(self, body: str) -> None:
        queue = self.cloud.outputs["CommunicationsQueueUrl"]
        self.cloud.sqs.send_message(QueueUrl=queue, MessageBody=body)

    def duplicate(self, communication_id: str, channel: Any) -> None:
        """Deliver the queue's message once more."""
        self.put_into_queue(
            message_body(communication_id, channel, "duplicate", "2026-03-02T09:14:05Z")
        )

    def records(self, customer_id: str) -> list[dict[str, Any]]:
        """The whole records of a customer's communications."""
        pages = self.cloud.dynamodb.get_paginator("scan").paginate(
            TableName=self.cloud.outputs["CommunicationsTableName"],
            FilterExpression="customer_id = :id",
            ExpressionAttributeValues={":id": {"S": customer_id}},
        )
        return [
            {name: _deserialise(value) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    def waiting(self) -> Counter[str]:
        """How many records are in each state that somebody is to end by himself."""
        return Counter(
            {
                state: self.cloud.dynamodb.query(
                    TableName=self.cloud.outputs["CommunicationsTableName"],
                    IndexName="by_state",
                    KeyConditionExpression="open_state = :state",
                    ExpressionAttributeValues={":state": {"S": state}},
                    Select="COUNT",
                )["Count"]
                for state in ("QUEUED", "SENDING", "DEAD_LETTER")
            }
        )

    def in_queue(self, name: str) -> int:
        """How many messages a queue has, seen and unseen."""
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        counts = self.cloud.sqs.get_queue_attributes(
            QueueUrl=self.cloud.outputs[f"{name}Url"], AttributeNames=names
        )["Attributes"]
        return sum(map(int, counts.values()))

    def dead_letter(self, wanted: Callable[[str], bool]) -> str:
        """The reason of the dead letter whose body is wanted, once it is there; it is removed."""
        queue = self.cloud.outputs["CommunicationsDeadLetterQueueUrl"]

        def read() -> str | None:
            reply = self.cloud.sqs.receive_message(
                QueueUrl=queue,
                MaxNumberOfMessages=10,
                VisibilityTimeout=1,
                MessageAttributeNames=["All"],
            )
            for message in reply.get("Messages", []):
                if wanted(message["Body"]):
                    self.cloud.sqs.delete_message(
                        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"]
                    )
                    return str(message["MessageAttributes"]["reason"]["StringValue"])
            return None

        return wait_until(read, SECONDS_TO_WAIT, "a dead letter")

    def quiet(self) -> bool:
        """Whether nothing is in flight: no message on its way, no record that is to be ended.

        The records are looked at last: the emulator reads its whole index for each state.
        """
        queues = ("CommunicationsQueue", "EmailEventsQueue")
        return not any(map(self.in_queue, queues)) and not self.waiting().total()

    @contextmanager
    def soon_visible_again(self, seconds: int) -> Iterator[None]:
        """A message whose worker is gone comes back soon; by the template after six minutes."""
        queue = self.cloud.outputs["CommunicationsQueueUrl"]
        timeout = {"VisibilityTimeout": str(seconds)}
        before = self.cloud.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[*timeout])
        self.cloud.sqs.set_queue_attributes(QueueUrl=queue, Attributes=timeout)
        try:
            yield
        finally:
            self.cloud.sqs.set_queue_attributes(QueueUrl=queue, Attributes=before["Attributes"])

    def invoke(self, function: str, event: Any = None) -> Any:
        """Invoke a function of the template by its logical id."""
        reply = client("lambda", self.cloud.endpoint).invoke(
            FunctionName=physical_id(self.cloud.endpoint, function),
            Payload=json.dumps(event or {}).encode(),
        )
        answer = json.loads(reply["Payload"].read())
        assert "FunctionError" not in reply, answer
        return answer


@cache
def physical_id(endpoint: str, logical_id: str) -> str:
    """What the stack calls a resource of the template."""
    reply = client("cloudformation", endpoint).describe_stack_resource(
        StackName=STACK_NAME, LogicalResourceId=logical_id
    )
    return str(reply["StackResourceDetail"]["PhysicalResourceId"])


def events_of(communication: dict[str, Any]) -> list[str]:
    """What happened to a communication, in order."""
    return [entry["event"] for entry in communication["history"]]
