"""What a ticket is, whatever happens to it."""

from typing import get_args

import pytest
from pydantic import ValidationError

from tickets.rules.ticket import (
    ENDED,
    HELD,
    OPEN,
    WAITS_FOR_SOMEBODY,
    Change,
    Entry,
    State,
    Ticket,
)

from .factories import AT, STATES, any_ticket


def test_every_state_is_open_or_ended_or_on_its_way_to_either():
    assert set(STATES) == set(get_args(State.__value__))
    assert WAITS_FOR_SOMEBODY.isdisjoint(HELD)
    assert OPEN.isdisjoint(ENDED)
    assert set(STATES) - OPEN - ENDED == {"NEW", "RESOLVED"}


@pytest.mark.parametrize("state", STATES)
def test_comes_back_from_json_as_it_was(state):
    ticket = any_ticket(state)

    assert Ticket.model_validate(ticket.model_dump(mode="json", exclude_none=True)) == ticket


def test_is_paused_while_its_last_pause_lasts():
    over = {"began_at": AT, "ended_at": AT}

    assert not any_ticket(pauses=[]).is_paused
    assert not any_ticket(pauses=[over]).is_paused
    assert any_ticket(pauses=[over, {"began_at": AT}]).is_paused


def test_an_update_leaves_the_ticket_and_its_version_as_they_were():
    before = any_ticket(priority="low", version=7)

    after = before.updated(priority="high")

    assert (before.priority, after.priority, after.version) == ("low", "high", 7)


def test_an_update_is_validated():
    with pytest.raises(ValidationError):
        any_ticket().updated(priority="very high")


def test_no_change_goes_untold():
    ticket = any_ticket()

    with pytest.raises(ValidationError, match="at least 1 item"):
        Change(before=ticket, after=ticket, entries=())


def test_what_happened_is_for_the_team_unless_it_says_otherwise():
    assert not Entry(at=AT, by="sarah.k", event="commented").public
