"""Escalating a case to the next tier, and what happens behind the last one."""

import pytest

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_queue, any_representative, any_ticket, at, later
from .surroundings import SARAH, TOKEN

MODULE = "tickets.escalate_case"
NOTHING = {"exhausted": False, "error": "", "cause": ""}


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def late(**changed):
    return any_ticket(**{"escalating": "not resolved in time"} | changed)


def test_hands_it_to_the_next_tier_with_clocks_of_its_own(module, around, event, context, clock):
    around.put(late())
    around.put_representative(any_representative(load=1))
    clock(later(hours=2))

    output = module.handler(event, context)

    after = around.get()
    assert output["exhausted"] is False
    assert (after.state, after.tier, after.assignee) == ("QUEUED", 2, None)
    assert (after.escalating, after.clocks["solution"].due_at) == (None, at(hours=10))
    assert around.loads() == {SARAH: 0}
    assert around.events() == ["escalated"]


def test_behind_the_top_tier_the_execution_fails_and_the_ticket_says_so(
    module, around, cloud, event, context
):
    around.put(late(tier=2), restarts=2, task_token=TOKEN)
    around.put_representative(any_representative(load=1))
    published = cloud.watch_bus()

    output = module.handler(event, context)

    after = around.get()
    assert output == {"exhausted": True, "error": "EscalationExhausted", "cause": after.cause}
    assert after.cause.startswith("Engage Tier 3 Support")
    assert (after.state, after.assignee) == ("EXHAUSTED", None)
    assert {told["detail"]["data"]["template"] for told in published()} == {"case_breach"}
    assert {"watched", "task_token"} & set(around.workflow()) == set()
    assert around.loads() == {SARAH: 0}


def test_managers_whom_nobody_pages_at_night_are_paged_in_the_morning(
    module, around, event, context
):
    on_call = {"hours": {"monday": [["10:00", "12:00"]]}}
    around.put_queue(any_queue(on_call=on_call))
    around.put(late(tier=2, assignee=None, state="QUEUED"))

    module.handler(event, context)

    workflow = around.workflow()
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(hours=1))
    assert around.outbox() == []


@pytest.mark.parametrize("state", ["IN_PROGRESS", "RESOLVED", "MERGED"])
def test_leaves_alone_what_is_not_to_be_escalated_any_more(module, around, event, context, state):
    ticket = around.put(any_ticket(state))

    assert module.handler(event, context)["exhausted"] is False

    assert around.get() == ticket


def test_an_older_execution_steps_back(module, around, event, context):
    ticket = around.put(late(), run=2)

    assert module.handler(event, context) == NOTHING

    assert around.get() == ticket


@pytest.mark.parametrize(("tier", "happened"), [(1, "escalated"), (2, "escalation_exhausted")])
@pytest.mark.parametrize("operation", ["TransactWriteItems", "UpdateItem"])
@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_a_second_run_escalates_only_once(
    module, around, event, context, intercept, operation, trouble, tier, happened
):
    around.put(late(tier=tier))
    around.put_representative(any_representative(load=1))
    intercept(operation, **trouble)
    if (operation, tier) != ("UpdateItem", 1):  # There is nothing to take out of the outbox.
        with pytest.raises(TransientError):
            module.handler(event, context)

    output = module.handler(event, context)

    assert output["exhausted"] is (tier == 2)
    assert around.events().count(happened) == 1
    assert around.loads() == {SARAH: 0}
    assert around.outbox() == []


def test_what_was_asked_for_in_words_is_logged_without_them(module, around, event, context, capsys):
    around.put(late(escalating="John Smith is angry"))
    around.put_representative(any_representative(load=1))

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "case escalated" in logged
    assert "John" not in logged
