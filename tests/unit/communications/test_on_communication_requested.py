"""Composing by event: once for each event, and aside with what can never be sent."""

import json

import pytest
from botocore.client import BaseClient

from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import RECIPIENT
from .surroundings import batch, failed_ids

MODULE = "communications.on_communication_requested"
DONE = {"batchItemFailures": []}


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def requested(event, *, detail=None, **changed_data):
    """The event's body with other data; None leaves a name out."""
    body = json.loads(event["Records"][0]["body"])
    body["detail"] |= detail or {}
    data = body["detail"]["data"] | changed_data
    body["detail"]["data"] = {name: value for name, value in data.items() if value is not None}
    return json.dumps(body)


def test_stores_and_queues_what_another_domain_asks_for(module, around, event, context):
    around.put_customer()

    result = module.handler(event, context)

    [stored] = around.all()
    [queued] = around.bodies()
    assert result == DONE
    assert (stored.state, stored.sent, stored.version) == ("QUEUED", 0, 1)
    assert (stored.recipient, stored.customer_id) == (RECIPIENT, "1001")
    assert (stored.template, stored.fields["status"]) == ("case_update", "opened")
    assert (stored.created_by, stored.trace_id) == ("aftercall.tickets", "ticket-20260302-0001")
    assert (stored.dead_letters_left, stored.history[0].event) == (3, "composed")
    assert queued == {
        "primaryId": stored.communication_id,
        "operation": "send.email",
        "createdBy": "aftercall.tickets",
        "created": queued["created"],
    }
    assert around.delays() in ([0], [1])


def test_composes_once_when_the_event_arrives_twice(module, around, event, context):
    around.put_customer()
    module.handler(event, context)
    [before] = around.all()

    assert module.handler(event, context) == DONE

    assert around.all() == [before]


def test_a_replay_gives_what_was_stored_although_the_customer_s_address_is_gone(
    module, around, event, context
):
    around.put_customer()
    module.handler(event, context)
    around.put_customer(email=None)

    assert module.handler(event, context) == DONE

    assert around.dead_letters() == []
    assert [one.recipient for one in around.all()] == [RECIPIENT]


def test_two_deliveries_at_once_are_one_communication(module, around, event, context, intercept):
    around.put_customer()
    intercept("PutItem", before=lambda: module.handler(event, context))

    assert module.handler(event, context) == DONE

    [stored] = around.all()
    assert stored.version == 1
    assert {body["primaryId"] for body in around.bodies()} == {stored.communication_id}


def test_reads_the_customer_as_last_written(module, around, event, context, monkeypatch):
    around.put_customer()
    real, asked = BaseClient._make_api_call, []

    def call(client, name, arguments):
        if name == "GetItem":
            asked.append(arguments)
        return real(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)

    module.handler(event, context)

    assert len(asked) == 2
    assert all(request["ConsistentRead"] for request in asked)


def test_composes_twice_for_two_events(module, around, event, context):
    around.put_customer()
    bodies = [requested(event, detail={"event_id": event_id}) for event_id in ("e1", "e2")]

    module.handler(batch(*bodies), context)

    assert len(around.all()) == 2


@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("InternalError", status=500)}, {"after": reply_is_lost}],
    ids=["refused", "reply lost"],
)
def test_queues_what_was_stored_and_never_queued_when_the_event_comes_again(
    module, around, event, context, intercept, trouble
):
    around.put_customer()
    intercept("SendMessage", **trouble)
    with pytest.raises(Exception, match="All records failed"):
        module.handler(event, context)

    assert module.handler(event, context) == DONE

    [stored] = around.all()
    assert stored.version == 1
    assert around.bodies()[-1]["primaryId"] == stored.communication_id


def test_queues_nothing_again_that_was_tried_since(module, around, event, context):
    around.put_customer()
    module.handler(event, context)
    [stored] = around.all()
    around.put(stored.changed(None, attempts=1, tries=1))

    module.handler(event, context)

    assert len(around.queued()) == 1


def test_sends_an_sms_to_the_customer_s_telephone(module, around, event, context):
    around.put_customer(phone="+12025550101")

    module.handler(batch(requested(event, channel="sms")), context)

    assert around.all()[0].recipient == "+12025550101"
    assert around.bodies()[0]["operation"] == "send.sms"


def test_sends_to_somebody_who_is_no_customer(module, around, event, context):
    body = requested(event, customer_id=None, recipient="colleague@example.com")

    module.handler(batch(body), context)

    assert around.all()[0].recipient == "colleague@example.com"


LONG = {"name": "x" * 500, "case_number": "x" * 500, "status": "x" * 500}
INVALID = {
    "no JSON": ("Peter Miller", ": "),
    "no event": ("{}", "source: Field required"),
    "unknown customer": ({"customer_id": "Miller"}, "there is no customer with this customer_id"),
    "no such address": ({"channel": "sms"}, "the customer has no address for sms"),
    "nobody": ({"customer_id": None}, "give a recipient or a customer_id"),
    "another channel": ({"channel": "Miller"}, "detail.data.channel: "),
    "no template": ({"template": None}, "detail.data.template: Field required"),
    "unknown template": ({"template": "miller"}, "there is no template of this name"),
    "a path as template": ({"template": "../Miller"}, "template: "),
    "missing field": ({"fields": {}}, "template case_update needs the fields case_number"),
    "field too long": ({"fields": LONG | {"name": "Miller" * 1000}}, "fields"),
    "field that is no text": ({"fields": {"miller": {"Miller": 1}}}, "detail.data.fields: "),
    "field that nobody may name so": (
        {"fields": {"name": "a", "case_number": "b", "status": "c", "Miller": "d"}},
        "fields: ",
    ),
    "unknown field": (
        {"fields": {"name": "a", "case_number": "b", "status": "c", "miller": "d"}},
        "template case_update has no fields but",
    ),
    "no address": (
        {"customer_id": None, "recipient": "Peter Miller"},
        "the recipient is not an e-mail address",
    ),
    "no telephone": (
        {"channel": "sms", "customer_id": None, "recipient": "Miller"},
        "the recipient is not a phone number",
    ),
}


@pytest.mark.parametrize(("changed", "reason"), INVALID.values(), ids=INVALID)
def test_puts_aside_what_can_never_be_sent_and_says_why_without_quoting_it(
    module, around, event, context, capsys, changed, reason
):
    around.put_customer()
    body = changed if isinstance(changed, str) else requested(event, **changed)

    result = module.handler(batch(body), context)

    [(kept, told)] = around.dead_letters()
    assert result == DONE
    assert (kept, around.all(), around.queued()) == (body, [], [])
    assert told.startswith(reason)
    assert "miller" not in (told + capsys.readouterr().out).lower()


def test_puts_aside_another_request_under_an_event_s_id(module, around, event, context):
    around.put_customer()
    module.handler(event, context)

    module.handler(
        batch(
            requested(
                event,
                template="callback_confirmation",
                fields={"name": "John", "date": "today", "reference": "7"},
            )
        ),
        context,
    )

    [(_, told)] = around.dead_letters()
    assert told == "This key was used before, for another communication."
    assert len(around.all()) == 1


def test_fails_only_the_message_that_failed(module, around, event, context, intercept):
    around.put_customer()
    bodies = [requested(event, detail={"event_id": f"e{number}"}) for number in range(3)]
    intercept("PutItem", before=fails_with("ThrottlingException"), nth=2)

    result = module.handler(batch(*bodies), context)

    assert failed_ids(result) == ["message-2"]
    assert len(around.all()) == len(around.queued()) == 2


def test_logs_neither_recipient_nor_fields(module, around, event, context, capsys):
    around.put_customer()

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "communication composed" in logged
    for word in ("example.com", "John", "Smith", '20260302-0001"'):
        assert word not in logged
