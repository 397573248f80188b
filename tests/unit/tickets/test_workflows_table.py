"""What the machine needs to know of a ticket: whose turn it is, and who is still to be told."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

from .factories import ID, NOW, any_ticket, at, later
from .surroundings import OTHER, THIRD, TOKEN, any_notice


@pytest.fixture
def table(load):
    load("tickets.watch_cases")
    return import_module("tickets.workflows_table")


@pytest.fixture
def write(cloud):
    """Write a part of a transaction."""
    return lambda part: cloud.dynamodb.transact_write_items(TransactItems=[part])


def test_begins_with_the_first_run(table, write):
    write(table.creation(ID, NOW))

    assert table.get_workflow(ID) == table.Workflow(
        ticket_id=ID, run=1, attention_at=at(seconds=60)
    )


def test_begins_once(table, write):
    write(table.creation(ID, NOW))

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        write(table.creation(ID, NOW))


def test_does_not_know_what_is_not_there(table):
    assert table.get_workflow(ID) is None


def test_a_change_of_no_ticket_is_refused(table, write):
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        write(table.change_noted(ID, [], NOW))


def test_a_change_is_to_be_looked_at_although_the_ticket_was_watched_no_more(table, around, write):
    around.put(any_ticket(), watched=None, attention_at=None)

    write(table.change_noted(ID, [], later(hours=1)))

    workflow = around.workflow()
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(hours=1, seconds=60))
    assert (workflow["run"], workflow["outbox"]) == (1, {})


def test_keeps_notices_until_they_are_sent(table, around, write):
    around.put(any_ticket())
    notices = [any_notice(notice_id=f"2-{number}-any.kind") for number in range(3)]

    write(table.change_noted(ID, notices, NOW, run=1))
    assert table.get_workflow(ID).outbox == {one.notice_id: one for one in notices}

    table.take_out(ID, "2-1-any.kind")
    table.take_out(ID, "2-1-any.kind")
    assert sorted(table.get_workflow(ID).outbox) == ["2-0-any.kind", "2-2-any.kind"]


def test_a_new_run_takes_the_next_number_with_its_notices(table, around, write):
    around.put(any_ticket(), run=3)

    write(table.change_noted(ID, [any_notice()], NOW, new_run=True))

    workflow = table.get_workflow(ID)
    assert (workflow.run, len(workflow.outbox)) == (4, 1)


OWN = {
    "next_run": lambda table, run: table.next_run(ID, run, NOW),
    "look_again": lambda table, run: table.look_again(ID, run, at(hours=1)),
    "end_watch": lambda table, run: table.end_watch(ID, run),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("run", [1, 3])
def test_another_run_changes_nothing(table, around, name, run):
    around.put(any_ticket(), run=2, task_token=TOKEN)
    before = around.workflow()

    assert OWN[name](table, run) is False

    assert around.workflow() == before
    assert OWN[name](table, 2) is True


@pytest.mark.parametrize("name", OWN)
def test_what_is_not_there_is_not_made(table, around, name):
    assert OWN[name](table, 1) is False

    assert table.get_workflow(ID) is None


@pytest.mark.parametrize(("restart", "restarts"), [(False, 2), (True, 3)])
def test_the_next_run_is_taken_once(table, around, restart, restarts):
    around.put(any_ticket(), run=4, restarts=2, task_token=TOKEN)

    assert table.next_run(ID, 4, later(hours=1), restart=restart) is True
    assert table.next_run(ID, 4, later(hours=1), restart=restart) is False

    workflow = table.get_workflow(ID)
    assert (workflow.run, workflow.restarts) == (5, restarts)
    assert workflow.attention_at == at(hours=1, seconds=60)
    assert workflow.task_token is None


def test_what_has_ended_is_watched_no_more(table, around):
    around.put(any_ticket(), restarts=2, task_token=TOKEN)

    assert table.end_watch(ID, 1) is True

    assert set(around.workflow()) == {"ticket_id", "run", "restarts", "outbox"}
    assert around.workflow()["restarts"] == 0


def test_what_has_ended_may_be_looked_at_again(table, around):
    around.put(any_ticket(), watched=None, attention_at=None)

    assert table.look_again(ID, 1, at(hours=1)) is True

    assert table.overdue(at(hours=1), 9) == [ID]


def test_lists_what_is_overdue_the_longest_first(table, around):
    around.put(any_ticket(ticket_id=THIRD), attention_at=at(seconds=2))
    around.put(any_ticket(), attention_at=at())
    around.put(any_ticket(ticket_id=OTHER), attention_at=at(seconds=1))
    around.put(any_ticket(ticket_id="ended"), watched=None, attention_at=None)

    assert table.overdue(at(seconds=1), 9) == [ID, OTHER]
    assert table.overdue(at(seconds=2), 2) == [ID, OTHER]
    assert table.overdue(at(seconds=-1), 9) == []


CALLS = {
    "GetItem": lambda table: table.get_workflow(ID),
    "UpdateItem": lambda table: table.next_run(ID, 1, NOW),
    "Query": lambda table: table.overdue(at(), 1),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("code", "error"),
    [("ThrottlingException", TransientError), ("AccessDeniedException", ClientError)],
)
def test_a_throttle_passes_and_nothing_else_does(table, intercept, operation, code, error):
    intercept(operation, before=fails_with(code))

    with pytest.raises(error):
        CALLS[operation](table)
