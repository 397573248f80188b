"""The redrive on schedule: batches of twenty, started once for each event."""

from datetime import timedelta

import pytest

from shared.times import format_time, now
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_communication, any_failed, any_sent, any_unknown

MODULE = "communications.start_redrive"
RUN = "scheduled-53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"
CANARY = "CommunicationsCanaryStateMachine"


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


def failures(count, **changed):
    """Failures, the oldest first."""
    return [
        any_failed(
            communication_id=f"c{number:03}",
            created_at=f"2026-03-02T{number // 60:02}:{number % 60:02}:00Z",
            **changed,
        )
        for number in range(count)
    ]


def taken(executions):
    return [
        one["communication_id"] for given in executions.values() for one in given["communications"]
    ]


def test_starts_an_execution_for_each_twenty_failures(module, around, event, context):
    around.put(*failures(45))

    result = module.handler(event, context)

    executions = around.executions()
    assert result == {"run_id": RUN, "communications": 45, "batches": 3}
    assert sorted(executions) == [f"{RUN}-{number}" for number in (1, 2, 3)]
    sizes = [len(executions[f"{RUN}-{number}"]["communications"]) for number in (1, 2, 3)]
    assert sizes == [20, 20, 5]
    assert sorted(taken(executions)) == [f"c{number:03}" for number in range(45)]
    assert executions[f"{RUN}-1"]["communications"][0] == {"communication_id": "c000", "version": 1}


def test_gives_an_execution_what_its_machine_takes(module, around, event, context):
    around.put(any_failed())

    module.handler(event, context)

    [given] = around.executions().values()
    assert set(given) == {"run_id", "batch", "communications", "tell"}
    assert (given["run_id"], given["batch"], given["tell"]) == (RUN, 1, True)


def test_stores_the_run_and_its_batches(module, around, event, context):
    around.put(*failures(21))

    module.handler(event, context)

    items = around.redrive_items(RUN)
    assert sorted(items) == ["batch#00001", "batch#00002", "run"]
    assert items["run"]["started_by"] == "schedule"
    assert (items["run"]["state"], items["run"]["communications"]) == ("RUNNING", 21)
    assert (items["batch#00002"]["state"], items["batch#00002"]["stage"]) == ("RUNNING", 1)


def test_starts_the_same_executions_when_the_event_arrives_twice(module, around, event, context):
    around.put(*failures(25))
    first = module.handler(event, context)
    before = around.executions()
    around.put(*failures(60))

    assert module.handler(event, context) == first

    assert around.executions() == before


@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_starts_the_rest_when_it_broke_off_between_two(
    module, around, event, context, intercept, trouble
):
    around.put(*failures(45))
    intercept("StartExecution", nth=2, **trouble)
    with pytest.raises(Exception, match=r"ThrottlingException|ConnectionClosedError"):
        module.handler(event, context)

    module.handler(event, context)

    assert sorted(around.executions()) == [f"{RUN}-{number}" for number in (1, 2, 3)]
    assert len(set(taken(around.executions()))) == 45


def test_another_event_starts_another_run(module, around, event, context):
    around.put(any_failed())

    module.handler(event, context)
    module.handler(event | {"id": "another"}, context)

    assert sorted(around.executions()) == [f"{RUN}-1", "scheduled-another-1"]


def test_does_nothing_where_nothing_failed(module, around, event, context):
    around.put(any_sent(), any_communication(communication_id="c1"))

    result = module.handler(event, context)

    assert result == {"run_id": RUN, "communications": 0, "batches": 0}
    assert around.executions() == {}
    assert around.redrive_items(RUN) == {}


def test_takes_the_most_batches_and_leaves_the_rest(step, around, event, context):
    module = step(MODULE, MOST_BATCHES="2")
    around.put(*failures(50))

    result = module.handler(event, context)

    assert (result["communications"], result["batches"]) == (40, 2)
    assert sorted(taken(around.executions())) == [f"c{number:03}" for number in range(40)]


def test_takes_what_another_try_can_heal_and_nothing_else(module, around, event, context):
    around.put(
        any_failed(communication_id="transient"),
        any_failed(communication_id="throttled", error_class="throttled"),
        any_failed(communication_id="permanent", error_class="permanent"),
        any_failed(communication_id="exhausted", redrives=3),
        any_failed(communication_id="almost", redrives=2),
        any_unknown(communication_id="unknown"),
        any_failed(communication_id="letter", state="DEAD_LETTER"),
    )

    module.handler(event, context)

    assert sorted(taken(around.executions())) == ["almost", "throttled", "transient"]


# --- runs that were forgotten


def test_begins_what_a_person_asked_for_and_whose_event_was_lost(module, around, event, context):
    around.put(any_failed(error_class="permanent", error="Bounced"))
    around.put_run("lost", selection={"error": "Bounced"})
    around.put_run("lost-canary", canary=True, selection={"error": "Any"})

    module.handler(event, context)

    assert list(around.executions()) == ["lost-1"]
    assert around.executions(CANARY) == {"lost-canary": {"run_id": "lost-canary"}}
    assert around.redrive_items("lost")["run"]["state"] == "RUNNING"
    assert around.redrive_items("lost-canary")["run"]["state"] == "RUNNING"


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("state", ["RUNNING", "FINISHED", "STOPPED", "FAILED"])
def test_begins_nothing_that_has_begun(module, around, event, context, state, canary):
    around.put(any_failed(error_class="permanent", error="Bounced"))
    around.put_run("known", state=state, canary=canary, selection={"error": "Bounced"})

    module.handler(event, context)

    assert around.executions() == around.executions(CANARY) == {}


# --- what canaries find out


def hours_ago(hours):
    return format_time(now() - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("canary", "state", "hours", "chosen"),
    [
        (True, "REQUESTED", 0, ["other"]),
        (True, "RUNNING", 1, ["other"]),
        (True, "STOPPED", 23, ["other"]),
        (True, "FAILED", 23, ["other"]),
        (True, "FINISHED", 1, ["other", "watched"]),
        (True, "STOPPED", 25, ["other", "watched"]),
        (False, "RUNNING", 1, ["other", "watched"]),
    ],
)
def test_leaves_what_a_canary_has_not_healed_alone_for_a_day(
    module, around, event, context, canary, state, hours, chosen
):
    around.put(
        any_failed(communication_id="watched", template="case_update"),
        any_failed(communication_id="other"),
    )
    around.put_run(
        "canary",
        canary=canary,
        state=state,
        started_at=hours_ago(hours),
        selection={"template": "case_update"},
    )

    module.handler(event, context)

    assert sorted(taken(around.executions())) == chosen


def test_a_canary_of_nothing_in_particular_holds_nothing_back(module, around, event, context):
    around.put(any_failed())
    around.put_run("canary", canary=True, state="RUNNING", started_at=hours_ago(1))

    assert module.handler(event, context)["communications"] == 1


# --- what is logged


def test_logs_the_run_and_nobody_of_it(module, around, event, context, capsys):
    around.put(any_failed())

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert RUN in logged
    assert "example.com" not in logged
