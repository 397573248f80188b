"""What SES tells afterwards, in whatever order and however often it tells it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from communications.rules.email_events import parse_event, with_event
from communications.rules.lifecycle import after_send, claimed, discarded, redriven, resolved
from communications.rules.send_outcomes import Accepted, ReplyLost
from shared.times import format_time

from .factories import (
    ANY_JSON,
    LIMITS,
    NOW,
    RECIPIENT,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_unknown,
    later,
)

NAMES = ("Send", "Delivery", "DeliveryDelay", "Complaint", "Reject")


def message(name, *, attempt=1, bounce="Permanent", message_id=None, **changed):
    """An event as SES publishes it."""
    parts = {
        "Bounce": {"bounce": {"bounceType": bounce, "bounceSubType": "General"}},
        "Reject": {"reject": {"reason": "Bad content"}},
    }
    return {
        "eventType": name,
        "mail": {
            "messageId": message_id or f"provider-{attempt}",
            "destination": [RECIPIENT],
            "tags": {"communication_id": ["any"], "attempt": [str(attempt)]},
        },
        **parts.get(name, {}),
        **changed,
    }


def event(name, **changed):
    return parse_event(message(name, **changed))


def told(communication, *events):
    """The communication after it was told of events, one second after the other."""
    for number, one in enumerate(events):
        communication = with_event(communication, one, later(seconds=number)) or communication
    return communication


def summary(communication):
    """What must not depend on the order of events: all but when, and in which order, they came."""
    values = communication.model_dump(exclude={"history", "failed_at", "version"})
    return values, {(entry.event, entry.attempt) for entry in communication.history}


# --- one event


@pytest.mark.parametrize("name", ["Send", "Delivery", "Complaint"])
@pytest.mark.parametrize(
    "record",
    [
        any_sending(),
        any_unknown(),
        any_failed(attempts=1),
        any_communication(attempts=1, tries=1),
        any_failed(state="DEAD_LETTER", attempts=1),
    ],
    ids=lambda record: record.state,
)
def test_evidence_that_it_arrived_makes_it_sent(name, record):
    after = with_event(record, event(name), NOW)

    assert (after.state, after.sent, after.provider_message_id) == ("SENT", 1, "provider-1")
    assert (after.error, after.error_class, after.cause, after.failed_at) == (None,) * 4
    assert after.version == record.version + 1
    assert after.history[-1].by == "provider"


def test_evidence_of_an_earlier_attempt_cancels_a_waiting_resend():
    waiting = any_communication(attempts=2, tries=2, not_before=format_time(later(minutes=9)))

    after = with_event(waiting, event("Delivery", attempt=1), NOW)

    assert (after.state, after.sent, after.provider_message_id) == ("SENT", 1, "provider-1")


def test_evidence_of_an_earlier_attempt_leaves_a_send_under_way_to_its_worker():
    sending = any_sending(attempts=2)

    after = with_event(sending, event("Delivery", attempt=1), NOW)

    assert after.state == "SENDING"
    assert after_send(after, 2, Accepted("provider-2"), NOW, LIMITS, 0.5).state == "SENT"


def test_what_a_person_gave_up_stays_so():
    given_up = discarded(any_unknown(), "sarah.k", "any reason", NOW)

    after = told(given_up, event("Delivery"), event("Bounce"))

    assert (after.state, after.sent) == ("DISCARDED", 0)
    assert [entry.event for entry in after.history[-2:]] == ["delivered", "bounced"]


@pytest.mark.parametrize(
    ("name", "bounce", "error"),
    [
        ("Bounce", "Permanent", "Bounced"),
        ("Bounce", "Transient", "BouncedForNow"),
        ("Bounce", "Undetermined", "BouncedForNow"),
        ("Reject", None, "Rejected"),
    ],
)
@pytest.mark.parametrize("record", [any_sending(), any_sent(), any_unknown()])
def test_what_came_back_failed_and_no_schedule_sends_it_again(record, name, bounce, error):
    after = with_event(record, event(name, bounce=bounce), NOW)

    assert (after.state, after.sent) == ("FAILED", 0)
    assert (after.error, after.error_class) == (error, "permanent")
    assert after.cause.startswith("The provider told of it afterwards")
    assert after.failed_at == format_time(NOW)


@pytest.mark.parametrize("record", [any_sending(), any_sent(), any_unknown()])
def test_what_ses_did_not_send_for_an_earlier_complaint_was_rejected(record):
    after = with_event(record, on_account_list(), NOW)

    assert (after.state, after.error, after.error_class) == ("FAILED", "Rejected", "permanent")
    assert (after.history[-1].event, after.history[-1].detail) == (
        "rejected",
        "OnAccountSuppressionList",
    )


def on_account_list():
    return event("Complaint", complaint={"complaintSubType": "OnAccountSuppressionList"})


def test_a_bounce_of_an_earlier_attempt_fails_nothing():
    sent = after_send(any_sending(attempts=2), 2, Accepted("provider-2"), NOW, LIMITS, 0.5)

    after = with_event(sent, event("Bounce", attempt=1), NOW)

    assert (after.state, after.sent) == ("SENT", 1)


def test_what_was_sent_by_the_word_of_an_attempt_fails_when_that_comes_back():
    waiting = any_communication(attempts=2, tries=2)

    after = told(waiting, event("Send", attempt=1), event("Bounce", attempt=1))

    assert (after.state, after.sent, after.error) == ("FAILED", 0, "Bounced")


def test_a_bounce_of_an_earlier_attempt_leaves_alone_what_a_person_found():
    found = resolved(any_unknown(attempts=2), "sarah.k", True, "The customer has it.", NOW)

    assert with_event(found, event("Bounce", attempt=1), NOW).state == "SENT"
    assert with_event(found, event("Bounce", attempt=2), NOW).state == "FAILED"


def test_a_bounce_leaves_alone_what_waits_for_another_try():
    waiting = any_communication(attempts=1, tries=1)

    assert with_event(waiting, event("Bounce"), NOW).state == "QUEUED"


def test_the_reason_of_a_rejection_is_kept():
    after = with_event(any_sent(), event("Reject"), NOW)

    assert after.history[-1].detail == "Bad content"
    assert "Bad content" in after.cause


# --- an address that was corrected


@pytest.mark.parametrize("name", [*NAMES, "Bounce"])
@pytest.mark.parametrize(
    "record",
    [
        any_communication(attempts=1, recipient_since=1),
        any_sending(attempts=2, recipient_since=1),
        any_sent(attempts=2, recipient_since=1),
        any_unknown(attempts=2, recipient_since=1),
        any_failed(attempts=2, recipient_since=1),
    ],
    ids=lambda record: record.state,
)
def test_what_went_to_another_address_is_history_and_nothing_else(record, name):
    after = with_event(record, event(name, attempt=1), NOW)

    changed = {"history", "version"}
    assert after.model_dump(exclude=changed) == record.model_dump(exclude=changed)
    assert (len(after.history), after.version) == (len(record.history) + 1, record.version + 1)


def test_the_attempt_to_the_corrected_address_is_judged_by_itself():
    sent = any_sent(attempts=2, recipient_since=1, provider_message_id="provider-2")

    after = told(sent, event("Delivery", attempt=1), event("Bounce", attempt=2))

    assert (after.state, after.error) == ("FAILED", "Bounced")


@pytest.mark.parametrize("name", ["Open", "Click", "Subscription", "Rendering Failure", "Anything"])
def test_an_event_that_changes_nothing_is_passed_over(name):
    assert event(name).happening is None
    assert with_event(any_sent(), event(name), NOW) is None


@pytest.mark.parametrize("name", [*NAMES, "Bounce"])
def test_the_same_event_again_changes_nothing(name):
    once = with_event(any_unknown(), event(name), NOW)

    assert with_event(once, event(name), NOW) is None


def test_a_delay_is_noted_and_proves_nothing():
    after = with_event(any_unknown(), event("DeliveryDelay"), NOW)

    assert (after.state, after.history[-1].event) == ("UNKNOWN", "delayed")


# --- several events


def test_a_bounce_after_delivery_fails_it():
    after = told(any_sent(), event("Send"), event("Delivery"), event("Bounce"))

    assert (after.state, after.error) == ("FAILED", "Bounced")


def test_an_out_of_office_reply_after_delivery_does_not():
    after = told(any_sent(), event("Delivery"), event("Bounce", bounce="Transient"))

    assert (after.state, after.sent) == ("SENT", 1)


def test_a_late_send_event_after_a_bounce_changes_nothing_but_the_history():
    bounced = told(any_unknown(), event("Bounce"))

    after = with_event(bounced, event("Send"), later(minutes=5))

    assert after.history[-1].event == "accepted"
    assert after.model_dump(exclude={"history", "version"}) == bounced.model_dump(
        exclude={"history", "version"}
    )


def test_a_delivery_after_a_bounce_for_now_makes_it_sent():
    after = told(any_sent(), event("Bounce", bounce="Transient"), event("Delivery"))

    assert (after.state, after.sent, after.error) == ("SENT", 1, None)


def test_a_complaint_is_no_failure_of_the_sending():
    assert told(any_sent(), event("Delivery"), event("Complaint")).state == "SENT"


def test_a_copy_that_comes_back_does_not_undo_one_that_arrived():
    twice = any_sent(attempts=2)

    after = told(twice, event("Delivery", attempt=1), event("Bounce", attempt=2))

    assert (after.state, after.sent) == ("SENT", 1)


def test_evidence_waits_in_the_history_until_the_send_under_way_has_come_back():
    sending = told(any_sending(attempts=2), event("Delivery", attempt=1))
    arrived = after_send(sending, 2, ReplyLost("Any", "any"), NOW, LIMITS, 0.5)

    after = with_event(arrived, event("Bounce", attempt=2), NOW)

    assert (sending.state, arrived.state) == ("SENDING", "SENT")
    assert (after.state, after.sent) == ("SENT", 1)


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from([*NAMES, "Bounce", "Bounce", "Open"]),
        attempt=st.just(2),
        bounce=st.sampled_from(["Permanent", "Transient"]),
    )
    | st.builds(event, st.sampled_from(["Send", "Delivery", "DeliveryDelay", "Complaint"])),
    max_size=6,
)
RECORDS = st.sampled_from(
    [
        any_sent(attempts=2),
        any_unknown(attempts=2),
        any_failed(attempts=2),
        any_unknown(attempts=2, recipient_since=1),
        discarded(any_unknown(attempts=2), "p", "any", NOW),
    ]
)


@given(RECORDS, EVENTS, st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_order_and_number_of_the_same_events_ends_the_same(record, events, data):
    repeated = events + data.draw(
        st.lists(st.sampled_from(events), max_size=3) if events else st.just([])
    )
    shuffled = data.draw(st.permutations(repeated))

    assert summary(told(record, *shuffled)) == summary(told(record, *events))


def test_a_second_send_is_told_apart_from_the_first():
    failed = told(any_sent(), event("Bounce", bounce="Transient"))
    sending = claimed(redriven(failed, "run-1", "service", NOW), "message-2", NOW)
    sent = after_send(sending, 2, Accepted("provider-2"), NOW, LIMITS, 0.5)

    after = told(sent, event("Send", attempt=2), event("Delivery", attempt=2))

    assert (after.state, after.provider_message_id) == ("SENT", "provider-2")


# --- suppression


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (event("Bounce"), "bounce"),
        (event("Bounce", bounce="Transient"), None),
        (event("Complaint"), "complaint"),
        (event("Complaint", complaint={"complaintFeedbackType": "abuse"}), "complaint"),
        (event("Complaint", complaint={"complaintFeedbackType": "not-spam"}), None),
        (on_account_list(), "complaint"),
        (event("Delivery"), None),
        (event("Reject"), None),
    ],
)
def test_who_shall_get_nothing_more(one, reason):
    assert one.suppresses == reason


# --- reading


def test_reads_which_attempt_of_which_communication_it_is_about(event_of):
    record = event_of("communications.on_email_event")["Records"][0]

    one = parse_event(json.loads(record["body"]))

    assert (one.event_type, one.happening, one.attempt) == ("Delivery", "delivered", 1)
    assert one.communication_id == "5f0c7d2e9b6a4c1d8e3f70a1b2c3d4e5"
    assert one.message_id == "0100019a-message-of-ses-000000"
    assert one.recipients == ("john.smith@example.com",)


@pytest.mark.parametrize(
    "other",
    [
        None,
        "Successfully validated SNS topic for Amazon SES event publishing.",
        [],
        {},
        {"mail": None},
        {"mail": {"tags": []}},
        {"mail": {"tags": {"communication_id": ["any"]}}},
    ],
)
def test_an_event_about_no_communication_is_none(other):
    assert parse_event(other) is None


TAGGED = st.fixed_dictionaries(
    {
        "eventType": st.sampled_from(["Send", "Bounce"]) | ANY_JSON,
        "mail": st.fixed_dictionaries(
            {
                "tags": st.fixed_dictionaries(
                    {
                        "communication_id": st.lists(st.text() | ANY_JSON, max_size=2) | ANY_JSON,
                        "attempt": st.lists(st.text() | ANY_JSON, max_size=2) | ANY_JSON,
                    }
                ),
                "messageId": st.text() | ANY_JSON,
                "destination": st.lists(st.text()) | ANY_JSON,
            }
        ),
        "bounce": ANY_JSON,
        "reject": ANY_JSON,
    }
)


@given(ANY_JSON | TAGGED)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_no_event_does_worse_than_to_be_refused(content):
    with suppress(ValidationError):
        one = parse_event(content)

        assert one is None or with_event(any_sent(), one, NOW) is None or one.happening


def test_an_event_that_is_refused_is_not_quoted():
    with pytest.raises(ValidationError) as raised:
        parse_event(message("Send", attempt="Peter Miller"))

    assert "Miller" not in str(raised.value)
