"""The schedule: whatever nothing has looked at in time, and what waits."""

import pytest

from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import ID, any_queue, any_representative, any_ticket, at, later
from .surroundings import OTHER, SARAH, THIRD, TOKEN, any_notice

MODULE = "tickets.watch_cases"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def watch(module, event_of, context):
    return lambda: module.handler(event_of(MODULE), context)


def test_leaves_alone_what_is_not_overdue(watch, around):
    ticket = around.put(any_ticket(), attention_at=at(seconds=1), task_token=TOKEN)
    before = around.workflow()

    watch()

    assert (around.get(), around.workflow()) == (ticket, before)
    assert (around.tasks.completed, around.executions()) == ([], {})


def test_wakes_what_waits_and_looks_again_later(watch, around):
    ticket = around.put(any_ticket(), task_token=TOKEN)

    watch()

    assert around.tasks.completed == [TOKEN]
    assert around.get() == ticket
    workflow = around.workflow()
    assert (workflow["attention_at"], workflow["run"]) == (at(seconds=60), 1)
    assert around.executions() == {}


@pytest.mark.parametrize("token", [None, TOKEN])
def test_leaves_a_running_execution_alone(watch, around, token):
    around.put(any_ticket(), task_token=token)
    around.tasks.end(TOKEN, "TaskTimedOut")
    around.start(f"{ID}-1")

    watch()

    workflow = around.workflow()
    assert (workflow["run"], workflow["restarts"]) == (1, 0)
    assert workflow["attention_at"] == at(seconds=60)
    assert list(around.executions()) == [f"{ID}-1"]


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_follows_an_execution_that_has_ended_by_the_next_one(watch, around, status):
    around.put(any_ticket(), restarts=2, task_token=TOKEN)
    around.tasks.end(TOKEN, "TaskDoesNotExist")
    around.start(f"{ID}-1", status)

    watch()

    assert around.executions()[f"{ID}-2"] == {"ticket_id": ID, "run": 2}
    workflow = around.workflow()
    assert (workflow["run"], workflow["restarts"]) == (2, 3)
    assert "task_token" not in workflow
    assert workflow["attention_at"] == at(seconds=60)


def test_begins_what_never_began(watch, around):
    around.put(any_ticket("NEW"))

    watch()

    assert list(around.executions()) == [f"{ID}-2"]


def test_takes_up_what_was_handed_over_to_nobody(watch, around):
    around.put(any_ticket(), run=2)
    around.start(f"{ID}-1", "SUCCEEDED")

    watch()

    assert sorted(around.executions()) == [f"{ID}-1", f"{ID}-3"]


@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_a_start_that_is_lost_is_made_up_for_the_next_time(
    watch, around, intercept, clock, trouble
):
    around.put(any_ticket())
    intercept("StartExecution", **trouble)
    watch()
    clock(later(minutes=1))

    watch()

    running = around.executions()
    assert running[max(running)]["run"] == int(around.workflow()["run"])


def test_of_two_at_once_one_starts_the_next_execution(watch, around, intercept):
    around.put(any_ticket())
    intercept("DescribeExecution", before=watch)

    watch()

    assert list(around.executions()) == [f"{ID}-2"]
    assert around.workflow()["restarts"] == 1


def test_what_the_index_says_is_overdue_and_is_not_any_more_is_left_alone(
    module, watch, around, monkeypatch
):
    around.put(any_ticket(), attention_at=at(seconds=30), task_token=TOKEN)
    around.put(any_ticket(ticket_id=OTHER), attention_at=None, watched=None)
    monkeypatch.setattr(module, "overdue", lambda *_: [ID, OTHER, THIRD])

    watch()

    assert around.tasks.completed == []
    assert around.executions() == {}


# --- what has ended


@pytest.mark.parametrize("state", ["CLOSED", "EXHAUSTED", "MERGED"])
def test_finishes_what_has_ended(watch, around, cloud, state):
    notice = any_notice()
    around.put(any_ticket(state), outbox={notice.notice_id: notice.model_dump()})
    published = cloud.watch_bus()

    watch()

    assert len(published()) == 1
    assert around.outbox() == []
    assert "watched" not in around.workflow()
    assert around.executions() == {}


PAGE = {"paging": ["the solution is late"], "page_at": at(hours=-1)}


@pytest.mark.parametrize("state", ["CLOSED", "EXHAUSTED", "MERGED"])
def test_pages_of_what_has_ended_in_the_on_call_hours(watch, around, cloud, state):
    around.put(any_ticket(state, **PAGE))
    published = cloud.watch_bus()

    watch()

    after = around.get()
    assert (after.paging, after.page_at) == ((), None)
    assert around.events() == ["manager_paged"]
    ways = {told["detail"]["data"]["recipient"] for told in published()}
    assert ways == {way for one in any_queue().managers for way in (one.email, one.phone)}
    assert "watched" not in around.workflow()


def test_a_page_goes_on_waiting_where_the_on_call_hours_have_changed(watch, around):
    around.put_queue(any_queue(on_call={"hours": {"monday": [["10:00", "12:00"]]}}))
    around.put(any_ticket("EXHAUSTED", **PAGE))

    watch()

    assert around.get().page_at == at(hours=1)
    workflow = around.workflow()
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(hours=1))
    assert around.outbox() == []


def test_what_was_taken_up_again_meanwhile_goes_on_being_watched(watch, around, intercept):
    around.put(any_ticket("CLOSED"))
    intercept("UpdateItem", before=lambda: around.put(any_ticket("QUEUED"), run=2))

    watch()

    assert around.workflow()["watched"] == "yes"


# --- one and the others


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("SendTaskSuccess", "AccessDeniedException"),
        ("DescribeExecution", "ThrottlingException"),
        ("DescribeExecution", "AccessDeniedException"),
        ("StartExecution", "StateMachineDoesNotExist"),
    ],
)
def test_one_that_cannot_be_looked_after_keeps_no_other_waiting(
    watch, around, intercept, capsys, operation, code
):
    around.put(any_ticket(), attention_at=at(hours=-2), task_token=TOKEN)
    around.put(any_ticket(ticket_id=OTHER), attention_at=at(hours=-1), task_token="other-token")
    around.tasks.end(TOKEN, "TaskTimedOut")
    intercept(operation, before=fails_with(code))

    watch()

    assert around.tasks.completed == ["other-token"]
    assert around.workflow()["attention_at"] == at(seconds=60)
    assert "ticket not looked after" in capsys.readouterr().out


def test_a_workflow_of_no_ticket_keeps_no_other_waiting(watch, around, cloud):
    around.put(any_ticket(), attention_at=at(hours=-2))
    cloud.dynamodb.delete_item(TableName=cloud.name("TicketsTable"), Key={"ticket_id": {"S": ID}})
    around.put(any_ticket(ticket_id=OTHER), task_token=TOKEN)

    watch()

    assert around.tasks.completed == [TOKEN]
    assert "watched" not in around.workflow()


def test_a_watch_goes_on_although_a_ticket_cannot_even_be_put_off(watch, around, intercept):
    around.put(any_ticket(), task_token="any", attention_at=at(hours=-2))
    around.put(any_ticket(ticket_id=OTHER), task_token=TOKEN)
    intercept("UpdateItem", before=fails_with("ThrottlingException"))

    watch()

    assert around.tasks.completed == [TOKEN]


def test_the_longest_overdue_come_first(module, watch, around, monkeypatch):
    around.put(any_ticket(), task_token="later")
    around.put(any_ticket(ticket_id=OTHER), attention_at=at(hours=-1), task_token="first")
    monkeypatch.setattr(module, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(module, "MOST_ROUNDS", 1)

    watch()
    assert around.tasks.completed == ["first"]
    watch()

    assert around.tasks.completed == ["first", "later"]


def test_goes_on_while_there_are_more_than_it_reads_at_once(module, watch, around, monkeypatch):
    around.put(any_ticket(), task_token="later")
    around.put(any_ticket(ticket_id=OTHER), attention_at=at(hours=-1), task_token="first")
    monkeypatch.setattr(module, "MOST_AT_ONCE", 1)

    watch()

    assert around.tasks.completed == ["first", "later"]


# --- what waits


def test_assigns_what_waits_because_a_shift_has_begun(watch, around):
    ticket = any_ticket("WAITING")
    around.put(ticket, attention_at=at(hours=1), task_token=TOKEN)
    around.put_representative(any_representative())

    watch()

    assert (around.get().state, around.get().assignee) == ("ASSIGNED", SARAH)
    assert around.tasks.completed == [TOKEN]


def test_has_nothing_to_do(watch, around):
    watch()

    assert around.executions() == {}
