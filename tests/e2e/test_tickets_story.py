"""An unhappy customer has called: a ticket is there by itself, a representative works on it, and
the customer hears of every step.
"""

from typing import Any

import pytest
import requests

from local.cloud.client import wait_until
from tests.cloud import SECONDS_TO_WAIT, Recording, TestCloud
from tests.tickets import Tickets, events_of
from tickets.rules.ticket import Source

SKILL = "call-backs"
NORA = "nora"
CUSTOMER = "office@harbour-street.example"


@pytest.fixture(scope="module")
def ticket_id(tickets: Tickets, samples: dict[str, Recording]) -> str:
    """The ticket of the call, once there is one."""
    found = Source(kind="call", id=samples["Outage"].call_id).ticket_id
    wait_until(lambda: tickets.ask("GET", f"/{found}").ok, SECONDS_TO_WAIT, "the call's ticket")
    return found


@pytest.fixture(scope="module")
def story(tickets: Tickets, ticket_id: str) -> dict[str, Any]:
    """The ticket after Nora has come to work and has done hers."""
    tickets.store_representative(NORA, skills=[SKILL], capacity=100)
    ticket = tickets.when(ticket_id, lambda it: it["assignee"] == NORA, "Nora's")
    ticket = tickets.act(ticket, "accept", NORA)
    ticket = tickets.act(ticket, "comment", NORA, text="A technician is on the way.", public=True)
    ticket = tickets.act(ticket, "comment", NORA, text="The third outage in a month.")
    ticket = tickets.act(ticket, "pending", NORA, text="Does the router blink?")
    ticket = tickets.act(ticket, "resume", NORA, text="It does, in red.")
    tickets.act(ticket, "resolve", NORA, resolution="The line was repaired.")
    return tickets.in_state(ticket_id, "CLOSED")


def test_the_ticket_says_why_the_customer_is_unhappy(
    cloud: TestCloud, tickets: Tickets, ticket_id: str, samples: dict[str, Recording]
) -> None:
    ticket = tickets.when(ticket_id, lambda it: it["state"] != "NEW", "opened")

    assert (ticket["queue"], ticket["priority"]) == (SKILL, "urgent")
    assert (ticket["customer_id"], ticket["contact"]["email"]) == ("1002", CUSTOMER)
    assert {"cancellation_risk", "supervisor_request"} <= set(ticket["call"]["reasons"])
    assert ticket["call"]["quotes"]
    document = requests.get(cloud.here(ticket["call"]["link"]), timeout=60).json()
    said = [turn["Content"] for turn in document["Transcript"]]
    assert all(quote["text"] in said for quote in ticket["call"]["quotes"])
    call = cloud.call(samples["Outage"].call_id) or {}
    assert document == cloud.analysis(call)


def test_nora_works_on_it_until_it_is_closed(
    cloud: TestCloud, tickets: Tickets, story: dict[str, Any]
) -> None:
    happened = [event for event in events_of(story) if event != "waits"]
    assert happened == [
        *("created", "opened", "assigned", "accepted", "commented", "commented", "pending"),
        *("resumed", "resolved", "closed"),
    ]
    assert (story["summary"]["resolved_by"], story["summary"]["tier"]) == (NORA, 1)
    assert {clock["kept"] for clock in story["summary"]["clocks"].values()} == {True}
    execution = cloud.execution(tickets.execution_arn(story["ticket_id"]))
    assert execution["status"] == "SUCCEEDED"
    assert tickets.mail_to(f"{NORA}@aftercall.example", story["number"], "is yours")


def test_the_customer_hears_of_every_step_and_of_nothing_else(
    tickets: Tickets, story: dict[str, Any]
) -> None:
    number = story["number"]

    for text in ("we have opened", "technician", "router blink", "The line was repaired."):
        assert tickets.mail_to(CUSTOMER, number, text)
    about_it = [mail for mail in tickets.mails_to(CUSTOMER) if number in mail]
    assert len(about_it) == 4
    assert not any("third outage" in mail for mail in about_it)
