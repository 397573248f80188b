"""Who is told what: every notice fits a template of the communications domain."""

import pytest

from communications.rules.templates import LONGEST_SMS, check_fields, text_of
from tests.unit.communications.factories import any_communication
from tickets.rules import lifecycle
from tickets.rules.notices import (
    LONGEST_IN_SMS,
    clocks_in_words,
    numbered,
    time_in_words,
    to_assignee,
    to_customer,
    to_managers,
)
from tickets.rules.queue import Manager
from tickets.rules.ticket import Contact

from .factories import AT, CONTACT, NUMBER, any_queue, any_ticket, at

EMAIL, PHONE = "john.smith@example.com", "+12025550101"
BY_SMS = Contact(name="John Smith", phone=PHONE)


# --- customers


def test_a_customer_is_told_by_email_where_there_is_an_address():
    contact = Contact(name="John Smith", email=EMAIL, phone=PHONE)

    [notice] = to_customer(any_ticket(contact=contact), "case_update", status="open again")

    assert (notice.channel, notice.template, notice.recipient) == ("email", "case_update", EMAIL)
    assert notice.fields == {
        "name": "John Smith",
        "case_number": NUMBER,
        "status": "open again",
    }
    assert (notice.customer_id, notice.representative_id) == (None, None)


def test_a_customer_without_an_address_is_told_by_sms():
    [notice] = to_customer(any_ticket(contact=BY_SMS), "case_update", status="any")

    assert (notice.channel, notice.recipient) == ("sms", PHONE)


@pytest.mark.parametrize("contact", [None, Contact(name="John Smith")], ids=["nobody", "no way"])
def test_a_customer_whom_nothing_reaches_is_told_nothing(contact):
    assert to_customer(any_ticket(contact=contact), "case_update", status="any") == ()


def test_a_customer_is_written_to_where_their_record_says_if_that_is_the_contact():
    on_file = CONTACT.model_copy(update={"is_customer": True})

    [notice] = to_customer(any_ticket(customer_id="C-1", contact=on_file), "any", status="any")

    assert (notice.customer_id, notice.recipient) == ("C-1", None)


def test_a_contact_of_its_own_is_written_to_whoever_the_customer_is():
    [notice] = to_customer(any_ticket(customer_id="C-1"), "case_update", status="any")

    assert (notice.customer_id, notice.recipient) == (None, EMAIL)


def test_only_an_sms_is_cut():
    text = "x" * (LONGEST_IN_SMS + 1)

    [sms] = to_customer(any_ticket(contact=BY_SMS), "case_message", text=text)
    [email] = to_customer(any_ticket(contact=CONTACT), "case_message", text=text)

    assert sms.fields["text"] == text[:-1]
    assert email.fields["text"] == text


# --- representatives and managers


def test_whoever_has_the_ticket_is_told_by_email():
    [notice] = to_assignee(any_ticket("ASSIGNED"), "case_assigned", due="any", priority="low")

    assert (notice.channel, notice.representative_id) == ("email", "sarah.k")
    assert (notice.recipient, notice.customer_id) == (None, None)
    assert notice.fields == {
        "case_number": NUMBER,
        "queue": "parcels",
        "due": "any",
        "priority": "low",
    }


def test_nobody_is_told_of_a_ticket_that_nobody_has():
    assert to_assignee(any_ticket("WAITING"), "case_assigned") == ()


def test_each_manager_is_told_by_every_way_that_they_gave():
    managers = (
        Manager(email="ann@example.com", phone="+12025550198"),
        Manager(phone="+12025550199"),
        Manager(email="bob@example.com"),
    )

    notices = to_managers(any_ticket(), any_queue(managers=managers), "any")

    assert [(notice.channel, notice.recipient) for notice in notices] == [
        ("email", "ann@example.com"),
        ("sms", "+12025550198"),
        ("sms", "+12025550199"),
        ("email", "bob@example.com"),
    ]
    assert len({notice.notice_id for notice in notices}) == 4
    assert {notice.template for notice in notices} == {"case_breach"}
    assert all(
        notice.fields == {"case_number": NUMBER, "queue": "parcels", "news": "any"}
        for notice in notices
    )


def test_the_system_s_alerts_say_it_where_there_is_no_manager():
    [notice] = to_managers(any_ticket(), any_queue(managers=()), "any")

    assert (notice.channel, notice.recipient) == ("alert", None)
    assert notice.fields == {"case_number": NUMBER, "queue": "parcels", "news": "any"}


# --- words


def test_clocks_have_names_that_people_read():
    assert clocks_in_words(["first_response", "update", "solution"]) == (
        "first response and next update and solution"
    )


def test_a_time_says_that_it_is_utc():
    assert time_in_words("2026-03-02T17:05:59Z") == "2026-03-02 17:05 UTC"


def test_no_time_is_said_to_be_none():
    assert time_in_words(None) == "no time set"


# --- ids


def test_notices_of_a_change_have_ids_of_their_own_and_keep_their_order():
    ticket = any_ticket()
    same = to_customer(ticket, "case_message", text="any") * 2

    first = [notice.notice_id for notice in numbered(same, version=4)]
    then = [notice.notice_id for notice in numbered(same, version=5)]

    assert first == ["4-0-case_message-email", "4-1-case_message-email"]
    assert set(first).isdisjoint(then)


# --- templates


def of_the_customer(contact):
    """Changes of which a customer is told."""
    new = any_ticket("NEW", contact=contact)
    working, ended = any_ticket(contact=contact), any_ticket("CLOSED", contact=contact)
    into = any_ticket(ticket_id="any-other", number="20260302-0002", contact=contact)
    return {
        "opened": lifecycle.opened(new, any_queue(), AT),
        "commented": lifecycle.commented(working, any_queue(), AT, "any", "any", True),
        "pended": lifecycle.pended(working, any_queue(), AT, "any", "any", None),
        "closed": lifecycle.closed(any_ticket("RESOLVED", contact=contact), any_queue(), AT),
        "merged": lifecycle.merged(working, into, any_queue(), AT, "any")[0],
        "reopened": lifecycle.reopened(ended, any_queue(), AT, "any", "any"),
    }


OF_THE_TEAM = {
    "assigned": lifecycle.assigned(any_ticket("QUEUED"), any_queue(), "sarah.k", AT),
    "reassigned": lifecycle.reassigned(any_ticket(), any_queue(), AT, "any", "peter.m", "any"),
    "warning": lifecycle.review(any_ticket(), any_queue(), at(minutes=48)),
    "warning of managers": lifecycle.review(any_ticket("WAITING"), any_queue(), at(minutes=48)),
    "breach": lifecycle.review(any_ticket("WAITING"), any_queue(), at(hours=1)),
    "exhausted": lifecycle.escalated(
        any_ticket(tier=2, escalating="any"), any_queue(), at(hours=8)
    ),
}
NOTICES = [
    pytest.param(notice, id=f"{name}: {notice.notice_id}")
    for name, change in [
        *of_the_customer(CONTACT).items(),
        *of_the_customer(BY_SMS).items(),
        *OF_THE_TEAM.items(),
    ]
    for notice in change.notices
]


def fields_of(notice):
    """As they are sent: a representative's name is added then."""
    return {"name": "Sarah", **notice.fields} if notice.representative_id else notice.fields


def test_something_is_told_of_each_of_these_changes():
    told = {param.id.partition(":")[0] for param in NOTICES}

    assert told == {*of_the_customer(CONTACT), *OF_THE_TEAM}


@pytest.mark.parametrize("notice", NOTICES)
def test_every_notice_has_a_template_of_its_channel_and_just_its_fields(notice):
    check_fields(notice.template, notice.channel, fields_of(notice))


@pytest.mark.parametrize("template", ["case_opened", "case_message", "case_closed", "case_update"])
def test_the_longest_sms_is_not_too_long_to_be_sent(template):
    field = {"case_opened": "subject", "case_update": "status"}.get(template, "text")
    contact = Contact(name="n" * 200, phone=PHONE)

    [notice] = to_customer(any_ticket(contact=contact), template, **{field: "x" * 9000})

    sent = any_communication(
        channel="sms", template=template, fields=notice.fields, body=None, subject=None
    )
    assert len(text_of(sent).body) <= LONGEST_SMS
