"""Taking in what SES tells: the record learns it, and the list of suppressions."""

import json
from importlib import import_module

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import (
    ANY_JSON,
    ID,
    RECIPIENT,
    any_communication,
    any_sending,
    any_sent,
    any_unknown,
)
from .surroundings import batch, failed_ids
from .test_email_events import TAGGED

MODULE = "communications.on_email_event"
DONE = {"batchItemFailures": []}


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def deliver(module, context):
    return lambda *bodies: module.handler(batch(*bodies), context)


def told(name, *, communication_id=ID, attempt="1", recipients=(RECIPIENT,), **changed):
    parts = {"Bounce": {"bounce": {"bounceType": "Permanent", "bounceSubType": "General"}}}
    return {
        "eventType": name,
        "mail": {
            "messageId": "provider-1",
            "destination": list(recipients),
            "tags": {"communication_id": [communication_id], "attempt": [attempt]},
        },
        **parts.get(name, {}),
        **changed,
    }


def test_resolves_a_send_whose_reply_was_lost(module, around, event_of, context):
    around.put(any_unknown())

    result = module.handler(event_of(MODULE), context)

    after = around.get()
    assert result == DONE
    assert (after.state, after.sent) == ("SENT", 1)
    assert after.provider_message_id == "0100019a-message-of-ses-000000"


def test_changes_nothing_when_the_event_arrives_twice(deliver, around):
    around.put(any_unknown())
    deliver(told("Delivery"))
    once = around.get()

    assert deliver(told("Delivery"), told("Delivery")) == DONE

    assert around.get() == once


def test_cancels_the_resend_that_waits(deliver, around):
    around.put(any_communication(attempts=1, tries=1))

    deliver(told("Delivery"))

    assert around.get().state == "SENT"
    assert "open_state" not in around.item()


@pytest.mark.parametrize(("name", "reason"), [("Bounce", "bounce"), ("Complaint", "complaint")])
def test_suppresses_who_bounces_or_complains(deliver, around, name, reason):
    around.put(any_sent())

    deliver(told(name, recipients=["John.Smith@Example.com", "jane@example.com"]))

    assert around.suppressed() == {"John.Smith@Example.com": reason, "jane@example.com": reason}


def test_fails_what_bounced(deliver, around):
    around.put(any_sent())

    deliver(told("Bounce"))

    assert (around.get().state, around.get().error) == ("FAILED", "Bounced")
    assert around.item()["open_state"] == "FAILED"


@pytest.mark.parametrize("name", ["Send", "Delivery", "DeliveryDelay", "Reject"])
def test_suppresses_nobody_else(deliver, around, name):
    around.put(any_sent())

    deliver(told(name))

    assert around.suppressed() == {}


def test_suppresses_nobody_for_a_bounce_that_passes(deliver, around):
    around.put(any_sent())

    deliver(told("Bounce", bounce={"bounceType": "Transient", "bounceSubType": "MailboxFull"}))

    assert around.suppressed() == {}
    assert around.get().error == "BouncedForNow"


@pytest.mark.parametrize("feedback", ["abuse", "not-spam"])
def test_who_says_that_it_is_welcome_gets_more(deliver, around, feedback):
    around.put(any_sent())

    deliver(told("Complaint", complaint={"complaintFeedbackType": feedback}))

    assert (around.suppressed() == {}) == (feedback == "not-spam")
    assert around.get().history[-1].event == "complained"


def test_suppresses_who_complained_to_ses_before(deliver, around):
    around.put(any_sent())

    deliver(told("Complaint", complaint={"complaintSubType": "OnAccountSuppressionList"}))

    assert around.suppressed() == {RECIPIENT: "complaint"}
    assert (around.get().state, around.get().error) == ("FAILED", "Rejected")


@pytest.mark.parametrize("name", ["Bounce", "Complaint"])
def test_a_redelivered_event_does_not_undo_a_release(module, deliver, around, name):
    around.put(any_sent())
    deliver(told(name))
    assert import_module("communications.suppressions_table").release(RECIPIENT)

    assert deliver(told(name)) == DONE

    assert around.suppressed() == {}


@pytest.mark.parametrize(
    ("nth", "trouble"),
    [
        (1, {"before": fails_with("ThrottlingException")}),
        (1, {"after": reply_is_lost}),
        (2, {"before": fails_with("ThrottlingException")}),
        (2, {"after": reply_is_lost}),
    ],
)
def test_suppresses_whatever_write_failed_when_the_event_comes_again(
    deliver, around, intercept, nth, trouble
):
    around.put(any_sent())
    intercept("PutItem", nth=nth, **trouble)
    with pytest.raises(Exception, match="All records failed"):
        deliver(told("Bounce"))

    assert deliver(told("Bounce")) == DONE

    assert around.suppressed() == {RECIPIENT: "bounce"}
    assert around.get().error == "Bounced"


def test_does_nothing_for_a_communication_that_is_not_known(deliver, around, capsys):
    assert deliver(told("Bounce", communication_id="nobody")) == DONE

    assert (around.suppressed(), around.all(), around.dead_letters()) == ({}, [], [])
    assert "event of an unknown communication" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "{}",
        "null",
        {"eventType": "Send", "mail": {"tags": {"ses:configuration-set": ["any"]}}},
        told("Open"),
    ],
)
def test_passes_over_what_is_about_no_communication(deliver, around, body):
    around.put(any_sent())

    assert deliver(body) == DONE

    assert around.dead_letters() == []
    assert around.get() == any_sent()


@pytest.mark.parametrize("attempt", ["Miller", ""])
def test_puts_aside_what_is_not_as_documented_and_quotes_nothing(deliver, around, capsys, attempt):
    around.put(any_sent())
    broken = told("Send", attempt=attempt)

    assert deliver(broken) == DONE

    [(kept, reason)] = around.dead_letters()
    assert json.loads(kept) == broken
    assert reason == "the event is not as Amazon SES documents it"
    assert "Miller" not in capsys.readouterr().out


@pytest.mark.parametrize("body", ["Peter Miller", "{", "Successfully"])
def test_puts_aside_what_is_not_json(deliver, around, capsys, body):
    assert deliver(body) == DONE

    assert around.dead_letters() == [(body, "the message is not JSON")]
    assert "Miller" not in capsys.readouterr().out


def test_tells_again_what_others_have_changed_meanwhile(deliver, around, intercept):
    around.put(any_sending(claimed_by="message-1"))
    unknown = any_unknown(version=9)
    intercept("PutItem", before=lambda: around.put(unknown))

    deliver(told("Delivery"))

    assert (around.get().state, around.get().version) == ("SENT", 10)


def test_fails_only_the_message_that_failed(deliver, around, intercept):
    around.put(*(any_unknown(communication_id=one) for one in ("c1", "c2", "c3")))
    intercept("PutItem", before=fails_with("ThrottlingException"), nth=2)

    result = deliver(*(told("Delivery", communication_id=one) for one in ("c1", "c2", "c3")))

    assert failed_ids(result) == ["message-2"]
    assert [around.get(one).state for one in ("c1", "c2", "c3")] == ["SENT", "UNKNOWN", "SENT"]


@given(ANY_JSON | TAGGED)
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_event_stops_the_others(module, around, context, content):
    around.put(any_unknown())

    result = module.handler(batch(told("Delivery"), json.dumps(content)), context)

    assert "message-1" not in failed_ids(result)
    assert around.get().state == "SENT"


def test_logs_no_address(deliver, around, capsys):
    around.put(any_sent())

    deliver(told("Bounce"))

    logged = capsys.readouterr().out
    assert "email event recorded" in logged
    assert "example.com" not in logged
