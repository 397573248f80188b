"""Messages through the front door: the API and the bus on one side, mailboxes on the other.

Nothing is mocked. All messages are composed at once; each test waits for its own. What becomes of a
message depends on its recipient: tests/communications.py has the fates.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.cloud.client import wait_until
from tests.cloud import INSTANCE, SECONDS_TO_WAIT, TestCloud
from tests.communications import (
    WORKER,
    Communications,
    any_customer_id,
    any_email,
    any_number,
    events_of,
    physical_id,
)
from tests.processes import function_processes, kill

SIMULATOR = "simulator.amazonses.com"
SECONDS_TO_BE_VISIBLE_AGAIN = 15
"""Longer than a worker needs for a batch, even with a slow recipient in it."""

MALFORMED = {
    "no JSON at all": "body: Invalid JSON",
    '{"operation": "send.email"}': "primaryId: Field required",
    '{"primaryId": "nobody", "operation": "send.email", "createdBy": "olga",'
    ' "created": "2026-03-02T09:14:05Z"}': "there is no communication with this primaryId",
    '{"primaryId": "nobody", "operation": "send.fax", "createdBy": "olga",'
    ' "created": "2026-03-02T09:14:05Z"}': "operation: Input should be 'send.email'",
}


@dataclass
class Composed:
    """What was composed so far, by the recipients' names."""

    communications: Communications
    customer_id: str = field(default_factory=any_customer_id)
    recipients: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, recipient: str) -> None:
        self.recipients[name] = recipient
        self.ids[name] = self.communications.compose(recipient, customer_id=self.customer_id)

    def ended(self, name: str, *states: str) -> dict[str, Any]:
        """A communication, once it is in one of these states."""
        return self.communications.in_state(self.ids[name], *states)

    def received(self, name: str) -> int:
        return self.communications.received()[self.recipients[name]]


@pytest.fixture(scope="module", autouse=True)
def composed(communications: Communications) -> Iterator[Composed]:
    composed = Composed(communications)
    with communications.soon_visible_again(SECONDS_TO_BE_VISIBLE_AGAIN):
        composed.add("down", any_email("down"))
        composed.add("healed by the schedule", any_number("lost"))
        for name in ("good", "hiccup", "stumble", "lost", "refused"):
            composed.add(name, any_email(name))
        composed.add("good number", any_number())
        composed.add("lost number", any_number("lost"))
        for name in ("bounce", "complaint", "ooto", "success"):
            composed.add(name, f"{name}+{uuid.uuid4().hex}@{SIMULATOR}")
        yield composed


@pytest.fixture(scope="module", autouse=True)
def redriven_every_minute(
    cloud: TestCloud, communications: Communications, composed: Composed
) -> Iterator[None]:
    """Have the schedule fire while the other tests run; something for it to heal is there.

    The rule's target is the template's; only the hour is a minute.
    """
    found = composed.ended("healed by the schedule", "UNKNOWN")
    communications.done(
        "POST",
        f"/{found['communication_id']}/resolve",
        {"outcome": "not_sent", "evidence": "The test says so."},
    )
    deployed = physical_id(cloud.endpoint, "CommunicationsStartRedriveFunctionOnSchedule")
    targets = cloud.events.list_targets_by_rule(Rule=deployed)["Targets"]
    # A rule of its own: the emulator does not stop a schedule that it has begun, but what has no
    # targets any more does nothing.
    rule = f"every-minute-{cloud.run}"
    cloud.events.put_rule(Name=rule, ScheduleExpression="rate(1 minute)")
    cloud.events.put_targets(Rule=rule, Targets=targets)
    yield
    cloud.events.remove_targets(Rule=rule, Ids=[target["Id"] for target in targets])
    cloud.events.delete_rule(Name=rule)


# ------------------------------------------------------------------ messages that arrive


@pytest.mark.parametrize("name", ["good", "good number", "success"])
def test_sends_a_message_once(composed: Composed, name: str) -> None:
    found = composed.ended(name, "SENT")

    assert (found["sent"], found["attempts"]) == (1, 1)
    assert found["provider_message_id"]
    assert events_of(found)[0] == "composed"
    assert composed.received(name) == 1


def test_tells_that_an_email_was_delivered(
    communications: Communications, composed: Composed
) -> None:
    found = communications.happened(composed.ids["good"], "delivered")

    assert {"composed", "sent", "accepted", "delivered"} == set(events_of(found))


def test_sends_once_what_is_requested_five_times(
    cloud: TestCloud, communications: Communications
) -> None:
    customer_id, recipient = any_customer_id(), any_email()
    event_id = uuid.uuid4().hex

    for _ in range(5):
        request(cloud, event_id, customer_id=customer_id, recipient=recipient)

    wait_until(lambda: communications.received()[recipient], SECONDS_TO_WAIT, "the e-mail")
    wait_until(
        lambda: communications.in_queue("CommunicationsQueue") == 0, SECONDS_TO_WAIT, "all to end"
    )
    [record] = communications.records(customer_id)
    assert (record["state"], record["created_by"]) == ("SENT", "aftercall.test")
    assert record["trace_id"] == f"trace of {event_id}"
    assert communications.received()[recipient] == 1


def test_puts_aside_a_request_that_can_never_be_sent(
    cloud: TestCloud, communications: Communications
) -> None:
    customer_id = any_customer_id()

    request(cloud, uuid.uuid4().hex, customer_id=customer_id, recipient=None)

    reason = communications.dead_letter(lambda body: customer_id in body)
    assert reason == "there is no customer with this customer_id"
    assert communications.records(customer_id) == []


def test_composes_once_for_the_same_key(communications: Communications) -> None:
    recipient, key = any_email(), uuid.uuid4().hex

    ids = {communications.compose(recipient, key=key) for _ in range(3)}

    [one] = ids
    communications.in_state(one, "SENT")
    communications.happened(one, "delivered")
    assert communications.received()[recipient] == 1


# ------------------------------------------------------------------ messages that come back


@pytest.mark.parametrize(
    ("name", "event", "state", "error"),
    [
        ("bounce", "bounced", "FAILED", "Bounced"),
        ("complaint", "complained", "SENT", None),
    ],
)
def test_suppresses_whoever_bounces_or_complains(
    communications: Communications,
    composed: Composed,
    name: str,
    event: str,
    state: str,
    error: str | None,
) -> None:
    found = communications.happened(composed.ids[name], event)

    assert (found["state"], found["error"]) == (state, error)
    recipient = composed.recipients[name]
    assert suppressions(communications)[recipient]["reason"] == name
    again = communications.in_state(communications.compose(recipient), "FAILED")
    assert (again["error_class"], again["error"]) == ("permanent", "Suppressed")
    assert recipient not in again["cause"]
    assert composed.received(name) == (0 if name == "bounce" else 1)


def test_an_automatic_reply_changes_nothing(
    communications: Communications, composed: Composed
) -> None:
    found = communications.happened(composed.ids["ooto"], "bounced_for_now")

    assert communications.happened(composed.ids["ooto"], "delivered")["state"] == "SENT"
    assert composed.recipients["ooto"] not in suppressions(communications)
    assert found["error"] is None


# ------------------------------------------------------------------ replies that are lost


def test_an_event_of_the_provider_resolves_a_lost_reply(
    communications: Communications, composed: Composed
) -> None:
    found = communications.happened(composed.ids["lost"], "accepted")

    assert (found["state"], found["sent"], found["attempts"]) == ("SENT", 1, 1)
    assert {"reply_lost", "accepted"} <= set(events_of(found))
    assert composed.received("lost") == 1


def test_an_sms_stays_unknown_and_listed_until_a_person_resolves_it(
    communications: Communications, composed: Composed
) -> None:
    found = composed.ended("lost number", "UNKNOWN")

    one = found["communication_id"]
    listed = communications.listed(state="UNKNOWN", customer_id=composed.customer_id)
    assert listed[one]["error_class"] == "unknown"
    assert communications.ask("POST", f"/{one}/retry", {}).status_code == 409
    assert composed.received("lost number") == 1
    evidence = {"outcome": "sent", "evidence": "The customer has it."}
    resolved = communications.done("POST", f"/{one}/resolve", evidence)
    assert (resolved["state"], resolved["sent"]) == ("SENT", 1)


# ------------------------------------------------------------------ failures that pass, and others


@pytest.mark.parametrize(("name", "failures"), [("hiccup", 1), ("stumble", 2)])
def test_a_passing_failure_heals_by_itself(composed: Composed, name: str, failures: int) -> None:
    found = composed.ended(name, "SENT")

    failed = [entry for entry in found["history"] if entry["event"] == "failed"]
    assert [entry["attempt"] for entry in failed] == list(range(1, failures + 1))
    assert {entry["error"] for entry in failed} == {"ServiceUnavailable"}
    assert found["attempts"] == failures + 1
    assert composed.received(name) == 1


def test_a_refused_message_fails_at_once_and_is_listed_with_its_cause(
    communications: Communications, composed: Composed
) -> None:
    found = composed.ended("refused", "FAILED")

    assert (found["attempts"], found["error_class"]) == (1, "permanent")
    filters = {"error_class": "permanent", "customer_id": composed.customer_id}
    listed = communications.listed(**filters)[found["communication_id"]]
    assert (listed["error"], listed["cause"]) == ("MessageRejected", "Not so.")
    assert composed.received("refused") == 0


def test_a_message_rejected_every_time_rests_as_a_dead_letter_and_fails_then(
    communications: Communications, composed: Composed
) -> None:
    def requeued() -> dict[str, Any] | None:
        communications.invoke("CommunicationsRequeueOverdueFunction")
        found = communications.read(composed.ids["down"])
        return found if "queued_again" in events_of(found) else None

    wait_until(requeued, SECONDS_TO_WAIT, "the dead letter's second chance")
    found = composed.ended("down", "FAILED")

    assert events_of(found)[:6] == [
        "composed",
        "failed",
        "failed",
        "failed",
        "dead_lettered",
        "queued_again",
    ]
    assert found["error_class"] == "transient"
    assert found["attempts"] >= 6
    assert composed.received("down") == 0


@pytest.mark.parametrize(("body", "reason"), MALFORMED.items())
def test_puts_a_malformed_message_aside_with_the_reason(
    communications: Communications, body: str, reason: str
) -> None:
    communications.put_into_queue(body)

    assert communications.dead_letter(lambda found: found == body).startswith(reason)


# ------------------------------------------------------------------ the schedule


@pytest.mark.usefixtures("calls")  # They go on beside the waiting here and in later tests.
def test_the_schedule_redrives_what_another_try_can_heal(
    cloud: TestCloud, communications: Communications, composed: Composed
) -> None:
    found = composed.ended("healed by the schedule", "SENT")

    assert events_of(found)[-3:] == ["resolved", "redriven", "sent"]
    run_id = next(e["detail"] for e in found["history"] if e["event"] == "redriven")
    assert run_id.startswith("scheduled-")
    runs = {run["run_id"]: run for run in communications.all("/redrives")}
    assert runs[run_id]["started_by"] == "schedule"
    assert communications.run_ended(run_id)["counts"]["sent"] >= 1
    assert "sent" in cloud.alert(run_id, subject="Redrive: ")


# ------------------------------------------------------------------ a worker that dies


def test_a_worker_killed_while_it_sends_leads_to_no_second_message(
    cloud: TestCloud, communications: Communications
) -> None:
    wait_until(communications.quiet, SECONDS_TO_WAIT, "the other tests' messages")
    email, number = any_email("slow"), any_number("slow")

    ids = [kill_the_sender(communications, recipient) for recipient in (number, email)]

    wait_until(communications.quiet, SECONDS_TO_WAIT, "the messages to come back")
    unknown, confirmed = (communications.read(one) for one in ids)
    assert (unknown["state"], unknown["error"], unknown["attempts"]) == (
        "UNKNOWN",
        "WorkerLost",
        1,
    )
    assert (confirmed["state"], confirmed["attempts"]) == ("SENT", 1)
    received = communications.received()
    assert (received[number], received[email]) == (1, 1)


def kill_the_sender(communications: Communications, recipient: str) -> str:
    """Kill the worker while it waits for the answer to a message that went out; whose id it is."""
    one = communications.compose(recipient)
    wait_until(lambda: communications.received()[recipient], SECONDS_TO_WAIT, "the message")
    assert kill(function_processes(INSTANCE, WORKER)) >= 1
    assert "sent" not in events_of(communications.read(one))
    return one


def request(cloud: TestCloud, event_id: str, **addressee: str | None) -> None:
    """Ask for an e-mail by an event, as another domain would."""
    detail = {
        "event_id": event_id,
        "trace_id": f"trace of {event_id}",
        "subject_id": "case-17",
        "occurred_at": "2026-03-02T09:14:05Z",
        "version": "1",
        "data": {
            "channel": "email",
            "template": "case_update",
            "fields": {"name": "Ann", "case_number": "17", "status": "open"},
            **addressee,
        },
    }
    cloud.events.put_events(
        Entries=[
            {
                "EventBusName": cloud.outputs["EventBusName"],
                "Source": "aftercall.test",
                "DetailType": "CommunicationRequested",
                "Detail": json.dumps(detail),
            }
        ]
    )


def suppressions(communications: Communications) -> dict[str, dict[str, Any]]:
    return {item["address"]: item for item in communications.all("/suppressions")}
