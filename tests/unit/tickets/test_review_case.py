"""Reviewing a case: what time has brought, and what the machine does next."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost
from tickets.rules.business_hours import AROUND_THE_CLOCK, Calendar

from .factories import ID, PENDING, any_queue, any_representative, any_ticket, at, later
from .surroundings import SARAH, TOKEN, any_notice

MODULE = "tickets.review_case"
CHECK = {"TICKET_CHECK_SECONDS": "3600", "TICKET_TURNS": "100"}


@pytest.fixture
def module(load):
    return load(MODULE, **CHECK)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


@pytest.mark.parametrize(
    ("ticket", "following"),
    [
        (any_ticket("QUEUED"), "assign"),
        (any_ticket("WAITING"), "work"),
        (any_ticket("ASSIGNED"), "work"),
        (any_ticket("IN_PROGRESS"), "work"),
        (any_ticket("PENDING"), "work"),
        (any_ticket("IN_PROGRESS", escalating="any reason"), "escalate"),
        (any_ticket("QUEUED", escalating="any reason"), "escalate"),
        (any_ticket("RESOLVED"), "close"),
        (any_ticket("CLOSED"), "end"),
        (any_ticket("EXHAUSTED"), "end"),
        (any_ticket("MERGED"), "end"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_says_what_comes_next(module, around, event, context, ticket, following):
    around.put(ticket)

    output = module.handler(event, context)

    assert output["next"] == following
    assert (output["run"], output["turn"], output["version"]) == (1, 4, "1")


def test_waits_until_time_brings_something_but_no_longer_than_a_while(
    module, around, event, context, clock
):
    around.put(any_ticket("ASSIGNED", return_at=at(minutes=15)))

    output = module.handler(event, context)
    assert output["wait_seconds"] == 15 * 60
    assert output["attention_at"] == at(minutes=17)

    clock(later(minutes=14, seconds=58, microseconds=1))
    assert module.handler(event, context)["wait_seconds"] == 2


def test_looks_again_after_a_while_although_nothing_is_due(module, around, event, context):
    around.put(any_ticket("PENDING", **without_clocks()))

    output = module.handler(event, context)

    assert output["wait_seconds"] == 3600
    assert output["attention_at"] == at(hours=1, minutes=2)


def without_clocks():
    return {"clocks": {}, "pending_until": at(days=7), "pauses": PENDING["pauses"]}


def test_never_waits_less_than_a_second(module, around, event, context):
    ticket = any_ticket("EXHAUSTED", page_at=at(hours=-1), clocks={})
    around.put(ticket)

    assert module.handler(event, context)["wait_seconds"] >= 1


def test_lets_happen_what_time_has_brought(module, around, cloud, event, context, clock):
    around.put(any_ticket("IN_PROGRESS"))
    published = cloud.watch_bus()
    clock(later(hours=1))

    output = module.handler(event, context)

    assert "sla_breach" in around.events()
    assert around.get().clocks["first_response"].breached_at == at(hours=1)
    assert output["version"] == str(around.get().version) == "2"
    assert "case_breach" in {told["detail"]["data"]["template"] for told in published()}
    assert around.outbox() == []


def test_takes_back_what_nobody_reacted_to(module, around, event, context, clock):
    around.put(any_ticket("ASSIGNED"))
    around.put_representative(any_representative(load=1))
    clock(later(minutes=15))

    output = module.handler(event, context)

    assert output["next"] == "assign"
    assert (around.get().state, around.get().assignee) == ("QUEUED", None)
    assert around.get().returned_by == (SARAH,)
    assert around.loads() == {SARAH: 0}


def test_goes_by_the_settings_as_they_are_now(module, around, event, context):
    around.put_queue(any_queue(name="parcels", calendar=hours_until_ten()))
    around.put(any_ticket("IN_PROGRESS"))

    module.handler(event, context)

    assert around.events() == ["clocks_moved"]


def hours_until_ten():
    return Calendar(hours={"monday": (("09:30", "10:00"),), "tuesday": (("09:30", "10:00"),)})


def test_sends_what_an_earlier_run_could_not(module, around, cloud, event, context):
    notice = any_notice()
    around.put(any_ticket("IN_PROGRESS"), outbox={notice.notice_id: notice.model_dump()})
    published = cloud.watch_bus()

    module.handler(event, context)

    assert [told["detail"]["event_id"] for told in published()] == [f"{ID}-{notice.notice_id}"]


def test_a_quiet_review_changes_nothing(module, around, event, context):
    ticket = around.put(any_ticket("IN_PROGRESS"), task_token=TOKEN)
    workflow = around.workflow()

    module.handler(event, context)

    assert around.get() == ticket
    assert around.workflow() == workflow


# --- the end, and handing over


def test_what_has_ended_is_watched_no_more(module, around, event, context):
    around.put(any_ticket("MERGED"))

    assert module.handler(event, context)["next"] == "end"

    assert "watched" not in around.workflow()


def test_hands_over_after_many_turns(module, around, event, context):
    around.put(any_ticket("IN_PROGRESS"), task_token=TOKEN)

    assert module.handler(event | {"turn": 98}, context)["next"] == "work"
    output = module.handler(event | {"turn": 99}, context)

    assert (output["next"], output["run"]) == ("hand_over", 2)
    workflow = around.workflow()
    assert (workflow["run"], workflow["restarts"]) == (2, 0)
    assert "task_token" not in workflow


@pytest.mark.parametrize("state", ["RESOLVED", "CLOSED", "QUEUED"])
def test_ends_what_it_began_although_it_has_had_many_turns(module, around, event, context, state):
    around.put(any_ticket(state))

    assert module.handler(event | {"turn": 500}, context)["next"] != "hand_over"

    assert around.workflow()["run"] == 1


@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_a_second_run_hands_over_to_the_same_execution(
    module, around, event, context, intercept, trouble
):
    around.put(any_ticket("IN_PROGRESS"))
    intercept("UpdateItem", **trouble)
    with pytest.raises(TransientError):
        module.handler(event | {"turn": 99}, context)

    output = module.handler(event | {"turn": 99}, context)

    assert (output["next"], output["run"]) == ("hand_over", 2)
    assert around.workflow()["run"] == 2


def test_hands_over_what_the_next_execution_has_taken(module, around, event, context, clock):
    ticket = around.put(any_ticket("IN_PROGRESS"), run=2)
    clock(later(hours=9))

    output = module.handler(event, context)

    assert (output["next"], output["run"], output["version"]) == ("hand_over", 2, "0")
    assert around.get() == ticket


def test_an_execution_that_is_long_over_ends(module, around, event, context, clock):
    ticket = around.put(any_ticket("IN_PROGRESS"), run=3)
    clock(later(hours=9))

    assert module.handler(event, context)["next"] == "end"

    assert around.get() == ticket
    assert around.workflow()["watched"] == "yes"


@pytest.mark.parametrize("operation", ["TransactWriteItems", "PutEvents"])
def test_a_second_run_lets_nothing_happen_twice(
    module, around, cloud, event, context, clock, intercept, operation
):
    around.put(any_ticket("IN_PROGRESS"))
    published = cloud.watch_bus()
    clock(later(hours=1))
    intercept(operation, after=reply_is_lost)
    with pytest.raises(TransientError):
        module.handler(event, context)

    module.handler(event, context)

    told = [one["detail"]["event_id"] for one in published()]
    assert around.events().count("sla_breach") == 1
    assert around.outbox() == []
    assert len(set(told)) == len(managers_ways())


def managers_ways():
    return [way for one in any_queue().managers for way in (one.email, one.phone) if way]


def test_the_queue_of_these_tests_is_always_open():
    assert any_queue().calendar == any_queue().on_call == AROUND_THE_CLOCK
