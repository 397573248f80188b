"""Telling people what a ticket's changes have to tell them: each thing, and whom it is for."""

from importlib import import_module

import pytest

from shared.errors import TransientError
from shared.events import CommunicationRequested, Detail
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import ID, any_representative, any_ticket, at
from .surroundings import SARAH, any_notice


@pytest.fixture
def outbox(load):
    load("tickets.review_case")
    return import_module("tickets.outbox")


@pytest.fixture
def published(cloud):
    """The events on the bus so far, as the communications domain reads them."""
    watched = cloud.watch_bus()
    return lambda: [
        Detail[CommunicationRequested].model_validate(event["detail"]) for event in watched()
    ]


@pytest.fixture
def send(outbox, around):
    """Put notices into the outbox of a ticket, and send them."""

    def put_and_send(*notices):
        ticket = any_ticket()
        around.put(ticket, outbox={one.notice_id: one.model_dump() for one in notices})
        outbox.send_notices(ticket)

    return put_and_send


def to_sarah(**changed):
    return any_notice(**{"representative_id": SARAH, "recipient": None, "fields": {}} | changed)


def test_asks_for_a_message_and_forgets_the_notice(send, around, published):
    send(any_notice())

    [detail] = published()
    assert detail.event_id == f"{ID}-{any_notice().notice_id}"
    assert (detail.trace_id, detail.subject_id, detail.occurred_at) == ("any-trace", ID, at())
    assert detail.data == CommunicationRequested(
        channel="email",
        template="case_update",
        fields={"name": "John Smith", "status": "any"},
        recipient="john.smith@example.com",
    )
    assert around.outbox() == []


def test_asks_as_the_tickets_domain(send, cloud):
    events = cloud.watch_bus()

    send(any_notice())

    [event] = events()
    assert event["source"] == "aftercall.tickets"
    assert event["detail-type"] == "CommunicationRequested"


def test_a_customer_is_named_and_their_address_is_not(send, published):
    send(any_notice(customer_id="1001", recipient=None))

    [detail] = published()
    assert (detail.data.customer_id, detail.data.recipient) == ("1001", None)


def test_a_representative_is_told_where_their_profile_says(send, around, published):
    around.put_representative(any_representative(email="sarah@example.com"))

    send(to_sarah(fields={"queue": "parcels"}))

    [detail] = published()
    assert (detail.data.channel, detail.data.recipient) == ("email", "sarah@example.com")
    assert detail.data.fields == {"name": "Sarah", "queue": "parcels"}


def test_what_no_manager_gets_is_an_alert(send, around, published):
    fields = {"case_number": "20260302-00001", "queue": "parcels", "news": "the solution is late"}

    send(any_notice(channel="alert", recipient=None, fields=fields))

    [(subject, text)] = around.alerts()
    assert subject == "Case 20260302-00001 needs you"
    assert text == "Case 20260302-00001 in queue parcels: the solution is late"
    assert published() == []
    assert around.outbox() == []


@pytest.mark.parametrize("there", [True, False])
def test_who_has_no_address_is_not_told_and_nothing_waits_for_that(
    send, around, published, capsys, there
):
    if there:
        around.put_representative(any_representative(email=None))

    send(to_sarah())

    assert published() == []
    assert around.outbox() == []
    assert "nobody to tell" in capsys.readouterr().out


def test_sends_all_in_the_order_of_what_happened(send, published):
    numbers = ("10-0-a", "2-10-a", "2-9-b")
    send(*[any_notice(notice_id=number, template=number) for number in numbers])

    assert [detail.data.template for detail in published()] == ["2-9-b", "2-10-a", "10-0-a"]


def test_has_nothing_to_send_twice(outbox, send, around, published):
    send(any_notice())
    assert len(published()) == 1

    outbox.send_notices(around.get())

    assert published() == []


def test_a_ticket_without_a_workflow_has_nothing_to_send(outbox, published):
    outbox.send_notices(any_ticket())

    assert published() == []


@pytest.mark.parametrize("operation", ["PutEvents", "UpdateItem"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_what_is_sent_again_is_the_same_event(
    outbox, send, around, intercept, published, operation, trouble
):
    intercept(operation, **trouble)
    with pytest.raises(TransientError):
        send(any_notice(notice_id="2-0-a"), any_notice(notice_id="2-1-b"))

    outbox.send_notices(around.get())

    assert {detail.event_id for detail in published()} == {f"{ID}-2-0-a", f"{ID}-2-1-b"}
    assert around.outbox() == []


def test_logs_no_words_of_a_notice(send, around, capsys):
    send(any_notice(), to_sarah(notice_id="3-0-a", fields={"text": "John Smith is angry"}))

    logged = capsys.readouterr().out
    for word in ("John", "example.com", "angry"):
        assert word not in logged
