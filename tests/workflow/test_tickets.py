"""Tickets through the front door: the API and the bus on one side, the machine and people on the
other.

Nothing is mocked, and time is the wall's: queues promise seconds. All tickets are opened at once,
so that their clocks run side by side; each test waits for its own. Each has a queue of its own, and
people who serve only that.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from customers.table import save_customer
from local.cloud.client import wait_until
from shared.customers import Customer
from shared.times import format_time, parse_time
from tests.cloud import INSTANCE, SECONDS_TO_WAIT, TestCloud, any_call_id
from tests.processes import busy_processes, kill
from tests.tickets import ALWAYS, LONG, Tickets, any_name, events_of, not_before_long, shift, tier
from tests.workflow.histories import entered
from tests.workflow.machines import Machines
from tests.workflow.tickets import Desk, make_desk
from tickets.rules.ticket import Source

MOST_TRIES = 20


@dataclass
class Opened:
    """The desks and the tickets so far, by names of their own."""

    tickets: Tickets
    desks: dict[str, Desk] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, *people: str, managed: bool = False, **settings: Any) -> None:
        """Open a ticket at a desk of its own, with a manager or without."""
        desk = Desk(self.tickets, any_name(name))
        if managed:
            settings["managers"] = [{"email": manager_of(desk)}]
        self.desks[name] = desk.set_up(*people, **settings)
        self.ids[name] = self.desks[name].open(contact=contact_of(self.desks[name]))

    def add_call(self, cloud: TestCloud, name: str, *, is_there: bool) -> None:
        """Have a ticket opened by an unhappy call."""
        desk = self.desks[name] = Desk(self.tickets, any_name(name))
        desk.set_up(follow_up_reasons=[desk.name])
        self.ids[name] = tell_of_unhappy_call(cloud, desk, is_there=is_there)

    def one(self, name: str) -> tuple[Desk, str]:
        return self.desks[name], self.ids[name]


def contact_of(desk: Desk) -> dict[str, str]:
    return {"name": "Bob", "email": f"{desk.name}@customer.example"}


@pytest.fixture(scope="module", autouse=True)
def opened(cloud: TestCloud, tickets: Tickets, machines: Machines) -> Opened:
    """All tickets; the machines are asked for to count what they go through."""
    opened = Opened(tickets)
    opened.add("too-late", reopen_seconds=1)
    opened.add(
        "escalates",
        "ann",
        warn_percent=25,
        tiers=[tier(12, first_response=LONG), tier(4, first_response=LONG)],
        managed=True,
    )
    opened.desks["escalates"].hire("zoe", tiers=[2])
    opened.add("unanswered", "ann", "ben", return_seconds=3)
    opened.add("nobody", warn_percent=20, tiers=[tier(LONG, first_response=12)])
    opened.add(
        "at-night",
        "ann",
        tiers=[tier(LONG, first_response=2)],
        on_call=not_before_long(),
        managed=True,
    )
    opened.add("works", "ann", pending_seconds=LONG)
    opened.add("silent", "ann", pending_seconds=3)
    opened.add("declines", "ann", "ben")
    opened.add("by-hand", "ann", tiers=[tier(), tier()])
    opened.desks["by-hand"].hire("zoe", tiers=[2])
    opened.add("shift")
    opened.add("reopens")
    opened.add("aborted")
    opened.add("hasty", "ann")
    opened.add("merged")
    opened.add_call(cloud, "call", is_there=True)
    opened.add_call(cloud, "call-without-analysis", is_there=False)
    for name in ("first", "stranger"):
        contact = contact_of(opened.desks["merged"] if name == "first" else opened.desks["hasty"])
        opened.ids[name] = opened.desks["merged"].open(contact=contact)
    by_priority = tier()["targets"] | {"urgent": tier(LONG // 2)["targets"]["urgent"]}
    opened.add("due-first", "ann", tiers=[{"targets": by_priority}])
    tickets.insist(opened.ids["too-late"], "resolve", "supervisor", resolution="A new bulb.")
    return opened


def manager_of(desk: Desk) -> str:
    return f"{desk.name}@managers.example"


# ------------------------------------------------------------------ work


def test_is_worked_on_until_it_is_closed_and_the_customer_hears_of_it(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("works")
    ann = f"{desk.name}.ann"
    ticket = tickets.in_state(ticket_id, "ASSIGNED")
    assert ticket["assignee"] == ann

    ticket = tickets.act(ticket, "accept", ann)
    ticket = tickets.act(ticket, "comment", ann, text="We look into it.", public=True)
    assert ticket["clocks"]["first_response"]["stopped_at"]
    ticket = tickets.act(ticket, "pending", ann, text="Which lamp is it?")
    assert ticket["clocks"]["solution"]["due_at"] is None
    asked_at = datetime.now(UTC)
    wait_until(lambda: datetime.now(UTC) - asked_at > timedelta(seconds=2), 10, "the answer")
    ticket = tickets.act(ticket, "resume", ann, text="The red one.")
    clock = ticket["clocks"]["solution"]
    promised = parse_time(clock["due_at"]) - parse_time(clock["started_at"])
    assert timedelta(seconds=LONG + 1) <= promised <= timedelta(seconds=LONG + 120)
    tickets.act(ticket, "resolve", ann, resolution="A new bulb.")

    ticket = tickets.in_state(ticket_id, "CLOSED")
    assert events_of(ticket) == [
        "created",
        "opened",
        "assigned",
        "accepted",
        "commented",
        "pending",
        "resumed",
        "resolved",
        "closed",
    ]
    assert [e["by"] for e in ticket["history"]] == [
        *("supervisor", "workflow", "workflow"),
        *([ann] * 5),
        "workflow",
    ]
    assert ticket["history_complete"]
    assert ticket["summary"]["resolution"] == "A new bulb."
    assert (ticket["summary"]["resolved_by"], ticket["summary"]["pauses"]) == (ann, 1)
    assert {clock["kept"] for clock in ticket["summary"]["clocks"].values()} == {True}
    execution = cloud.execution(tickets.execution_arn(ticket_id))
    assert execution["status"] == "SUCCEEDED"
    customer = contact_of(desk)["email"]
    for text in ("No light", "We look into it.", "Which lamp is it?", "A new bulb."):
        assert ticket["number"] in tickets.mail_to(customer, text)
    assert ticket["number"] in tickets.mail_to(f"{ann}@aftercall.example")
    assert len(tickets.mails_to(customer)) == 4


def test_a_change_of_a_version_that_is_gone_changes_nothing(
    tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("by-hand")
    ann = f"{desk.name}.ann"
    seen = tickets.in_state(ticket_id, "ASSIGNED")
    path, change = f"/{ticket_id}/comment", {"version": seen["version"], "text": "A note."}
    key = uuid.uuid4().hex
    first = tickets.done("POST", path, change, by=ann, key=key)

    stale = tickets.ask("POST", path, change | {"text": "Another."}, by=ann)
    repeated = tickets.done("POST", path, change, by=ann, key=key)
    others = tickets.ask("POST", f"/{ticket_id}/accept", {"version": first["version"]}, by="eve")

    assert (stale.status_code, stale.json()["version"]) == (409, first["version"])
    assert repeated["version"] == first["version"]
    assert (others.status_code, others.json()["type"]) == (403, "/problems/not-yours")
    assert events_of(tickets.read(ticket_id)).count("commented") == 1


def test_a_person_hands_it_to_the_next_tier(tickets: Tickets, opened: Opened) -> None:
    desk, ticket_id = opened.one("by-hand")
    tickets.in_state(ticket_id, "ASSIGNED")

    tickets.insist(ticket_id, "escalate", f"{desk.name}.ann", reason="It is the fuse.")

    ticket = tickets.when(
        ticket_id, lambda it: it["assignee"] == f"{desk.name}.zoe", "the second tier"
    )
    told = next(e for e in ticket["history"] if e["event"] == "escalated")
    assert (told["before"], told["after"], told["text"]) == ("tier 1", "tier 2", "It is the fuse.")
    beyond = {"version": ticket["version"], "reason": "It is the wire."}
    refused = tickets.ask("POST", f"/{ticket_id}/escalate", beyond, by=f"{desk.name}.zoe")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-possible")


def test_goes_on_when_the_customer_does_not_answer_in_time(
    tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("silent")
    ticket = tickets.in_state(ticket_id, "ASSIGNED")
    ticket = tickets.act(ticket, "accept", f"{desk.name}.ann")

    ticket = tickets.act(ticket, "pending", f"{desk.name}.ann", text="Which lamp is it?")

    asked_until = ticket["pending_until"]
    ticket = tickets.happened(ticket_id, "no_answer")
    assert (ticket["state"], ticket["assignee"]) == ("IN_PROGRESS", f"{desk.name}.ann")
    assert ticket["history"][-1]["at"] >= asked_until
    assert ticket["clocks"]["solution"]["due_at"]


# ------------------------------------------------------------------ whose it is


def test_goes_to_somebody_else_when_nobody_reacts(tickets: Tickets, opened: Opened) -> None:
    desk, ticket_id = opened.one("unanswered")

    ticket = tickets.happened(ticket_id, "assigned", times=2)

    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")
    moves = [
        (e["event"], e["before"] or e["after"])
        for e in ticket["history"]
        if e["event"] in ("assigned", "returned")
    ]
    ann, ben = f"{desk.name}.ann", f"{desk.name}.ben"
    assert moves[:3] == [("assigned", ann), ("returned", ann), ("assigned", ben)]
    given, taken = (e for e in ticket["history"][:4] if e["event"] in ("assigned", "returned"))
    assert parse_time(taken["at"]) - parse_time(given["at"]) >= timedelta(seconds=3)


def test_goes_to_somebody_else_when_it_is_declined_and_never_back(
    tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("declines")
    ann, ben = f"{desk.name}.ann", f"{desk.name}.ben"
    tickets.when(ticket_id, lambda it: it["assignee"] == ann, "the first")

    tickets.insist(ticket_id, "decline", ann, reason="No ladder.")
    tickets.when(ticket_id, lambda it: it["assignee"] == ben, "the second")
    tickets.insist(ticket_id, "decline", ben, reason="Afraid of heights.")

    ticket = tickets.in_state(ticket_id, "WAITING")
    assert desk.name in ticket["situation"]
    assert [e["text"] for e in ticket["history"] if e["event"] == "declined"] == [
        "No ladder.",
        "Afraid of heights.",
    ]


def test_who_becomes_free_gets_what_is_due_first_at_once(tickets: Tickets, opened: Opened) -> None:
    desk, held = opened.one("due-first")
    ann = f"{desk.name}.ann"
    tickets.in_state(held, "ASSIGNED")
    low, urgent = desk.open(priority="low"), desk.open(priority="urgent")
    for ticket_id in (low, urgent):
        tickets.in_state(ticket_id, "WAITING")

    tickets.insist(held, "resolve", ann, resolution="A new bulb.")

    assert tickets.read(urgent)["assignee"] == ann
    assert tickets.read(low)["state"] == "WAITING"
    tickets.insist(urgent, "resolve", ann, resolution="Another bulb.")
    assert tickets.read(low)["assignee"] == ann
    for ticket_id in (held, urgent):
        tickets.in_state(ticket_id, "CLOSED")


def test_the_schedule_assigns_what_waits_when_a_shift_begins(
    tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("shift")
    tickets.in_state(ticket_id, "WAITING")
    ann = desk.hire("ann", calendar=None, shifts=[shift(begins_in=2)])
    assert tickets.read(ticket_id)["state"] == "WAITING"

    def there() -> bool:
        return bool(tickets.done("GET", f"/representatives/{ann}")["on_shift"])

    wait_until(there, SECONDS_TO_WAIT, "the shift")
    tickets.watch_cases()

    ticket = tickets.read(ticket_id)
    assert (ticket["state"], ticket["assignee"]) == ("ASSIGNED", ann)
    accepted = tickets.insist(ticket_id, "accept", ann)
    assert accepted["state"] == "IN_PROGRESS"


# ------------------------------------------------------------------ promises


def test_escalates_tier_by_tier_until_nobody_is_left(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("escalates")

    ticket = tickets.in_state(ticket_id, "EXHAUSTED")

    number = ticket["number"]
    cause = f"Engage Tier 3 Support: no tier has resolved case {number}."
    told = [e for e in ticket["history"] if e["event"] not in ("sla_warning", "manager_paged")]
    assert [(e["event"], e["after"]) for e in told if e["event"] not in ("created", "opened")] == [
        ("assigned", f"{desk.name}.ann"),
        ("sla_breach", told[3]["after"]),
        ("escalated", "tier 2"),
        ("assigned", f"{desk.name}.zoe"),
        ("sla_breach", told[6]["after"]),
        ("escalation_exhausted", "EXHAUSTED"),
    ]
    assert "sla_warning" in events_of(ticket)
    escalated, second_breach = told[4], told[6]
    promised = parse_time(second_breach["after"]) - parse_time(escalated["at"])
    assert promised == timedelta(seconds=4)
    assert (ticket["tier"], ticket["cause"], ticket["assignee"]) == (2, cause, None)
    execution = cloud.execution(tickets.execution_arn(ticket_id))
    assert (execution["status"], execution["error"]) == ("FAILED", "EscalationExhausted")
    assert execution["cause"] == cause
    assert cloud.alert(number, subject=f"Case {number} is not resolved") == cause
    assert number in tickets.mail_to(f"{desk.name}.ann@aftercall.example", "solution due soon")
    assert number in tickets.mail_to(manager_of(desk), "the solution is late")
    assert number in tickets.mail_to(manager_of(desk), cause)


def test_what_no_tier_resolved_takes_a_supervisor_to_be_reopened(
    tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("escalates")
    ticket = tickets.in_state(ticket_id, "EXHAUSTED")
    again = {"version": ticket["version"], "reason": "Bob has called."}

    refused = tickets.ask("POST", f"/{ticket_id}/reopen", again, by=f"{desk.name}.ann")
    tickets.done("POST", f"/{ticket_id}/reopen", again)
    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new fuse.")

    assert refused.status_code == 403
    assert tickets.in_state(ticket_id, "CLOSED")["tier"] == 2


def test_pages_nobody_outside_of_the_on_call_hours(tickets: Tickets, opened: Opened) -> None:
    desk, ticket_id = opened.one("at-night")

    ticket = tickets.happened(ticket_id, "sla_breach")

    assert (ticket["state"], ticket["assignee"]) == ("ASSIGNED", f"{desk.name}.ann")
    assert parse_time(ticket["page_at"]) - datetime.now(UTC) > timedelta(days=1)
    tickets.act(ticket, "accept", f"{desk.name}.ann")
    assert "manager_paged" not in events_of(tickets.read(ticket_id))
    manager = manager_of(desk)
    assert tickets.mails_to(manager) == []
    settings = tickets.done("GET", f"/queues/{desk.name}")["settings"] | {"on_call": ALWAYS}
    tickets.store_queue(desk.name, version=1, **settings)
    tickets.insist(ticket_id, "comment", "supervisor", text="Somebody is there now.")
    ticket = tickets.happened(ticket_id, "manager_paged")
    assert ticket["page_at"] is None
    assert tickets.mail_to(manager, ticket["number"], "the first response is late")


def test_alerts_where_a_queue_names_no_manager(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    _, ticket_id = opened.one("nobody")

    ticket = tickets.happened(ticket_id, "manager_paged", times=2)

    assert {"waits", "sla_warning", "sla_breach"} <= set(events_of(ticket))
    subject = f"Case {ticket['number']} needs you"
    cloud.alert(f"{ticket['number']} in queue", subject=subject)
    heard = wait_until(
        lambda: len(found := cloud.alerts(ticket["number"])) >= 2 and found,
        SECONDS_TO_WAIT,
        "both alerts",
    )
    assert "nobody has it, and the first response is due at" in heard[0]["Message"]
    assert "the first response is late" in heard[1]["Message"]


# ------------------------------------------------------------------ at the same moment


def test_loses_no_action_that_comes_while_the_machine_reviews(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("hasty")
    ticket = tickets.in_state(ticket_id, "ASSIGNED")
    ann, arn, written = f"{desk.name}.ann", tickets.execution_arn(ticket_id), 0

    while "Let Change Settle" not in entered(cloud, arn):
        for _ in range(5):
            written += 1
            ticket = tickets.insist(ticket_id, "comment", ann, text=f"Note {written}.")
    tickets.act(ticket, "resolve", ann, resolution="A new bulb.")

    ticket = tickets.in_state(ticket_id, "CLOSED")
    notes = [e["text"] for e in ticket["history"] if e["event"] == "commented"]
    assert notes == [f"Note {number}." for number in range(1, written + 1)]
    assert cloud.execution(arn)["status"] == "SUCCEEDED"


def test_goes_on_when_the_processes_of_its_steps_are_killed(
    cloud: TestCloud, tickets: Tickets
) -> None:
    """A step may be over before it is seen: then another ticket comes, until two were killed."""
    desk = make_desk(tickets, "killed", "ann")
    killed = 0
    numbers = 0

    def end_busy_ones() -> bool:
        nonlocal killed
        for step in ("open_case", "assign_case", "review_case"):
            killed += kill(busy_processes(INSTANCE, f"tickets.{step}.handler"))
        return killed >= 2

    while killed < 2:
        numbers += 1
        assert numbers <= MOST_TRIES, "no step was ever seen at work"
        ticket_id = desk.open()
        wait_until(
            lambda: end_busy_ones() or tickets.read(ticket_id)["state"] == "ASSIGNED",  # noqa: B023
            SECONDS_TO_WAIT,
            "steps to kill",
            pause=0.002,
        )
        tickets.in_state(ticket_id, "ASSIGNED")
        tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")

        ticket = tickets.in_state(ticket_id, "CLOSED")
        assert [event for event in events_of(ticket) if event != "waits"] == [
            *("created", "opened", "assigned", "resolved", "closed")
        ]
        assert cloud.execution(tickets.execution_arn(ticket_id))["status"] == "SUCCEEDED"
    address = f"{desk.name}.ann@aftercall.example"
    wait_until(lambda: len(tickets.mails_to(address)) >= numbers, SECONDS_TO_WAIT, "all mails")
    assert len(tickets.mails_to(address)) == numbers


# ------------------------------------------------------------------ ends, and what comes after them


def test_a_closed_one_is_reopened_and_another_execution_goes_on(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("reopens")
    ann = desk.hire("ann")
    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")
    closed = tickets.in_state(ticket_id, "CLOSED")

    tickets.act(closed, "reopen", "supervisor", reason="It is dark again.")

    ticket = tickets.in_state(ticket_id, "ASSIGNED")
    assert (ticket["assignee"], ticket["resolution"], ticket["summary"]) == (ann, None, None)
    assert ticket["clocks"]["solution"]["due_at"] > closed["clocks"]["solution"]["due_at"]
    tickets.insist(ticket_id, "resolve", ann, resolution="A new fuse.")
    ticket = tickets.in_state(ticket_id, "CLOSED")
    assert events_of(ticket)[-4:] == ["reopened", "assigned", "resolved", "closed"]
    for run in (1, 2):
        execution = cloud.execution(tickets.execution_arn(ticket_id, run))
        assert execution["status"] == "SUCCEEDED"
    customer = contact_of(desk)["email"]
    assert tickets.mail_to(customer, "open again")
    assert tickets.mail_to(customer, "A new fuse.")


def test_a_closed_one_is_not_reopened_after_its_time(tickets: Tickets, opened: Opened) -> None:
    _, ticket_id = opened.one("too-late")
    closed = tickets.in_state(ticket_id, "CLOSED")
    until = closed["reopen_until"]
    wait_until(lambda: format_time(datetime.now(UTC)) > until, SECONDS_TO_WAIT, "the time to pass")

    again = {"version": closed["version"], "reason": "It is dark again."}
    refused = tickets.ask("POST", f"/{ticket_id}/reopen", again)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-possible")
    assert until in refused.json()["detail"]
    assert tickets.read(ticket_id)["version"] == closed["version"]


def test_one_that_is_merged_goes_on_as_the_other(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    desk, again = opened.one("merged")
    first, stranger = opened.ids["first"], opened.ids["stranger"]
    for ticket_id in (again, first, stranger):
        tickets.in_state(ticket_id, "WAITING")
    number = tickets.read(first)["number"]

    seen = {"version": tickets.read(again)["version"]}
    refused = tickets.ask("POST", f"/{again}/merge", {**seen, "into": stranger})
    tickets.insist(again, "merge", "supervisor", into=first)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-possible")
    arn = tickets.execution_arn(again)
    assert cloud.execution(arn)["status"] == "SUCCEEDED"
    assert entered(cloud, arn)[-1] == "Case Ended Otherwise"
    merged = tickets.read(again)
    assert (merged["state"], merged["merged_into"]) == ("MERGED", first)
    assert tickets.read(first)["state"] == "WAITING"
    assert events_of(tickets.read(first))[-1] == "merged"
    assert tickets.mail_to(contact_of(desk)["email"], f"continued as {number}")


def test_an_aborted_execution_is_told_and_followed_by_another(
    cloud: TestCloud, tickets: Tickets, opened: Opened
) -> None:
    desk, ticket_id = opened.one("aborted")
    number = tickets.in_state(ticket_id, "WAITING")["number"]
    arn = tickets.execution_arn(ticket_id)
    wait_until(lambda: "Work On Case" in entered(cloud, arn), SECONDS_TO_WAIT, "the wait")

    cloud.stepfunctions.stop_execution(executionArn=arn)
    # On the emulator, unlike AWS, an execution ends no sooner than the wait for its token.
    tickets.insist(ticket_id, "comment", "supervisor", text="Its execution was stopped.")

    assert "ended as ABORTED" in cloud.alert(number, subject=f"The workflow of case {number}")
    tickets.set_attention(ticket_id, datetime.now(UTC) - timedelta(seconds=1))
    tickets.watch_cases()
    following = tickets.execution_arn(ticket_id, run=2)
    wait_until(lambda: "Work On Case" in entered(cloud, following), SECONDS_TO_WAIT, "its wait")
    ann = desk.hire("ann")
    tickets.when(ticket_id, lambda it: it["assignee"] == ann, "somebody")
    tickets.insist(ticket_id, "resolve", ann, resolution="A new bulb.")
    assert "workflow_failed" in events_of(tickets.in_state(ticket_id, "CLOSED"))
    assert cloud.execution(following)["status"] == "SUCCEEDED"


# ------------------------------------------------------------------ tickets of calls


@pytest.mark.parametrize(("name", "is_there"), [("call", True), ("call-without-analysis", False)])
def test_an_unhappy_call_opens_one_ticket(
    tickets: Tickets, opened: Opened, name: str, is_there: bool
) -> None:
    desk, ticket_id = opened.one(name)
    wait_until(lambda: tickets.ask("GET", f"/{ticket_id}").ok, SECONDS_TO_WAIT, "the ticket")

    ticket = tickets.in_state(ticket_id, "WAITING")

    assert (ticket["queue"], ticket["call"]["reasons"]) == (desk.name, [desk.name])
    assert events_of(ticket) == ["created", "opened", "waits"]
    quotes = [quote["text"] for quote in ticket["call"]["quotes"]]
    assert quotes == (["It is dark here!"] if is_there else [])
    assert ticket["customer_id"] == (desk.name if is_there else None)
    if is_there:
        assert ticket["number"] in tickets.mail_to(contact_of(desk)["email"], ticket["subject"])
        [listed] = tickets.done("GET", f"?customer_id={desk.name}")["items"]
        assert listed["ticket_id"] == ticket_id


def tell_of_unhappy_call(cloud: TestCloud, desk: Desk, *, is_there: bool) -> str:
    """Tell the bus twice of a call that has an analysis or none any more; its ticket's id. Its
    customer and the reason of the follow-up are called like the desk.
    """
    call_id = any_call_id()
    bucket, key = cloud.outputs["AnalysesBucketName"], f"analyses/{call_id}/1.json"
    customer = Customer(customer_id=desk.name, name="Bob", email=contact_of(desk)["email"])
    save_customer(cloud.dynamodb, cloud.outputs["CustomersTableName"], customer)
    if is_there:
        document = json.dumps(analysis(customer.customer_id, reason=desk.name))
        cloud.s3.put_object(Bucket=bucket, Key=key, Body=document)
    for _ in range(2):
        request_follow_up(cloud, call_id, bucket, key, reason=desk.name)
    return Source(kind="call", id=call_id).ticket_id


def analysis(customer_id: str, reason: str) -> dict[str, Any]:
    """A redacted analysis with all that a ticket takes from it."""
    said = [("AGENT", "NEUTRAL", "Hello."), ("CUSTOMER", "NEGATIVE", "It is dark here!")]
    return {
        "Transcript": [
            {
                "ParticipantRole": role,
                "Sentiment": sentiment,
                "Content": text,
                "BeginOffsetMillis": number * 1000,
                "EndOffsetMillis": number * 1000 + 900,
            }
            for number, (role, sentiment, text) in enumerate(said)
        ],
        "Categories": {"MatchedCategories": ["TechnicalProblem"]},
        "Aftercall": {"follow_up_reasons": [reason], "metadata": {"customer_id": customer_id}},
    }


def request_follow_up(cloud: TestCloud, call_id: str, bucket: str, key: str, reason: str) -> None:
    """Tell the bus of an unhappy call, as post_call does."""
    detail = {
        "event_id": f"{call_id}-follow-up",
        "trace_id": call_id,
        "subject_id": call_id,
        "occurred_at": "2026-03-02T09:14:05Z",
        "version": "1",
        "data": {
            "call_id": call_id,
            "analysis_bucket": bucket,
            "analysis_key": key,
            "reasons": [reason],
        },
    }
    cloud.events.put_events(
        Entries=[
            {
                "EventBusName": cloud.outputs["EventBusName"],
                "Source": "aftercall.post_call",
                "DetailType": "FollowUpRequested",
                "Detail": json.dumps(detail),
            }
        ]
    )
