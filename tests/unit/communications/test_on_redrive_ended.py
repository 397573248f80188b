"""A redrive that broke off: recorded where its machine could not, and told."""

import json

import pytest
from moto.backends import get_backend

from tests.unit.template import ACCOUNT, REGION, client

MODULE = "communications.on_redrive_ended"
RUN = "scheduled-53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"
ENDS = [("TIMED_OUT", "States.Timeout"), ("ABORTED", "ABORTED"), ("FAILED", "FAILED")]


@pytest.fixture
def module(step):
    return step(MODULE)


def ended(event, arn, status):
    return event | {"detail": event["detail"] | {"executionArn": arn, "status": status}}


def start(cloud, machine, name, given):
    return client("stepfunctions").start_execution(
        stateMachineArn=cloud.arn(machine), name=name, input=json.dumps(given)
    )["executionArn"]


@pytest.fixture
def batch_arn(cloud, around):
    around.put_run(RUN, state="RUNNING")
    around.put_batch(RUN, 1)
    given = {"run_id": RUN, "batch": 1, "communications": [], "tell": True}
    return start(cloud, "CommunicationsRedriveStateMachine", f"{RUN}-1", given)


@pytest.fixture
def canary_arn(cloud, around):
    around.put_run(RUN, state="RUNNING", canary=True)
    return start(cloud, "CommunicationsCanaryStateMachine", RUN, {"run_id": RUN})


@pytest.fixture
def told(cloud):
    def read():
        topics = get_backend("sns")[ACCOUNT][REGION].topics
        return [
            (subject, message)
            for _, message, subject, *_ in topics[cloud.arn("AlertsTopic")].sent_notifications
        ]

    return read


def test_is_about_the_execution_of_the_event(event_of, cloud, batch_arn):
    assert event_of(MODULE)["detail"]["executionArn"] == batch_arn


@pytest.mark.parametrize(("status", "error"), ENDS)
def test_records_a_batch_whose_machine_could_not(
    module, around, event_of, context, batch_arn, told, status, error
):
    module.handler(ended(event_of(MODULE), batch_arn, status), context)

    items = around.redrive_items(RUN)
    assert (items["batch#00001"]["state"], items["batch#00001"]["error"]) == ("FAILED", error)
    assert items["batch#00001"]["finished_at"]
    assert items["run"]["state"] == "FAILED"
    assert items["run"]["outcome"] == f"Redrive {RUN}: 0 communications."
    [(subject, message)] = told()
    assert subject == "A redrive of communications broke off"
    assert f"Redrive {RUN}, batch 1, ended as {status}" in message


@pytest.mark.parametrize(("status", "error"), ENDS)
def test_records_a_canary_on_its_run(
    module, around, event_of, context, canary_arn, told, status, error
):
    module.handler(ended(event_of(MODULE), canary_arn, status), context)

    items = around.redrive_items(RUN)
    assert list(items) == ["run"]
    assert (items["run"]["state"], items["run"]["error"]) == ("FAILED", error)
    assert f"Redrive {RUN} ended as {status}" in told()[0][1]


def test_leaves_a_run_to_its_other_batches(module, around, event_of, context, batch_arn):
    around.put_batch(RUN, 2)

    module.handler(ended(event_of(MODULE), batch_arn, "TIMED_OUT"), context)

    states = {name: item["state"] for name, item in around.redrive_items(RUN).items()}
    assert states == {"run": "RUNNING", "batch#00001": "FAILED", "batch#00002": "RUNNING"}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_tells_of_a_canary_and_leaves_what_the_machine_recorded(
    module, around, event_of, context, canary_arn, told, status
):
    around.put_run(RUN, state="FAILED", canary=True, error="TransientError")
    before = around.redrive_items(RUN)

    module.handler(ended(event_of(MODULE), canary_arn, status), context)

    assert around.redrive_items(RUN) == before
    assert len(told()) == 1


def test_ends_a_run_that_the_machine_could_not_end_any_more(
    module, around, event_of, context, batch_arn
):
    around.put_batch(RUN, 1, state="FAILED", error="TransientError")

    module.handler(ended(event_of(MODULE), batch_arn, "FAILED"), context)

    items = around.redrive_items(RUN)
    assert (items["run"]["state"], items["batch#00001"]["error"]) == ("FAILED", "TransientError")


def test_tells_of_a_failure_and_leaves_what_the_machine_recorded(
    module, around, event_of, context, batch_arn, told
):
    recorded = {"state": "FAILED", "error": "TransientError", "failed_state": "collect_outcomes"}
    around.put_run(RUN, state="FAILED", outcome="as it was")
    around.put_batch(RUN, 1, **recorded)
    before = around.redrive_items(RUN)

    module.handler(ended(event_of(MODULE), batch_arn, "FAILED"), context)

    assert around.redrive_items(RUN) == before
    assert len(told()) == 1


def test_logs_and_counts_it(module, event_of, context, batch_arn, capsys):
    module.handler(ended(event_of(MODULE), batch_arn, "TIMED_OUT"), context)

    logged = capsys.readouterr().out
    assert "redrive broke off" in logged
    assert '"RedriveFailed":[1.0]' in logged
