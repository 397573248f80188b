"""When the schedule looks at a ticket that has ended."""

from importlib import import_module

import pytest

from .factories import ID, any_ticket, at
from .surroundings import TOKEN


@pytest.fixture
def watching(load):
    load("tickets.review_case")
    return import_module("tickets.watching")


ENDED = ("CLOSED", "EXHAUSTED", "MERGED")


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_is_watched_no_more(watching, around, state):
    ticket = around.put(any_ticket(state), restarts=2, task_token=TOKEN)

    watching.stop_watching(ticket, 1)

    workflow = around.workflow()
    assert {"watched", "attention_at", "task_token"} & set(workflow) == set()
    assert workflow["restarts"] == 0


@pytest.mark.parametrize("state", ENDED)
def test_a_page_that_waits_for_the_on_call_hours_is_seen_to_then(watching, around, state):
    ticket = around.put(any_ticket(state, page_at=at(hours=8)), attention_at=None, watched=None)

    watching.stop_watching(ticket, 1)

    workflow = around.workflow()
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(hours=8))


@pytest.mark.parametrize("state", ["NEW", "QUEUED", "WAITING", "PENDING", "RESOLVED"])
def test_what_has_not_ended_goes_on_being_watched(watching, around, state):
    ticket = around.put(any_ticket(state))
    before = around.workflow()

    watching.stop_watching(ticket, 1)

    assert around.workflow() == before


@pytest.mark.parametrize("page_at", [None, at(hours=8)])
def test_what_was_taken_up_again_meanwhile_goes_on_being_watched(watching, around, page_at):
    around.put(any_ticket("QUEUED"), run=2)
    before = around.workflow()

    watching.stop_watching(any_ticket("CLOSED", page_at=page_at), 1)

    assert around.workflow() == before
    assert around.get(ID).state == "QUEUED"
