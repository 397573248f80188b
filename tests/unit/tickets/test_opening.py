"""Opening a ticket: one for each source, whatever is lost on the way."""

from importlib import import_module

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost
from tickets.rules.ticket import Source

from .factories import NOW, at, later
from .surroundings import JANE, SARAH

MODULE = "tickets.on_follow_up_requested"
SOURCE = Source(kind="request", id="any-request")
CALL = Source(kind="call", id="any-call")
VALUES = {"subject": "A lost parcel", "queue": "parcels", "priority": "high"}


@pytest.fixture
def opening(load):
    load(MODULE)
    return import_module("tickets.opening")


def test_stores_a_new_ticket_and_starts_its_workflow(opening, around):
    ticket = opening.open_ticket(SOURCE, JANE, VALUES)

    assert ticket == around.get(ticket.ticket_id)
    assert (ticket.state, ticket.number, ticket.version) == ("NEW", "20260302-00001", 1)
    assert (ticket.created_at, ticket.created_by) == (at(), JANE)
    assert (ticket.subject, ticket.priority, ticket.source) == ("A lost parcel", "high", SOURCE)
    [entry] = around.history(ticket.ticket_id)
    assert (entry.event, entry.by, entry.at, entry.after) == ("created", JANE, at(), "NEW")
    assert around.executions() == {
        f"{ticket.ticket_id}-1": {"ticket_id": ticket.ticket_id, "run": 1}
    }


def test_a_ticket_is_traced_by_what_it_comes_from(opening):
    own = opening.open_ticket(SOURCE, JANE, VALUES)
    other = opening.open_ticket(CALL, JANE, VALUES | {"trace_id": "any-trace"})

    assert own.trace_id == own.ticket_id
    assert other.trace_id == "any-trace"


def test_a_time_is_rounded_up_as_everywhere(opening, clock):
    clock(NOW.replace(microsecond=1))

    assert opening.open_ticket(SOURCE, JANE, VALUES).created_at == at(seconds=1)


@pytest.mark.parametrize("source", [SOURCE, CALL])
def test_the_same_source_never_opens_two(opening, around, clock, source):
    first = opening.open_ticket(source, JANE, VALUES)
    clock(later(days=1))

    second = opening.open_ticket(source, SARAH, VALUES)

    assert second == first
    assert len(around.every_ticket()) == 1
    assert len(around.executions()) == 1
    assert around.events(first.ticket_id) == ["created"]


def test_other_sources_open_others(opening, around):
    sources = [
        SOURCE,
        CALL,
        Source(kind="message", id="any-call"),
        Source(kind="request", id="other"),
    ]

    tickets = [opening.open_ticket(source, JANE, VALUES) for source in sources]

    assert len({ticket.ticket_id for ticket in tickets}) == len(around.executions()) == 4
    assert [ticket.number[-1] for ticket in tickets] == ["1", "2", "3", "4"]


def test_other_contents_under_the_same_key_are_refused(opening, around):
    first = opening.open_ticket(SOURCE, JANE, VALUES)

    with pytest.raises(opening.SourceTaken) as refused:
        opening.open_ticket(SOURCE, JANE, VALUES | {"subject": "John Smith is angry"})

    assert around.every_ticket() == [first]
    assert "John" not in str(refused.value)


@pytest.mark.parametrize("kind", ["call", "message"])
def test_what_else_a_call_or_a_message_says_is_no_matter(opening, around, kind):
    source = Source(kind=kind, id="any")
    first = opening.open_ticket(source, JANE, VALUES)

    assert opening.open_ticket(source, JANE, VALUES | {"subject": "Other"}) == first

    assert around.every_ticket() == [first]


@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_a_start_that_is_lost_is_made_up_for_by_the_same_request(
    opening, around, intercept, trouble
):
    intercept("StartExecution", **trouble)
    first = opening.open_ticket(SOURCE, JANE, VALUES)

    assert opening.open_ticket(SOURCE, JANE, VALUES) == first

    assert list(around.executions()) == [f"{first.ticket_id}-1"]


def test_a_start_that_is_lost_is_left_to_the_schedule(opening, around, intercept):
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    ticket = opening.open_ticket(SOURCE, JANE, VALUES)

    assert ticket.state == "NEW"
    assert around.workflow(ticket.ticket_id)["attention_at"] == at(seconds=60)


def test_what_is_open_already_is_not_started_again(opening, around):
    first = opening.open_ticket(SOURCE, JANE, VALUES)
    around.put(first.updated(state="QUEUED", version=2))
    [execution] = around.executions()
    around.forget(execution)

    assert opening.open_ticket(SOURCE, JANE, VALUES).state == "QUEUED"

    assert around.executions() == {}


def test_of_two_at_once_the_second_gets_the_first_s_ticket(opening, around, intercept):
    intercept("UpdateItem", before=lambda: opening.open_ticket(SOURCE, JANE, VALUES))

    second = opening.open_ticket(SOURCE, SARAH, VALUES)

    assert around.every_ticket() == [second]
    assert second.created_by == JANE
    assert len(around.executions()) == 1


def test_of_two_at_once_the_second_is_refused_where_it_says_something_else(
    opening, around, intercept
):
    intercept("UpdateItem", before=lambda: opening.open_ticket(SOURCE, JANE, VALUES))

    with pytest.raises(opening.SourceTaken):
        opening.open_ticket(SOURCE, JANE, VALUES | {"subject": "Other"})

    assert [one.subject for one in around.every_ticket()] == ["A lost parcel"]


@pytest.mark.parametrize("operation", ["UpdateItem", "TransactWriteItems"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_whatever_is_lost_the_next_try_opens_one(opening, around, intercept, operation, trouble):
    intercept(operation, **trouble)
    with pytest.raises(TransientError):
        opening.open_ticket(SOURCE, JANE, VALUES)

    ticket = opening.open_ticket(SOURCE, JANE, VALUES)

    assert around.every_ticket() == [ticket]
    assert around.events(ticket.ticket_id) == ["created"]
    assert list(around.executions()) == [f"{ticket.ticket_id}-1"]


def test_logs_no_words_of_the_ticket(opening, around, capsys):
    opening.open_ticket(SOURCE, JANE, VALUES | {"description": "John Smith is angry"})

    logged = capsys.readouterr().out
    assert "ticket created" in logged
    for word in ("parcel", "John", "angry"):
        assert word not in logged
