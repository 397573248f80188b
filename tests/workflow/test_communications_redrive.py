"""Every path of `communications_redrive`: the real API, queue, worker and provider; mocks for what
is rare.

All messages are composed at once and all redrives started at once; each test waits for its own.
"""

from typing import Any

import pytest

from local.cloud.client import wait_until
from tests.cloud import SECONDS_TO_WAIT, TestCloud
from tests.communications import (
    Communications,
    any_customer_id,
    any_email,
    any_number,
    events_of,
)
from tests.workflow.communications import NESTED, StartedRuns, store_batch
from tests.workflow.histories import entered, failures_in
from tests.workflow.machines import Machines

FATES = {
    "healed": [any_email("mended"), any_email("mended"), any_number("mended")],
    "partly": [any_email("mended"), any_email("refused"), any_email("refused")],
    "unreachable": [any_email("mended"), any_email("mended")],
    "silent": [any_email("mended")],
    "no_patience": [any_number("mended-then-slow")],
    "broken": [any_email("mended")],
    "waiting": [any_email("refused"), any_email("refused")],
}
BY_THE_API = ("healed", "partly")
MOCKED = [
    "everything_is_throttled_once",
    "every_function_fails_transiently_once",
    "the_way_of_a_failure_is_throttled_once",
    "the_way_of_a_failure_fails_transiently_once",
    "collecting_fails",
    "success_is_not_told",
    "failure_is_not_told",
    "failure_is_not_recorded",
]


class Redrives(StartedRuns):
    """The redrives started so far, by their names above and those of mocked cases."""

    def begin(self, machines: Machines) -> None:
        """Fail all messages, then redrive them."""
        customers = {name: any_customer_id() for name in FATES}
        self.ids = {
            name: self.communications.compose_all(*recipients, customer_id=customers[name])
            for name, recipients in FATES.items()
        }
        for case in MOCKED:
            given = store_batch(self.communications, ["mocked"])
            self.start(machines, case, "communications_redrive", given, case)
        for one in [one for ids in self.ids.values() for one in ids]:
            self.communications.in_state(one, "FAILED")
        for name in BY_THE_API:
            self.run_ids[name] = self.communications.redrive(customer_id=customers[name])
        self._start_directly(machines)

    def _start_directly(self, machines: Machines) -> None:
        for variant, name in (("no_patience", "no_patience"), (NESTED, "broken")):
            self.start(machines, name, variant, store_batch(self.communications, self.ids[name]))
        for name in ("impatient_redrive", "waiting_redrive"):
            given = store_batch(self.communications, self.ids["waiting"][:1])
            self.start(machines, name, name, given)
        silent = store_batch(self.communications, self.ids["silent"], tell=False)
        self.start(machines, "silent", "communications_redrive", silent)
        given = store_batch(self.communications, ["no.id", *self.ids["unreachable"]])
        given["communications"][1]["version"] += 5
        self.start(machines, "unreachable", "communications_redrive", given)
        given = store_batch(self.communications, ["without a version"])
        del given["communications"][0]["version"]
        self.start(machines, "unlisted", "communications_redrive", given)


@pytest.fixture(scope="module", autouse=True)
def redrives(communications: Communications, machines: Machines) -> Redrives:
    redrives = Redrives(communications)
    redrives.begin(machines)
    return redrives


# ------------------------------------------------------------------ redrives that come to an end


def test_sends_all_again_and_tells_of_the_success(
    cloud: TestCloud, communications: Communications, redrives: Redrives
) -> None:
    run = redrives.ended("healed")

    assert (run["state"], run["counts"], run["causes"]) == ("FINISHED", {"sent": 3}, {})
    for one in redrives.ids["healed"]:
        found = communications.read(one)
        assert (found["state"], found["sent"], found["redrives"]) == ("SENT", 1, 1)
        assert events_of(found)[:3] == ["composed", "failed", "redriven"]
    received = communications.received()
    assert [received[recipient] for recipient in FATES["healed"]] == [1, 1, 1]
    text = cloud.alert(run["run_id"], subject="Redrive: 3 of 3 communications sent")
    assert "  3 sent" in text.splitlines()


def test_tells_how_many_failed_again_and_why(
    cloud: TestCloud, communications: Communications, redrives: Redrives
) -> None:
    run = redrives.ended("partly")

    assert run["counts"] == {"sent": 1, "failed": 2}
    assert run["causes"] == {"MessageRejected": 2}
    text = cloud.alert(run["run_id"], subject="Redrive: 1 of 3 communications sent")
    assert text.splitlines()[1:] == [
        "  1 sent",
        "  2 failed again",
        "Causes:",
        "  MessageRejected: 2",
    ]
    assert not any(recipient in text for recipient in FATES["partly"])
    received = communications.received()
    assert [received[recipient] for recipient in FATES["partly"]] == [1, 0, 0]


def test_one_that_the_api_refuses_does_not_stop_the_others(
    cloud: TestCloud, communications: Communications, redrives: Redrives
) -> None:
    run = redrives.ended("unreachable")

    assert run["counts"] == {"not_reached": 1, "skipped": 1, "sent": 1}
    assert run["causes"] == {"RedriveRefused": 1, "stale-version": 1}
    assert "Retry Not Possible" in entered(cloud, redrives.arns["unreachable"])
    changed, sent = (communications.read(one) for one in redrives.ids["unreachable"])
    assert (changed["state"], sent["state"]) == ("FAILED", "SENT")
    assert "the API did not take them" in cloud.alert(run["run_id"], subject="Redrive: 1 of 3")


def test_tells_nobody_when_it_is_nested(cloud: TestCloud, redrives: Redrives) -> None:
    execution = cloud.execution(redrives.arns["silent"])

    run = redrives.ended("silent")
    assert (execution["status"], run["counts"]) == ("SUCCEEDED", {"sent": 1})
    assert entered(cloud, redrives.arns["silent"])[-2:] == ["All Settled?", "Redrive Finished"]
    assert cloud.alerts(run["run_id"]) == []


def test_ends_the_waiting_when_patience_is_over(
    cloud: TestCloud, communications: Communications, redrives: Redrives
) -> None:
    run = redrives.ended("no_patience")

    assert (run["state"], run["counts"]) == ("FINISHED", {"waiting": 1})
    assert "1 still being tried" in cloud.alert(run["run_id"], subject="Redrive: 0 of 1")
    [one] = redrives.ids["no_patience"]
    communications.in_state(one, "SENT")


# ------------------------------------------------------------------ redrives that break off


@pytest.mark.parametrize(
    ("case", "retried", "status"),
    [
        ("everything_is_throttled_once", 3, "SUCCEEDED"),
        ("every_function_fails_transiently_once", 3, "SUCCEEDED"),
        ("the_way_of_a_failure_is_throttled_once", 1, "FAILED"),
        ("the_way_of_a_failure_fails_transiently_once", 1, "FAILED"),
    ],
)
def test_tries_again_what_may_pass(
    cloud: TestCloud, redrives: Redrives, case: str, retried: int, status: str
) -> None:
    execution = cloud.execution(redrives.arns[case])

    permanent = 1 if status == "FAILED" else 0
    assert execution["status"] == status
    assert len(failures_in(cloud.history(redrives.arns[case]))) - permanent == retried


@pytest.mark.parametrize(
    ("name", "error", "failed_state"),
    [
        ("broken", "KeyError", "collect_outcomes"),
        ("collecting_fails", "KeyError", "collect_outcomes"),
        ("success_is_not_told", "SNS.AuthorizationErrorException", "notify_success"),
        ("failure_is_not_told", "SNS.AuthorizationErrorException", "notify_failure"),
    ],
)
def test_records_which_state_failed_and_why_and_has_somebody_told(
    cloud: TestCloud, redrives: Redrives, name: str, error: str, failed_state: str
) -> None:
    execution = cloud.execution(redrives.arns[name])

    batch = batch_of(cloud, redrives.run_ids[name])
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert (batch["state"], batch["error"], batch["failed_state"]) == (
        "FAILED",
        error,
        failed_state,
    )
    assert execution["cause"] == batch["cause"] != ""
    assert "ended as FAILED" in cloud.alert(redrives.run_ids[name], subject="A redrive")
    run = redrives.ended(name)
    assert (run["state"], run["error"]) == ("FAILED", error)


def test_breaks_off_as_a_whole_when_its_list_is_broken(
    cloud: TestCloud, redrives: Redrives
) -> None:
    execution = cloud.execution(redrives.arns["unlisted"])

    batch = batch_of(cloud, redrives.run_ids["unlisted"])
    assert execution["status"] == "FAILED"
    assert (batch["state"], batch["failed_state"]) == ("FAILED", "retry_communications")
    assert "version" in batch["cause"]


def test_the_rule_records_a_failure_that_the_machine_could_not(
    cloud: TestCloud, redrives: Redrives
) -> None:
    execution = cloud.execution(redrives.arns["failure_is_not_recorded"])

    run = redrives.ended("failure_is_not_recorded")
    assert execution["error"] == run["error"] == "AccessDeniedException"
    assert entered(cloud, redrives.arns["failure_is_not_recorded"])[-1] == "Failure Not Recorded"
    assert "ended as FAILED" in cloud.alert(run["run_id"])


def test_a_redrive_that_timed_out_is_recorded_and_told(
    cloud: TestCloud, redrives: Redrives
) -> None:
    execution = cloud.execution(redrives.arns["impatient_redrive"])

    run = redrives.ended("impatient_redrive")
    assert execution["status"] == "TIMED_OUT"
    assert (run["state"], run["error"]) == ("FAILED", "States.Timeout")
    assert "batch 1, ended as TIMED_OUT" in cloud.alert(run["run_id"])


def test_an_aborted_redrive_is_recorded_and_told(cloud: TestCloud, redrives: Redrives) -> None:
    arn = redrives.arns["waiting_redrive"]
    wait_until(lambda: "Await Outcomes" in entered(cloud, arn), SECONDS_TO_WAIT, "the waiting")

    cloud.stepfunctions.stop_execution(executionArn=arn)

    run = redrives.ended("waiting_redrive")
    assert cloud.execution(arn)["status"] == "ABORTED"
    assert (run["state"], run["error"]) == ("FAILED", "ABORTED")
    assert "batch 1, ended as ABORTED" in cloud.alert(run["run_id"])


# ------------------------------------------------------------------ limits


def test_redrives_nothing_more_often_than_its_limit(
    cloud: TestCloud, communications: Communications, redrives: Redrives
) -> None:
    one = redrives.ids["partly"][1]
    customer_id = communications.in_state(one, "FAILED")["customer_id"]
    redrives.ended("partly")

    for _ in range(2):
        communications.run_ended(communications.redrive(customer_id=customer_id))
    run = communications.run_ended(communications.redrive(customer_id=customer_id))

    assert (run["state"], run["communications"]) == ("FINISHED", 0)
    assert communications.read(one)["redrives"] == 3


def batch_of(cloud: TestCloud, run_id: str) -> dict[str, Any]:
    """The stored batch of a run."""
    item = cloud.dynamodb.get_item(
        TableName=cloud.outputs["RedrivesTableName"],
        Key={"run_id": {"S": run_id}, "item": {"S": "batch#00001"}},
    )["Item"]
    return {name: next(iter(value.values())) for name, value in item.items()}
