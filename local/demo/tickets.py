"""An unhappy call has opened a ticket: a representative resolves it, and lets another escalate."""

import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from local.cloud.client import Cloud
from local.cloud.issuer import issue_token
from local.cloud.settings import CloudError
from local.demo import post_call
from local.demo.api import Api
from local.demo.executions import execution_arn
from local.demo.options import Options
from shared.times import now, parse_time

DEADLINE_SECONDS = 120
UNHAPPY_CALL, UNHAPPY_CUSTOMER = "Outage", "1002"
"""The sample call that ends badly, and whose it is."""

QUEUE = "rehearsal"
FIRST_TIER, SECOND_TIER = "nora", "otto"
MANAGER = "manager@aftercall.example"
SOLUTION_SECONDS = 8
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALWAYS = {"time_zone": "UTC", "hours": {day: [["00:00", "24:00"]] for day in DAYS}}

SAYINGS = {
    "created": "created by {by}",
    "opened": "opened, and the customer told so",
    "waits": "waits: nobody is free",
    "assigned": "assigned to {after}",
    "accepted": "{by} accepts it",
    "commented": "{by} writes to the customer",
    "pending": "{by} asks the customer something: the clocks stand still",
    "resumed": "the customer has answered: the clocks go on",
    "resolved": "{by} resolves it",
    "closed": "closed, and the customer told so",
    "sla_warning": "warning: its {before} is due soon",
    "sla_breach": "its {before} is late",
    "manager_paged": "a manager is paged: {text}",
    "escalated": "escalated from {before} to {after}",
    "escalation_exhausted": "nobody is left",
}
COLOURS = {"CLOSED": "green", "EXHAUSTED": "red"}


@dataclass
class Followed:
    """A ticket whose history is told while it happens."""

    ticket_id: str
    view: dict[str, Any] = field(default_factory=dict)
    told: int = 0

    @property
    def state(self) -> str:
        return str(self.view["state"])


def show(cloud: Cloud, console: Console, options: Options) -> bool:
    """Resolve the ticket of a call, let another one escalate; whether both ended as they should."""
    console.rule("Tickets")

    def api_of(subject: str, *roles: str) -> Api:
        token = issue_token(options.instance, subject, list(roles))
        return Api(cloud.outputs["ApiBaseUrl"], token)

    supervisor = api_of("supervisor", "supervisor")
    story = Story(console, supervisor, lambda name: api_of(name, "representative"))
    prepare(supervisor)
    console.print(
        f"{FIRST_TIER} (tier 1) and {SECOND_TIER} (tier 2) are on shift. Queue {QUEUE} promises a "
        f"solution within {SOLUTION_SECONDS} s on each tier."
    )
    called = story.ticket_of_call(cloud)
    burning = story.open_ticket("The card terminals are down")
    story.resolve(called)
    story.watch(lambda ticket: ticket.state in COLOURS)
    console.print()
    console.print(table_of([called, burning]))
    print_execution(cloud, console, story, burning)
    print_what_next(cloud, console)
    return (called.state, burning.state) == ("CLOSED", "EXHAUSTED")


def prepare(supervisor: Api) -> None:
    """A representative for each tier, and a queue whose promises a demo can wait for."""
    for name, tier in ((FIRST_TIER, 1), (SECOND_TIER, 2)):
        profile = {
            "name": name.title(),
            "email": f"{name}@aftercall.example",
            "tiers": [tier],
            "capacity": 100,
            "calendar": ALWAYS,
        }
        store(supervisor, "representatives", name, {"profile": profile})
    promise = {"first_response": SOLUTION_SECONDS - 1, "solution": SOLUTION_SECONDS}
    tier_settings = {"targets": dict.fromkeys(("urgent", "high", "normal", "low"), promise)}
    settings = {
        "calendar": ALWAYS,
        "on_call": ALWAYS,
        "managers": [{"email": MANAGER}],
        "tiers": [tier_settings, tier_settings],
        "warn_percent": 50,
    }
    store(supervisor, "queues", QUEUE, {"settings": settings})


def store(supervisor: Api, kind: str, name: str, body: dict[str, Any]) -> None:
    """Store settings over whatever version is there, none perhaps."""
    there = supervisor.get(f"/tickets/{kind}")
    key = "name" if kind == "queues" else "representative_id"
    version = next((one["version"] for one in there if one[key] == name), 0)
    supervisor.put(f"/tickets/{kind}/{name}", {"version": version, **body})


class Story:
    """The tickets of one run, and what is told of them while it happens."""

    def __init__(
        self, console: Console, supervisor: Api, representative: Callable[[str], Api]
    ) -> None:
        self.console, self.supervisor, self.representative = console, supervisor, representative
        self.tickets: list[Followed] = []
        self.begin = time.monotonic()

    def ticket_of_call(self, cloud: Cloud) -> Followed:
        """The ticket that the unhappy customer's call has opened."""
        if not self.open_tickets():
            self.console.print("There is no ticket of an unhappy call yet, so one is processed:")
            prefix = f"recordings/{now():%Y-%m-%dT%H-%M-%S}/"
            [sample] = [
                path
                for path in post_call.recordings_in(post_call.SAMPLES)
                if post_call.short_name(path) == UNHAPPY_CALL
            ]
            for call in post_call.watch(cloud, [post_call.drop(cloud, prefix, sample)]):
                self.tell(UNHAPPY_CALL, f"{call.state} {call.step}")
        found = self.until(self.open_tickets, "a ticket of the unhappy call")
        self.console.print(f"The call {UNHAPPY_CALL} has opened a ticket:")
        return self.follow(found[0]["ticket_id"])

    def open_tickets(self) -> list[dict[str, Any]]:
        listed = self.supervisor.get(f"/tickets?customer_id={UNHAPPY_CUSTOMER}&phase=open")
        found: list[dict[str, Any]] = listed["items"]
        return found

    def open_ticket(self, subject: str) -> Followed:
        """One that the first tier accepts and then does nothing about."""
        self.console.print(f"Another one is opened (POST /tickets): {subject}.")
        request = {"subject": subject, "queue": QUEUE, "priority": "urgent", "customer_id": "1003"}
        opened = self.supervisor.post("/tickets", request, f"demo {now():%Y%m%d%H%M%S}")
        return self.follow(opened["ticket_id"])

    def follow(self, ticket_id: str) -> Followed:
        ticket = Followed(ticket_id)
        self.tickets.append(ticket)
        self.look(ticket)
        return ticket

    def resolve(self, ticket: Followed) -> None:
        """What the representative does who has got it, as their own client would."""
        self.watch_one(ticket, lambda: ticket.view["assignee"] is not None)
        for quote in ticket.view["call"]["quotes"]:
            self.tell(ticket.view["number"], f'said in the call: "{shortened(quote["text"])}"')
        self.act(ticket, "accept")
        self.act(ticket, "comment", text="We are looking into it.", public=True)
        self.act(ticket, "pending", text="Is it still out on your side?")
        self.act(ticket, "resume", text="No, it works again.")
        self.act(ticket, "resolve", resolution="The line was repaired.")

    def act(self, ticket: Followed, action: str, **body: Any) -> None:
        """Change the version that was just read."""
        path, key = f"/tickets/{ticket.ticket_id}/{action}", f"demo {ticket.view['version']}"
        assignee = self.representative(ticket.view["assignee"])
        assignee.post(path, {"version": ticket.view["version"], **body}, key)
        self.look(ticket)

    def watch(self, is_there: Callable[[Followed], bool]) -> None:
        """Tell what happens to the tickets until all are there."""

        def look_at_all() -> bool:
            for ticket in self.tickets:
                self.look(ticket)
            return all(map(is_there, self.tickets))

        self.until(look_at_all, "the end of the tickets")

    def watch_one(self, ticket: Followed, is_there: Callable[[], bool]) -> None:
        def look() -> bool:
            self.look(ticket)
            return is_there()

        self.until(look, f"ticket {ticket.view['number']}")

    def until[Found](self, read: Callable[[], Found | None], what: str) -> Found:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := read()):
            if time.monotonic() > deadline:
                raise CloudError(f"{what} did not come. `make logs` may tell why.")
            time.sleep(0.2)
        return found

    def look(self, ticket: Followed) -> None:
        """Read a ticket, and tell what is new in its history."""
        ticket.view = self.supervisor.get(f"/tickets/{ticket.ticket_id}")
        new = ticket.view["history"][ticket.told :]
        ticket.told += len(new)
        for entry in new:
            saying = SAYINGS.get(entry["event"], entry["event"]).format(**entry)
            self.tell(ticket.view["number"], saying.replace("_", " "))

    def tell(self, who: str, text: str) -> None:
        self.console.print(
            f"  {time.monotonic() - self.begin:5.1f} s  {who:14} {text}", markup=False
        )


def table_of(tickets: list[Followed]) -> Table:
    table = Table(title="Tickets", title_justify="left")
    for heading in ("case", "subject", "from", "tier", "first response", "solution", "state"):
        table.add_column(heading, justify="right" if heading == "tier" else "left")
    for ticket in tickets:
        view = ticket.view
        table.add_row(
            view["number"],
            view["subject"],
            "a call" if view["source"]["kind"] == "call" else "the API",
            str(view["tier"]),
            promise(view["clocks"]["first_response"]),
            promise(view["clocks"]["solution"]),
            f"[{COLOURS[view['state']]}]{view['state']}[/]",
        )
    return table


def shortened(text: str) -> str:
    """What fits on a line."""
    return textwrap.shorten(text, 60, placeholder=" ...")


def promise(clock: dict[str, Any]) -> str:
    """What became of a promise: how much time was left, or that it was broken."""
    if clock["breached_at"] or clock["stopped_at"] is None:
        return "[red]not in time[/]"
    taken = parse_time(clock["stopped_at"]) - parse_time(clock["started_at"])
    return f"[green]after {taken.total_seconds():.0f} s[/]"


def print_execution(cloud: Cloud, console: Console, story: Story, ticket: Followed) -> None:
    """How the workflow of a ticket that nobody resolved ends."""
    arn = execution_arn(cloud.outputs["TicketStateMachineArn"], f"{ticket.ticket_id}-1")

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = cloud.stepfunctions.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None

    end = story.until(ended, f"the end of the execution of {ticket.view['number']}")
    console.print(
        f"The execution of {ticket.view['number']} has {end['status']}: "
        f"{end['error']}: {end['cause']}",
        markup=False,
    )


def print_what_next(cloud: Cloud, console: Console) -> None:
    base_url = cloud.outputs["ApiBaseUrl"]
    console.print("\nThe API is at", f"{base_url}/tickets", soft_wrap=True)
    console.print(f"  make mailbox TO={MANAGER}    what the manager was told")
    console.print(
        f"  make token ROLE=representative SUBJECT={FIRST_TIER}    to work as {FIRST_TIER}"
    )
