"""Who gets a ticket."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickets.rules.assignment import can_take, choose

from .factories import NOW, any_representative, any_ticket, later

SARAH, PETER, MARY = "sarah.k", "peter.m", "mary.b"


def chosen(*representatives, moment=NOW, **values):
    """Whose name comes out for a ticket that waits."""
    one = choose(any_ticket("WAITING", **values), representatives, moment)
    return one and one.representative_id


# --- who can take it


@pytest.mark.parametrize(
    ("one", "ticket"),
    [
        ({"load": 3, "capacity": 3}, {}),
        ({"active": False}, {}),
        ({"shifts": ()}, {}),
        ({"tiers": (1,)}, {"tier": 2}),
        ({"tiers": (2,)}, {"tier": 1}),
        ({"skills": ("spanish",)}, {"required_skills": ("spanish", "billing")}),
        ({}, {"declined_by": (PETER, SARAH)}),
    ],
    ids=["full", "inactive", "off shift", "tier below", "tier above", "unskilled", "declined"],
)
def test_nobody_gets_a_ticket_that_they_cannot_take(one, ticket):
    sarah = any_representative(SARAH, **one)

    assert not can_take(sarah, any_ticket("WAITING", **ticket), NOW)
    assert chosen(sarah, **ticket) is None


def test_who_has_all_skills_and_more_of_one_of_several_tiers_can_take_it():
    sarah = any_representative(skills=("billing", "dutch", "spanish"), tiers=(1, 2), load=2)

    assert chosen(sarah, required_skills=("spanish", "billing"), tier=2) == SARAH


def test_nobody_gets_a_ticket_before_or_after_their_shift():
    sarah = any_representative(shifts=({"begins_at": NOW, "ends_at": later(hours=1)},))

    assert chosen(sarah, moment=later(seconds=-1)) is None
    assert chosen(sarah, moment=NOW) == SARAH
    assert chosen(sarah, moment=later(hours=1)) is None


def test_nobody_gets_a_ticket_where_there_is_nobody():
    assert chosen() is None


# --- who of these comes first


def test_the_least_load_comes_first_whatever_the_capacity():
    sarah = any_representative(SARAH, load=2, capacity=100, turn=1)
    peter = any_representative(PETER, load=1, capacity=2, turn=9)

    assert chosen(sarah, peter) == chosen(peter, sarah) == PETER


def test_between_equals_it_is_whose_turn_is_the_longest_ago():
    sarah = any_representative(SARAH, load=1, turn=5)
    peter = any_representative(PETER, load=1, turn=6)

    assert chosen(sarah, peter) == chosen(peter, sarah) == SARAH


def test_between_those_who_never_had_a_turn_the_name_decides():
    everybody = [any_representative(name) for name in (SARAH, PETER, MARY)]

    assert chosen(*everybody) == chosen(*reversed(everybody)) == MARY


def test_who_knows_the_ticket_comes_before_who_has_less_to_do():
    sarah = any_representative(SARAH, load=2, turn=9)
    peter = any_representative(PETER, load=0)

    assert chosen(peter, sarah, preferred=SARAH) == SARAH


def test_who_knows_the_ticket_but_has_no_room_does_not_hold_it_up():
    sarah = any_representative(SARAH, load=3, capacity=3)

    assert chosen(sarah, any_representative(PETER), preferred=SARAH) == PETER


def test_who_did_not_react_comes_last():
    sarah = any_representative(SARAH, load=0)
    peter = any_representative(PETER, load=2)

    assert chosen(sarah, peter, returned_by=(SARAH,)) == PETER
    assert chosen(sarah, peter, returned_by=(SARAH,), preferred=SARAH) == PETER


def test_who_did_not_react_gets_it_again_if_nobody_else_can():
    sarah, peter = any_representative(SARAH), any_representative(PETER, load=3)

    assert chosen(sarah, peter, returned_by=(SARAH,)) == SARAH


def test_who_declined_does_not_get_it_even_if_they_know_it():
    sarah = any_representative(SARAH)

    assert chosen(sarah, declined_by=(SARAH,), preferred=SARAH) is None


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=6), st.integers(0, 20))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_tickets_that_are_given_one_by_one_fill_everybody_evenly_and_nobody_too_much(team, tickets):
    team = {
        f"r{number}": any_representative(f"r{number}", capacity=capacity, turn=turn)
        for number, (capacity, turn) in enumerate(team)
    }

    for turn in range(10, 10 + tickets):
        one = choose(any_ticket("WAITING"), team.values(), NOW)
        if one is not None:
            after = one.model_copy(update={"load": one.load + 1, "turn": turn})
            team[one.representative_id] = after

    loads = [one.load for one in team.values()]
    room = [one.load for one in team.values() if one.has_room]
    assert sum(loads) == min(tickets, sum(one.capacity for one in team.values()))
    assert all(one.load <= one.capacity for one in team.values())
    assert not room or max(loads) <= min(room) + 1
