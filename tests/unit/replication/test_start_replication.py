"""The month that begins is asked for once."""

MODULE = "replication.start_replication"


def test_asks_for_the_month_of_the_schedules_event(load, around, context, event_of):
    module = load(MODULE)

    assert module.handler(event_of(MODULE), context) == {"replication_id": "2026-12-all"}

    found = around.replication()
    assert (found.period, found.entities, found.state) == ("2026-12", None, "PLANNING")
    assert found.requested_by == "schedule"
    assert around.executions("ReplicationPlan") == {
        "2026-12-all-1": {"replication_id": "2026-12-all", "plan": 1}
    }


def test_the_same_event_again_starts_nothing_new(load, around, context, event_of):
    module = load(MODULE)
    for _ in range(2):
        module.handler(event_of(MODULE), context)

    assert len(around.executions("ReplicationPlan")) == 1


def test_a_month_that_somebody_has_asked_for_already_is_left_as_it_is(
    load, around, context, event_of
):
    module = load(MODULE)
    module.handler(event_of(MODULE), context)
    around.table.change_state("2026-12-all", ["PLANNING"], "CANCELLED")

    module.handler(event_of(MODULE), context)

    assert around.replication().state == "CANCELLED"
