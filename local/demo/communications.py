"""Messages are sent, some fail; the cause is mended, and a redrive heals what another try can."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from local.cloud import invocation
from local.cloud.client import Cloud
from local.cloud.faults import clear_faults, set_faults
from local.cloud.issuer import issue_token
from local.cloud.settings import CloudError
from local.demo.api import Api
from local.demo.executions import execution_arn, states_entered
from local.demo.options import Options
from shared.times import format_time, now

DEADLINE_SECONDS = 180
SLOW = "slow.example"
REFUSED = "refused.example"
UNHEARD = "unheard.example"
UNHEARD_PHONE = "+12025550177"

FAULTS: list[dict[str, Any]] = [
    {
        "service": "ses",
        "operation": "SendEmail",
        "recipient": f"*@{SLOW}",
        "action": "reject",
        "code": "ServiceUnavailable",
        "status": 503,
    },
    {
        "service": "ses",
        "operation": "SendEmail",
        "recipient": f"*@{REFUSED}",
        "action": "reject",
        "code": "MessageRejected",
        "status": 400,
        "message": "Email address is not verified.",
    },
    {
        "service": "ses",
        "operation": "SendEmail",
        "recipient": f"*@{UNHEARD}",
        "action": "lose_reply",
        "times": 1,
    },
    {
        "service": "sns",
        "operation": "Publish",
        "recipient": UNHEARD_PHONE,
        "action": "lose_reply",
        "times": 1,
    },
]
"""What the providers get wrong until somebody mends it."""

SAYINGS = {
    "sent": "sent",
    "failed": "{error}",
    "reply_lost": "reply lost, so nobody sends it again",
    "dead_lettered": "a dead letter now",
    "queued_again": "queued again",
    "redriven": "redriven",
    "bounced": "bounced",
    "complained": "the recipient complained",
}
COLOURS = {"SENT": "green", "FAILED": "red", "UNKNOWN": "yellow"}


@dataclass
class Message:
    """What is to be sent, how it should fare, and what was last seen of it.

    `first` is the event after which nothing more happens by itself for a while; `before` and
    `after` are its states before and after the redrive; `advice` is for a person.
    """

    label: str
    note: str
    request: dict[str, Any]
    first: str
    before: str
    after: str
    advice: str = "-"
    communication_id: str = ""
    view: dict[str, Any] = field(default_factory=dict)
    was: dict[str, Any] = field(default_factory=dict)
    told: int = 0

    @property
    def state(self) -> str:
        return str(self.view["state"])

    @property
    def is_healed(self) -> bool:
        return self.was["state"] != self.state == "SENT"

    @property
    def happened(self) -> list[str]:
        return [entry["event"] for entry in self.view["history"]]

    def is_resting(self) -> bool:
        """Whether it is a dead letter whose time has not come."""
        return self.state == "DEAD_LETTER" and self.view["not_before"] > format_time(now())

    def has_ended(self) -> bool:
        """Whether the redrive, or nothing, has become of it as it should."""
        is_delivered = self.view["channel"] == "sms" or "delivered" in self.happened
        return self.state == self.after and (self.state != "SENT" or is_delivered)


def show(cloud: Cloud, console: Console, options: Options) -> bool:
    """Compose, fail, mend and redrive; whether each message ended as it should."""
    console.rule("Communications")
    token = issue_token(options.instance, "demo", ["operator"])
    story = Story(cloud, console, Api(cloud.outputs["ApiBaseUrl"], token), f"{now():%H%M%S}")
    with faults(cloud.endpoint):
        console.print(
            "Messages are composed (POST /communications). Not all of them can get through:"
        )
        story.compose(messages_of(story.run))
        story.watch(lambda message: message.first in message.happened)
        story.compose([to_the_annoyed(story.run)])
        story.queue_dead_letters_again()
        story.watch(lambda message: message.state == message.before)
        story.print_before()
    console.print(f"\nThe cause is mended: {SLOW} takes messages again.")
    story.redrive()
    story.print_after()
    print_what_next(cloud, console)
    return all(message.has_ended() for message in story.messages)


@contextmanager
def faults(endpoint: str) -> Iterator[None]:
    """Providers get things wrong, until the end, however it comes."""
    set_faults(endpoint, FAULTS)
    try:
        yield
    finally:
        clear_faults(endpoint)


def messages_of(run: str) -> list[Message]:
    """To customers and others; addresses that bounce get suppressed, so each run has its own."""
    delivered, sent = ("delivered", "SENT", "SENT"), ("sent", "SENT", "SENT")
    failed, healed = ("failed", "FAILED", "FAILED"), ("dead_lettered", "FAILED", "SENT")
    bounced, complained = ("bounced", "FAILED", "FAILED"), ("complained", "SENT", "SENT")
    unknown = ("reply_lost", "UNKNOWN", "UNKNOWN")
    customer, slow = "a customer", "this server is down, for now"
    bounce = f"bounce+{run}@simulator.amazonses.com"
    phone = {"channel": "sms", "recipient": UNHEARD_PHONE, "body": "Your order is on its way."}
    return [
        Message("John Smith", customer, news("John Smith", customer_id="1001"), *delivered),
        Message("Harbour Street", customer, callback("Harbour Street Bakery"), *sent),
        Message("Lindgren", customer, news("Lindgren Logistics", customer_id="1003"), *delivered),
        Message(
            *("mistyped", "there is no such mailbox", letter(bounce), *bounced),
            "correct the address, then retry",
        ),
        Message(
            *("annoyed", "they will complain", letter(annoyed(run)), *complained),
            "send no more; it is suppressed",
        ),
        Message(
            *("refused", "SES will not take it", letter(f"orders@{REFUSED}"), *failed),
            "read the cause, then retry",
        ),
        Message("slow 1", slow, news("A. Berg", recipient=f"a.berg@{SLOW}"), *healed),
        Message("slow 2", slow, news("C. Duval", recipient=f"c.duval@{SLOW}"), *healed),
        Message(
            *("unheard 1", "SES takes it, its reply is lost"),
            *(letter(f"e.{run}@{UNHEARD}"), *delivered),
        ),
        Message(
            *("unheard 2", "SNS takes it, its reply is lost", phone, *unknown),
            "ask the recipient, then resolve",
        ),
    ]


def to_the_annoyed(run: str) -> Message:
    return Message(
        *("annoyed again", "to whoever complained", letter(annoyed(run))),
        *("failed", "FAILED", "FAILED"),
        "nothing: it was rightly not sent",
    )


def annoyed(run: str) -> str:
    return f"complaint+{run}@simulator.amazonses.com"


def news(name: str, **to: str) -> dict[str, Any]:
    """An e-mail by template, to a customer_id or a recipient."""
    fields = {"name": name, "case_number": "4711", "status": "solved"}
    return {"channel": "email", "template": "case_update", "fields": fields, **to}


def callback(name: str) -> dict[str, Any]:
    """An SMS by template, to the customer's own number."""
    fields = {"name": name, "date": "Monday at ten", "reference": "C-1002"}
    return {
        "channel": "sms",
        "template": "callback_confirmation",
        "fields": fields,
        "customer_id": "1002",
    }


def letter(recipient: str) -> dict[str, Any]:
    """An e-mail with words of its own."""
    return {
        "channel": "email",
        "recipient": recipient,
        "subject": "Your order",
        "body": "Your order is on its way.",
    }


class Story:
    """The messages of one run, and what is told of them while it happens."""

    def __init__(self, cloud: Cloud, console: Console, api: Api, run: str) -> None:
        self.cloud, self.console, self.api, self.run = cloud, console, api, run
        self.messages: list[Message] = []
        self.begin = time.monotonic()

    def compose(self, messages: list[Message]) -> None:
        for message in messages:
            key = f"demo {self.run} {message.label}"
            accepted = self.api.post("/communications", message.request, key)
            message.communication_id = accepted["communication_id"]
            self.messages.append(message)
            self.tell(message.label, message.request["channel"], f"composed: {message.note}")

    def watch(
        self, is_there: Callable[[Message], bool], also: Callable[[], None] = lambda: None
    ) -> None:
        """Tell what happens to messages until all are there."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        waiting = list(self.messages)
        while waiting:
            also()
            for message in waiting:
                self.look(message)
            waiting = [message for message in waiting if not is_there(message)]
            if time.monotonic() > deadline:
                names = ", ".join(f"{message.label} ({message.state})" for message in waiting)
                raise CloudError(f"these messages got stuck: {names}. `make logs` may tell why.")
            time.sleep(0.2)

    def look(self, message: Message) -> None:
        """Read a message, and tell what is new in its history."""
        message.view = self.api.get(f"/communications/{message.communication_id}")
        new = message.view["history"][message.told :]
        message.told += len(new)
        sayings = list(sayings_of(new))
        if sayings:
            self.tell(message.label, message.view["channel"], "; ".join(sayings))

    def tell(self, who: str, channel: str, text: str) -> None:
        self.console.print(
            f"  {time.monotonic() - self.begin:5.1f} s  {who:14} {channel:6} {text}", markup=False
        )

    def queue_dead_letters_again(self) -> None:
        """What the schedule does each minute, so that nobody has to wait for it."""
        self.watch(lambda message: not message.is_resting())
        self.console.print(
            "The dead letters have rested. A schedule queues them again each minute; "
            "here it is told to do so now."
        )
        answer = invocation.invoke(self.cloud, "CommunicationsRequeueOverdueFunction", "{}")
        if answer.failed:
            raise CloudError(answer.payload)

    def print_before(self) -> None:
        table = Table(title="Before the redrive", title_justify="left")
        for heading in ("recipient", "channel", "state", "tries", "error"):
            table.add_column(heading, justify="right" if heading == "tries" else "left")
        for message in self.messages:
            message.was = view = message.view
            table.add_row(
                view["recipient"],
                view["channel"],
                coloured(view["state"]),
                str(view["attempts"]),
                view["error"] or "-",
            )
        self.console.print()
        self.console.print(table)
        self.console.print("What failed, by cause (GET /communications/failed/clusters):")
        for cluster in self.clusters():
            self.console.print(
                f"  {cluster['count']:3} x {cluster['error']}, {cluster['error_class']}, "
                f"to {cluster['destination']}",
                markup=False,
            )

    def clusters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get("/communications/failed/clusters")["clusters"]
        return found

    def redrive(self) -> None:
        """Ask for a redrive of what failed at the slow server, and watch its execution."""
        cluster = next(one for one in self.clusters() if one["destination"] == SLOW)
        given = {"cluster_id": cluster["cluster_id"]}
        run_id = self.api.post("/communications/redrives", given, f"demo {self.run}")["run_id"]
        self.console.print(
            f"A redrive of what failed there is asked for (POST /communications/redrives): {run_id}"
        )
        machine = self.cloud.outputs["CommunicationsRedriveStateMachineArn"]
        arn = execution_arn(machine, f"{run_id}-1")
        told: set[str] = set()

        def tell_of_execution() -> None:
            for state in states_entered(self.cloud, arn):
                if state not in told:
                    told.add(state)
                    self.tell("the redrive", "", state)

        def has_ended(message: Message) -> bool:
            run_ended = "Redrive Finished" in told or message.after != "SENT"
            return message.has_ended() and run_ended

        self.watch(has_ended, tell_of_execution)

    def print_after(self) -> None:
        table = Table(title="After the redrive", title_justify="left")
        for heading in ("recipient", "channel", "before -> after", "what a person does"):
            table.add_column(heading)
        for message in self.messages:
            before, after = message.was["state"], message.state
            table.add_row(
                message.view["recipient"],
                message.view["channel"],
                f"{before} -> {coloured(after)}" if before != after else coloured(after),
                "[green]nothing: it is healed[/green]" if message.is_healed else message.advice,
            )
        self.console.print()
        self.console.print(table)


def sayings_of(history: list[dict[str, Any]]) -> Iterator[str]:
    """What a part of a history tells, in a few words for each try and each report of SES."""
    reports = []
    for entry in history:
        text = SAYINGS.get(entry["event"], entry["event"]).format(error=entry["error"])
        if entry["by"] == "provider":
            reports.append(text)
        elif entry["event"] != "composed":
            yield f"try {entry['attempt']}: {text}" if entry["attempt"] else text
    if reports:
        yield f"SES reports: {', '.join(reports)}"


def coloured(state: str) -> str:
    colour = COLOURS.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else state


def print_what_next(cloud: Cloud, console: Console) -> None:
    base_url = cloud.outputs["ApiBaseUrl"]
    console.print("\nThe API is at", f"{base_url}/communications", soft_wrap=True)
    console.print("  make token ROLE=operator      a token for it; docs/http-apis.md says how")
    console.print("  make mailbox                  the e-mails and SMS that went out")
