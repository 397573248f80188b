"""The message in the queue: exactly this form, and no other gets through."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.rules.queue_messages import (
    MessageRejected,
    check_channel,
    message_body,
    parse_message,
)

from .factories import ANY_JSON

SECRET = "Peter Miller"
GOOD = {
    "primaryId": "5f0c7d2e",
    "operation": "send.email",
    "createdBy": "sarah.k",
    "created": "2026-03-02T09:14:05Z",
}


def body(**changed):
    return json.dumps(GOOD | changed)


def without(name):
    return json.dumps({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(("channel", "operation"), [("email", "send.email"), ("sms", "send.sms")])
def test_names_the_communication_and_nothing_of_it(channel, operation):
    written = message_body("5f0c7d2e", channel, "sarah.k", "2026-03-02T09:14:05Z")

    assert json.loads(written) == GOOD | {"operation": operation}
    assert list(json.loads(written)) == ["primaryId", "operation", "createdBy", "created"]


def test_reads_what_it_writes():
    message = parse_message(message_body("5f0c7d2e", "sms", "sarah.k", "2026-03-02T09:14:05Z"))

    assert (message.primary_id, message.operation) == ("5f0c7d2e", "send.sms")
    assert message.created_by == "sarah.k"
    assert message.created == datetime(2026, 3, 2, 9, 14, 5, tzinfo=UTC)


def test_passes_over_what_it_does_not_know():
    assert parse_message(body(more="any")).primary_id == "5f0c7d2e"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("", "body: "),
        ("Peter Miller", "body: "),
        ('{"primaryId": "Peter Miller"', "body: "),
        ("[]", "body: "),
        ('"Peter Miller"', "body: "),
        ("null", "body: "),
        ("{}", "primaryId: Field required; operation: Field required"),
        (without("primaryId"), "primaryId: Field required"),
        (body(primaryId=""), "primaryId: "),
        (body(primaryId=SECRET * 20), "primaryId: "),
        (body(primaryId=7), "primaryId: "),
        (body(primaryId=None), "primaryId: "),
        (body(operation=SECRET), "operation: "),
        (body(operation="send.fax"), "operation: "),
        (body(operation=["send.email"]), "operation: "),
        (body(createdBy=""), "createdBy: "),
        (body(createdBy={"name": SECRET}), "createdBy: "),
        (body(created=SECRET), "created: "),
        (body(created="2026-13-02T09:14:05Z"), "created: "),
        (body(created="2026-03-02T09:14:05"), "created: "),
    ],
)
def test_says_what_is_wrong_and_quotes_nothing(broken, reason):
    with pytest.raises(MessageRejected) as raised:
        parse_message(broken)

    assert str(raised.value).startswith(reason)
    assert "Miller" not in str(raised.value)


def reading_of(text):
    """The message and no reason, or no message and the reason."""
    try:
        return parse_message(text), ""
    except MessageRejected as rejected:
        return None, str(rejected)


ALMOST = st.fixed_dictionaries(
    {name: st.just(value) | ANY_JSON for name, value in GOOD.items()}, optional={"more": ANY_JSON}
)


@given(st.text() | (ANY_JSON | ALMOST).map(json.dumps))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_body_is_a_message_or_is_rejected_with_a_reason(text):
    message, reason = reading_of(text)

    if message is None:
        assert 0 < len(reason) <= 1000
    else:
        assert 1 <= len(message.primary_id) <= 128
        assert message.created.tzinfo is not None


@given(
    st.sampled_from(list(GOOD)),
    st.text(alphabet="QXZÄ", min_size=4, max_size=300),
    st.sampled_from([lambda text: text, lambda text: [text], lambda text: {text: text}]),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_reason_quotes_a_value(name, text, wrapped):
    _, reason = reading_of(body(**{name: wrapped(text)}))

    assert text not in reason


@pytest.mark.parametrize(
    ("operation", "channel", "fits"),
    [
        ("send.email", "email", True),
        ("send.email", "sms", False),
        ("send.sms", "sms", True),
        ("send.sms", "email", False),
        ("send.communications", "email", True),
        ("send.communications", "sms", True),
    ],
)
def test_an_operation_fits_its_channel(operation, channel, fits):
    message = parse_message(body(operation=operation))

    if fits:
        check_channel(message, channel)
    else:
        with pytest.raises(MessageRejected, match="does not fit the channel"):
            check_channel(message, channel)
