"""What a person does with a ticket: stored against what they have seen, and passed on."""

from importlib import import_module

import pytest

from shared.errors import TransientError
from shared.problems import Problem
from tests.unit.aws_errors import fails_with, reply_is_lost
from tickets.rules import lifecycle

from .factories import ID, NOW, any_queue, any_representative, any_ticket, at
from .surroundings import JANE, OTHER, SARAH, TOKEN

MODULE = "tickets.watch_cases"
QUEUE = any_queue()
KEY = "any-request-id"


@pytest.fixture
def handling(load, clock):
    load(MODULE)
    imported = import_module("tickets.handling")
    clock(NOW)
    return imported


def resolve(ticket, moment):
    return lifecycle.resolved(ticket, QUEUE, moment, SARAH, "any resolution")


def comment(ticket, moment):
    return lifecycle.commented(ticket, QUEUE, moment, SARAH, "any text", False)


def reopen(ticket, moment):
    return lifecycle.reopened(ticket, QUEUE, moment, SARAH, "any reason")


def merge(ticket, into, moment):
    return lifecycle.merged(ticket, into, QUEUE, moment, SARAH)


def refused(status, code):
    return pytest.raises(Problem, check=lambda it: (it.status, it.code) == (status, code))


def test_stores_a_change_and_wakes_the_execution(handling, around):
    around.put(any_ticket(), task_token=TOKEN)
    around.put_representative(any_representative(load=1))

    after = handling.act(ID, 1, KEY, resolve)

    assert after == around.get()
    assert (after.state, after.version) == ("RESOLVED", 2)
    assert [(one.event, one.request_id) for one in around.history()] == [("resolved", KEY)]
    assert around.tasks.completed == [TOKEN]
    assert around.loads() == {SARAH: 0}


def test_only_the_first_entry_is_told_as_the_request_s(handling, around):
    around.put(any_ticket(clocks={"solution": {"started_at": at(), "target_seconds": 1}}))
    around.put_representative(any_representative(load=1))

    def two(ticket, moment):
        made = comment(ticket, moment)
        return made.model_copy(update={"entries": made.entries * 2})

    handling.act(ID, 1, KEY, two)

    assert [one.request_id for one in around.history()] == [KEY, None]


def test_whoever_became_free_gets_what_waits(handling, around):
    around.put(any_ticket())
    around.put(any_ticket("WAITING", ticket_id=OTHER), task_token=TOKEN)
    around.put_representative(any_representative(load=1, capacity=1))

    handling.act(ID, 1, None, resolve)

    assert around.get(OTHER).assignee == SARAH
    assert around.tasks.completed == [TOKEN]


def test_who_was_not_freed_gets_nothing(handling, around):
    around.put(any_ticket())
    around.put(any_ticket("WAITING", ticket_id=OTHER))
    around.put_representative(any_representative(load=1))

    handling.act(ID, 1, None, comment)

    assert around.get(OTHER).assignee is None


def test_what_is_not_there_is_not_known(handling):
    with refused(404, "unknown-ticket"):
        handling.act(ID, 1, None, comment)


@pytest.mark.parametrize("version", [1, 3])
def test_a_change_of_another_version_is_refused_with_the_one_that_holds(handling, around, version):
    ticket = around.put(any_ticket(version=2), task_token=TOKEN)

    with refused(409, "stale-version") as problem:
        handling.act(ID, version, KEY, comment)

    assert problem.value.extensions == {"version": 2}
    assert (around.get(), around.tasks.completed) == (ticket, [])


def test_who_comes_second_undoes_nothing(handling, around, intercept):
    around.put(any_ticket())
    faster = any_ticket(version=2, subject="Somebody was faster")
    intercept("TransactWriteItems", before=lambda: around.put(faster))

    with refused(409, "stale-version") as problem:
        handling.act(ID, 1, KEY, comment)

    assert problem.value.extensions == {"version": 2}
    assert around.get() == faster


def test_what_the_state_does_not_allow_is_refused(handling, around):
    ticket = around.put(any_ticket("CLOSED"))

    with refused(409, "not-possible") as problem:
        handling.act(ID, 1, KEY, resolve)

    assert "CLOSED" in problem.value.detail
    assert around.get() == ticket


def test_who_has_no_room_is_given_nothing(handling, around):
    ticket = around.put(any_ticket())
    around.put_representative(any_representative(load=1), any_representative(JANE, load=3))

    with refused(409, "no-room"):
        handling.act(
            ID, 1, KEY, lambda it, when: lifecycle.reassigned(it, QUEUE, when, "boss", JANE, "any")
        )

    assert around.get() == ticket
    assert around.loads() == {SARAH: 1, JANE: 3}


# --- a request that comes again


def test_a_request_that_was_made_before_changes_nothing(handling, around):
    around.put(any_ticket(), task_token=TOKEN)
    first = handling.act(ID, 1, KEY, comment)
    before = around.workflow()

    assert handling.act(ID, 1, KEY, comment) == first

    assert around.events() == ["commented"]
    assert around.workflow() == before


def test_it_gives_the_ticket_as_it_is_by_then(handling, around):
    around.put(any_ticket())
    handling.act(ID, 1, KEY, comment)
    handling.act(ID, 2, "another", comment)

    assert handling.act(ID, 1, KEY, comment).version == 3


@pytest.mark.parametrize("request_id", [None, "another"])
def test_another_request_of_the_same_version_is_stale(handling, around, request_id):
    around.put(any_ticket())
    handling.act(ID, 1, KEY, comment)

    with refused(409, "stale-version"):
        handling.act(ID, 1, request_id, comment)


def test_two_requests_without_a_key_are_two(handling, around):
    around.put(any_ticket())
    handling.act(ID, 1, None, comment)

    with refused(409, "stale-version"):
        handling.act(ID, 1, None, comment)


def test_a_request_whose_answer_was_lost_is_found_again(handling, around, intercept):
    around.put(any_ticket())
    intercept("TransactWriteItems", after=reply_is_lost)
    with pytest.raises(TransientError):
        handling.act(ID, 1, KEY, comment)

    assert handling.act(ID, 1, KEY, comment).version == 2

    assert around.events() == ["commented"]


def test_the_same_request_twice_at_once_changes_once(handling, around, intercept):
    around.put(any_ticket())
    intercept("TransactWriteItems", before=lambda: handling.act(ID, 1, KEY, comment))

    assert handling.act(ID, 1, KEY, comment).version == 2

    assert around.events() == ["commented"]


def test_a_request_is_its_caller_s_its_key_s_and_its_content_s(handling):
    given = [
        ("ann", "k", "a"),
        ("ann", "k", "b"),
        ("ann", "k"),
        ("ann", "ka"),
        ("annk", "a"),
        ("bob", "k", "a"),
        ("ann k", "a"),
    ]
    found = [handling.request_id_of(*one) for one in given]

    assert len(set(found)) == len(given)
    assert handling.request_id_of("ann", "k", "a") == found[0]
    assert handling.request_id_of("ann", None, "a") is None


# --- merging


@pytest.fixture
def two(handling, around):
    """Sarah's ticket, and another one of the same customer that nobody has."""
    around.put(any_ticket(), task_token=TOKEN)
    around.put(any_ticket("WAITING", ticket_id=OTHER, number="20260302-00002"))
    around.put_representative(any_representative(load=1))


def test_a_ticket_goes_on_as_another(handling, around, two):
    after = handling.merge(ID, 1, OTHER, KEY, merge)

    assert (after.state, after.merged_into) == ("MERGED", OTHER)
    assert around.get() == after
    assert around.events() == around.events(OTHER)[:1] == ["merged"]
    assert around.tasks.completed[0] == TOKEN


def test_who_is_freed_by_a_merge_gets_what_waits(handling, around, two):
    handling.merge(ID, 1, OTHER, KEY, merge)

    assert around.get(OTHER).assignee == SARAH
    assert around.loads() == {SARAH: 1}


def test_a_merge_that_was_made_before_changes_nothing(handling, around, two):
    first = handling.merge(ID, 1, OTHER, KEY, merge)
    history = around.events(OTHER)

    assert handling.merge(ID, 1, OTHER, KEY, merge) == first

    assert around.events(OTHER) == history
    with refused(409, "stale-version"):
        handling.merge(ID, 1, OTHER, "another", merge)


def test_where_only_the_other_one_has_changed_it_is_read_again(handling, around, two, intercept):
    changed = any_ticket("PENDING", ticket_id=OTHER, version=7, assignee=JANE)
    intercept("TransactWriteItems", before=lambda: around.put(changed))

    handling.merge(ID, 1, OTHER, KEY, merge)

    assert (around.get(OTHER).version, around.get(OTHER).state) == (8, "PENDING")
    assert around.get().state == "MERGED"


@pytest.mark.parametrize(("changed", "code"), [(ID, "stale-version"), (OTHER, "not-possible")])
def test_who_merges_what_changed_meanwhile_is_told(handling, around, two, intercept, changed, code):
    closed = any_ticket("CLOSED", ticket_id=changed, version=7)
    intercept("TransactWriteItems", before=lambda: around.put(closed))

    with refused(409, code):
        handling.merge(ID, 1, OTHER, KEY, merge)

    assert around.get(changed) == closed
    assert (around.events(), around.events(OTHER)) == ([], [])


@pytest.mark.parametrize("missing", [ID, OTHER])
def test_what_is_not_there_is_not_merged(handling, around, missing):
    around.put(any_ticket(ticket_id=OTHER if missing == ID else ID))

    with refused(404, "unknown-ticket"):
        handling.merge(ID, 1, OTHER, KEY, merge)


# --- taking up again


def test_another_execution_works_for_what_is_taken_up_again(handling, around):
    around.put(any_ticket("CLOSED"), watched=None, attention_at=None)
    around.start(f"{ID}-1", "SUCCEEDED")

    after = handling.reopen(ID, 1, KEY, reopen)

    assert (after.state, after) == ("QUEUED", around.get())
    assert around.executions()[f"{ID}-2"] == {"ticket_id": ID, "run": 2}
    workflow = around.workflow()
    assert (workflow["run"], workflow["watched"]) == (2, "yes")


def test_a_start_that_is_lost_is_left_to_the_schedule(handling, around, intercept):
    around.put(any_ticket("CLOSED"), watched=None, attention_at=None)
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    assert handling.reopen(ID, 1, KEY, reopen).state == "QUEUED"

    assert around.workflow()["attention_at"] == at(seconds=60)


def test_what_was_taken_up_before_is_not_again(handling, around):
    around.put(any_ticket("CLOSED"))
    first = handling.reopen(ID, 1, KEY, reopen)

    assert handling.reopen(ID, 1, KEY, reopen) == first

    assert list(around.executions()) == [f"{ID}-2"]
    with refused(409, "stale-version"):
        handling.reopen(ID, 1, "another", reopen)


@pytest.mark.parametrize("state", ["RESOLVED", "IN_PROGRESS", "MERGED"])
def test_what_has_not_ended_is_not_taken_up_again(handling, around, state):
    ticket = around.put(any_ticket(state))

    with refused(409, "not-possible"):
        handling.reopen(ID, 1, KEY, reopen)

    assert around.get() == ticket
    assert around.executions() == {}
