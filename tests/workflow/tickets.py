"""What tests give the machine `ticket`, its variants, and the desks that tickets come to."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from shared.items import to_attributes
from shared.times import format_time
from tests.tickets import Tickets, any_name
from tests.workflow.machines import Variant
from tickets.rules.ticket import Source, Ticket

TURNS = 500
"""After so many turns, by the template, the next execution goes on."""


def have_one_turn_left(definition: dict[str, Any]) -> None:
    definition["States"]["Begin Turns"]["Parameters"]["turn"] = TURNS - 2


def wait_two_seconds(definition: dict[str, Any]) -> None:
    """As if a clock event always were so near."""
    del definition["States"]["Work On Case"]["TimeoutSecondsPath"]
    definition["States"]["Work On Case"]["TimeoutSeconds"] = 2


def time_out_soon(definition: dict[str, Any]) -> None:
    definition["TimeoutSeconds"] = 15


VARIANTS = {
    "handed_over_ticket": Variant("ticket", have_one_turn_left),
    "restless_ticket": Variant("ticket", wait_two_seconds),
    "impatient_ticket": Variant("ticket", time_out_soon),
}


def store_ticket(tickets: Tickets, queue: str, *, run: int = 1) -> dict[str, Any]:
    """Store a new ticket as the API does, but start no execution; the input of one."""
    ticket_id, at = uuid.uuid4().hex, datetime.now(UTC)
    ticket = Ticket(
        ticket_id=ticket_id,
        number=f"20260302-{uuid.uuid4().int % 10**9:09}",
        state="NEW",
        source=Source(kind="request", id=ticket_id),
        trace_id=ticket_id,
        request_digest="none",
        subject="No light",
        queue=queue,
        required_skills=(queue,),
        created_at=format_time(at),
        created_by="workflow tests",
    ).model_dump(mode="json", exclude_none=True)
    workflow = {
        "ticket_id": ticket_id,
        "run": run,
        "restarts": 0,
        "outbox": {},
        "watched": "yes",
        "attention_at": format_time(at + timedelta(hours=1)),
    }
    for table, item in (("Tickets", ticket | {"phase": "open"}), ("TicketWorkflows", workflow)):
        tickets.cloud.dynamodb.put_item(
            TableName=tickets.cloud.outputs[f"{table}TableName"], Item=to_attributes(item)
        )
    return {"ticket_id": ticket_id, "run": 1}


@dataclass
class Desk:
    """A queue with the skill that its tickets require: nobody but its own people can take them."""

    tickets: Tickets
    name: str

    def set_up(self, *people: str, **settings: Any) -> Self:
        """Store the queue with its settings, and its people, each with room for one ticket."""
        self.tickets.store_queue(self.name, required_skills=[self.name], **settings)
        for who in people:
            self.hire(who)
        return self

    def hire(self, who: str, **profile: Any) -> str:
        """Somebody who serves this queue; the id."""
        representative_id = f"{self.name}.{who}"
        self.tickets.store_representative(representative_id, skills=[self.name], **profile)
        return representative_id

    def open(self, **request: Any) -> str:
        """Open a ticket; its id."""
        return str(self.tickets.open(self.name, **request)["ticket_id"])


def make_desk(tickets: Tickets, name: str, *people: str, **settings: Any) -> Desk:
    """A desk whose name is its own."""
    return Desk(tickets, any_name(name)).set_up(*people, **settings)
