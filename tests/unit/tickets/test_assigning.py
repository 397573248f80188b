"""Giving waiting tickets to representatives, whoever else does so at the same time."""

from importlib import import_module

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import ID, any_representative, any_ticket, at, later
from .surroundings import JANE, OTHER, SARAH, THIRD, TOKEN


@pytest.fixture
def assigning(load):
    load("tickets.watch_cases")
    return import_module("tickets.assigning")


def waits(ticket_id=ID, **changed):
    return any_ticket("WAITING", ticket_id=ticket_id, **changed)


def assignees(around):
    return {one.ticket_id: one.assignee for one in around.every_ticket() if one.assignee}


def test_gives_what_waits_to_whoever_has_room_and_wakes_its_execution(assigning, around):
    around.put(waits(), task_token=TOKEN)
    around.put_representative(any_representative())

    assigning.assign_waiting()

    after = around.get()
    assert (after.state, after.assignee, after.return_at) == ("ASSIGNED", SARAH, at(minutes=15))
    assert around.loads() == {SARAH: 1}
    assert around.events() == ["assigned"]
    assert around.outbox() == ["case_assigned"]
    assert around.tasks.completed == [TOKEN]


def test_what_is_due_first_goes_first(assigning, around):
    around.put(waits(THIRD, due_at=at(hours=3)))
    around.put(waits(ID, due_at=at(hours=2)))
    around.put(waits(OTHER, due_at=at(hours=1)))
    around.put_representative(any_representative(capacity=2))

    assigning.assign_waiting()

    assert assignees(around) == {OTHER: SARAH, ID: SARAH}
    assert around.get(THIRD).state == "WAITING"


def test_spreads_them_over_those_who_are_there(assigning, around):
    for ticket_id in (ID, OTHER, THIRD):
        around.put(waits(ticket_id))
    around.put_representative(any_representative(SARAH), any_representative(JANE, load=1))

    assigning.assign_waiting()

    assert around.loads() == {SARAH: 2, JANE: 2}


def test_a_ticket_that_nobody_can_take_keeps_nobody_else_waiting(assigning, around):
    around.put(waits(ID, due_at=at(hours=1), required_skills=["refunds"]))
    around.put(waits(OTHER, due_at=at(hours=2), tier=2))
    around.put(waits(THIRD, due_at=at(hours=3)))
    around.put_representative(any_representative())

    assigning.assign_waiting()

    assert assignees(around) == {THIRD: SARAH}


@pytest.mark.parametrize(
    "changed",
    [
        {"load": 3},
        {"active": False},
        {"shifts": ()},
        {"tiers": [2]},
        {"capacity": 0},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_who_cannot_take_it_does_not_get_it(assigning, around, changed):
    before = around.put(waits())
    around.put_representative(any_representative(**changed))

    assigning.assign_waiting()

    assert around.get() == before


def test_own_ticket_counts_as_waiting_although_the_index_is_not_so_far(
    assigning, around, monkeypatch
):
    own = around.put(any_ticket("QUEUED"), task_token=TOKEN)
    around.put_representative(any_representative())
    monkeypatch.setattr(assigning, "waiting", lambda: iter([]))

    assigning.assign_waiting(own)

    assert assignees(around) == {ID: SARAH}
    assert around.tasks.completed == []


def test_own_ticket_waits_its_turn(assigning, around):
    own = around.put(any_ticket("QUEUED", due_at=at(hours=2)))
    around.put(waits(OTHER, due_at=at(hours=1)), task_token=TOKEN)
    around.put_representative(any_representative(capacity=1))

    assigning.assign_waiting(own)

    assert assignees(around) == {OTHER: SARAH}
    assert around.tasks.completed == [TOKEN]


def test_own_ticket_without_a_promise_waits_for_all_others(assigning, around):
    own = around.put(any_ticket("QUEUED", due_at=None))
    around.put(waits(OTHER, due_at=at(days=99)))
    around.put_representative(any_representative(capacity=1))

    assigning.assign_waiting(own)

    assert assignees(around) == {OTHER: SARAH}


@pytest.mark.parametrize("state", ["ASSIGNED", "RESOLVED", "MERGED"])
def test_what_the_index_still_says_is_waiting_is_left_alone(assigning, around, monkeypatch, state):
    around.put(waits())
    stale = list(import_module("tickets.tickets_table").waiting())
    around.put(any_ticket(state))
    around.put_representative(any_representative(SARAH), any_representative(JANE))
    monkeypatch.setattr(assigning, "waiting", lambda: iter(stale))

    assigning.assign_waiting()

    assert around.get() == any_ticket(state)
    assert around.loads() == {SARAH: 0, JANE: 0}


def test_a_ticket_that_is_to_be_escalated_is_left_alone(assigning, around):
    before = around.put(waits(escalating="any reason"))
    around.put_representative(any_representative())

    assigning.assign_waiting()

    assert around.get() == before


def test_what_was_assigned_meanwhile_goes_to_one_only(assigning, around, intercept):
    around.put(waits())
    around.put_representative(any_representative(SARAH), any_representative(JANE))
    intercept("TransactWriteItems", before=assigning.assign_waiting)

    assigning.assign_waiting()

    assert sorted(around.loads().values()) == [0, 1]
    assert around.events() == ["assigned"]


def test_what_changed_meanwhile_is_assigned_as_it_is_then(assigning, around, intercept):
    around.put(waits())
    around.put_representative(any_representative())
    changed = waits(version=7, priority="urgent")
    intercept("TransactWriteItems", before=lambda: around.put(changed))

    assigning.assign_waiting()

    assert (around.get().version, around.get().priority) == (8, "urgent")
    assert around.loads() == {SARAH: 1}


def test_who_was_given_the_last_ticket_they_can_have_makes_room_for_the_next(
    assigning, around, intercept
):
    around.put(waits())
    around.put_representative(any_representative(SARAH), any_representative(JANE, load=1))
    intercept("TransactWriteItems", before=lambda: around.set_load(SARAH, 3))

    assigning.assign_waiting()

    assert assignees(around) == {ID: JANE}
    assert around.loads() == {SARAH: 3, JANE: 2}


def test_who_was_deactivated_meanwhile_gets_nothing(assigning, around, intercept):
    before = around.put(waits())
    around.put_representative(any_representative())
    intercept("TransactWriteItems", before=lambda: around.deactivate(SARAH))

    assigning.assign_waiting()

    assert around.get() == before
    assert around.loads() == {SARAH: 0}


def test_who_did_not_react_gets_it_only_where_nobody_else_can(assigning, around):
    around.put(waits(returned_by=[SARAH]))
    around.put_representative(any_representative(SARAH), any_representative(JANE, load=2))

    assigning.assign_waiting()

    assert assignees(around) == {ID: JANE}


def test_a_burst_in_the_same_second_takes_turns(assigning, around):
    for ticket_id in (ID, OTHER):
        around.put(waits(ticket_id))
    around.put_representative(any_representative(SARAH), any_representative(JANE))

    assigning.assign_waiting()

    assert around.loads() == {SARAH: 1, JANE: 1}


def test_reads_no_more_where_nobody_has_room(assigning, around, monkeypatch):
    around.put(waits())
    around.put_representative(any_representative(load=3))
    monkeypatch.setattr(assigning, "get", lambda _: pytest.fail("read a ticket for nobody"))

    assigning.assign_waiting()


def test_shifts_count_by_the_time_it_is(assigning, around, clock):
    around.put(waits())
    shifts = [{"begins_at": later(hours=1), "ends_at": later(hours=2)}]
    around.put_representative(any_representative(shifts=shifts))

    assigning.assign_waiting()
    assert assignees(around) == {}
    clock(later(hours=1))
    assigning.assign_waiting()

    assert assignees(around) == {ID: SARAH}


OPERATIONS = ["Query", "Scan", "GetItem", "TransactWriteItems"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_cannot_be_served_now_is_left_to_the_schedule(
    assigning, around, intercept, capsys, operation
):
    around.put(waits())
    around.put_representative(any_representative())
    intercept(operation, before=fails_with("ThrottlingException"))

    assigning.assign_freed()

    assert "waiting tickets not assigned" in capsys.readouterr().out
    assert around.get() == waits()

    assigning.assign_freed()
    assert assignees(around) == {ID: SARAH}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_step_that_cannot_go_on_now_is_retried(assigning, around, intercept, operation):
    around.put(waits())
    around.put_representative(any_representative())
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        assigning.assign_waiting()


def test_looks_at_no_more_than_a_caller_has_time_for(assigning, around, monkeypatch):
    for number in range(4):
        around.put(waits(f"t{number}", number=f"n{number}", due_at=at(hours=number)))
    around.put_representative(any_representative())
    monkeypatch.setattr(assigning, "MOST_FOR_A_CALLER", 2)

    assigning.assign_freed()

    assert assignees(around) == {"t0": SARAH, "t1": SARAH}


def test_what_is_wrong_with_one_ticket_keeps_no_other_waiting(assigning, around, capsys):
    around.put(waits(ID, due_at=at(hours=1), queue="gone"))
    around.put(waits(OTHER, due_at=at(hours=2)))
    around.put_representative(any_representative())

    assigning.assign_waiting()

    assert assignees(around) == {OTHER: SARAH}
    assert "ticket not assigned" in capsys.readouterr().out


def test_skills_that_were_asked_for_meanwhile_count(assigning, around, intercept):
    around.put(waits())
    around.put_representative(any_representative())
    changed = waits(required_skills=["refunds"], version=7)
    intercept("GetItem", before=lambda: around.put(changed))

    assigning.assign_waiting()

    assert around.get() == changed
