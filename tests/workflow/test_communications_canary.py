"""Every path of `communications_canary`: real stages with real messages, mocks for what is rare.

All messages are composed at once and all canaries started at once; each test waits for its own.
"""

from typing import Any

import pytest

from local.cloud.client import wait_until
from tests.cloud import SECONDS_TO_WAIT, TestCloud
from tests.communications import Communications, any_customer_id, any_email
from tests.workflow.communications import StartedRuns, store_run
from tests.workflow.histories import entered, failures_in
from tests.workflow.machines import Machines

FATES = {
    "healed": [any_email("mended") for _ in range(12)],
    "stops at once": [any_email("refused") for _ in range(3)],
    "stops later": [any_email("mended"), *(any_email("refused") for _ in range(3))],
    "fragile": [any_email("mended") for _ in range(2)],
    "nothing left": [],
}
"""The first of each is composed before the others, so the canary begins with it."""

MOCKED = [
    "everything_is_throttled_once",
    "every_function_fails_transiently_once",
    "the_way_of_a_failure_is_throttled_once",
    "the_way_of_a_failure_fails_transiently_once",
    "stopping_is_throttled_once",
    "planning_fails",
    "plan_has_no_batches",
    "judging_fails",
    "stopping_is_not_recorded",
    "stopping_is_not_told",
    "finishing_is_not_recorded",
    "finishing_is_not_told",
    "failure_is_not_recorded",
]


class Canaries(StartedRuns):
    """The canaries started so far, by their names above and those of mocked cases."""

    def begin(self, machines: Machines) -> None:
        """Fail all messages, then redrive them."""
        customers = {name: any_customer_id() for name in FATES}
        for case in MOCKED:
            self._start(machines, case, "communications_canary", case=case)
        self._start(machines, "impatient", "impatient_canary", case="planning_never_succeeds")
        self._compose(customers, slice(0, 1))
        self._compose(customers, slice(1, None))
        for name in FATES:
            if name == "fragile":
                selection = {"customer_id": customers[name]}
                self._start(machines, name, "fragile_canary", **selection)
            else:
                run_id = self.communications.redrive(customer_id=customers[name], canary=True)
                self.run_ids[name] = run_id

    def _compose(self, customers: dict[str, str], part: slice) -> None:
        """Compose some of each, and wait until they have failed."""
        for name, recipients in FATES.items():
            composed = self.communications.compose_all(
                *recipients[part], customer_id=customers[name]
            )
            self.ids.setdefault(name, []).extend(composed)
        for one in [one for ids in self.ids.values() for one in ids]:
            self.communications.in_state(one, "FAILED")

    def _start(
        self, machines: Machines, name: str, variant: str, *, case: str = "", **selection: str
    ) -> None:
        given = store_run(self.communications, canary=True, **selection)
        self.start(machines, name, variant, given, case)


@pytest.fixture(scope="module", autouse=True)
def canaries(communications: Communications, machines: Machines) -> Canaries:
    canaries = Canaries(communications)
    canaries.begin(machines)
    return canaries


# ------------------------------------------------------------------ canaries that come to an end


def test_redrives_one_then_ten_then_the_rest(
    cloud: TestCloud, communications: Communications, canaries: Canaries
) -> None:
    run = canaries.ended("healed")

    assert (run["state"], run["counts"]) == ("FINISHED", {"sent": 12})
    assert run["outcome"].splitlines() == [
        "Stage 3: 1 of 1 were sent.",
        "All stages: 12 communications.",
        "  12 sent",
    ]
    assert [len(batch) for batch in batches_of(cloud, run["run_id"])] == [1, 10, 1]
    assert batches_of(cloud, run["run_id"])[0] == canaries.ids["healed"][:1]
    received = communications.received()
    assert [received[recipient] for recipient in FATES["healed"]] == [1] * 12
    told = cloud.alert(run["run_id"], subject="A canary redrive of communications finished")
    assert "Stage 3: 1 of 1 were sent.\nAll stages: 12 communications.\n  12 sent" in told
    assert len(cloud.alerts(run["run_id"])) == 1


def test_leaves_the_rest_alone_when_the_first_fails_again(
    cloud: TestCloud, communications: Communications, canaries: Canaries
) -> None:
    run = canaries.ended("stops at once")

    assert (run["state"], run["counts"]) == ("STOPPED", {"failed": 1})
    assert run["causes"] == {"MessageRejected": 1}
    assert run["outcome"].splitlines()[0] == "Stage 1: 0 of 1 were sent. The failures repeat."
    redriven = [communications.read(one)["redrives"] for one in canaries.ids["stops at once"]]
    assert redriven == [1, 0, 0]
    told = cloud.alert(run["run_id"], subject="A canary redrive of communications stopped")
    assert "what was left is as it was" in told


def test_stops_at_the_second_stage_when_the_failures_repeat(
    cloud: TestCloud, communications: Communications, canaries: Canaries
) -> None:
    run = canaries.ended("stops later")

    assert (run["state"], run["counts"]) == ("STOPPED", {"sent": 1, "failed": 3})
    assert run["outcome"].splitlines()[0] == "Stage 2: 0 of 3 were sent. The failures repeat."
    assert [len(batch) for batch in batches_of(cloud, run["run_id"])] == [1, 3]
    assert cloud.alert(run["run_id"], subject="A canary redrive of communications stopped")


def test_finishes_at_once_when_nothing_is_left(cloud: TestCloud, canaries: Canaries) -> None:
    run = canaries.ended("nothing left")

    assert (run["state"], run["communications"]) == ("FINISHED", 0)
    assert run["outcome"] == "Nothing was left to redrive."
    assert cloud.alert(run["run_id"], subject="A canary redrive of communications finished")


def test_stops_when_a_batch_breaks_off(
    cloud: TestCloud, communications: Communications, canaries: Canaries
) -> None:
    execution = cloud.execution(canaries.arns["fragile"])

    run = canaries.ended("fragile")
    assert execution["status"] == "SUCCEEDED"
    assert entered(cloud, canaries.arns["fragile"])[-1] == "Canary Stopped"
    assert run["state"] == "STOPPED"
    assert run["outcome"].splitlines()[0].endswith("1 batches broke off.")
    assert cloud.alert(run["run_id"], subject="A redrive of communications broke off")
    assert cloud.alert(run["run_id"], subject="A canary redrive of communications stopped")
    second = canaries.ids["fragile"][1]
    assert communications.read(second)["redrives"] == 0


# ------------------------------------------------------------------ canaries that break off


@pytest.mark.parametrize(
    ("case", "retried", "last"),
    [
        ("everything_is_throttled_once", 4, "Canary Finished"),
        ("every_function_fails_transiently_once", 3, "Canary Finished"),
        ("stopping_is_throttled_once", 1, "Canary Stopped"),
        ("the_way_of_a_failure_is_throttled_once", 1, "Redrive Failed"),
        ("the_way_of_a_failure_fails_transiently_once", 1, "Redrive Failed"),
    ],
)
def test_tries_again_what_may_pass(
    cloud: TestCloud, canaries: Canaries, case: str, retried: int, last: str
) -> None:
    execution = cloud.execution(canaries.arns[case])

    permanent = 1 if last == "Redrive Failed" else 0
    assert execution["status"] == ("FAILED" if permanent else "SUCCEEDED")
    assert entered(cloud, canaries.arns[case])[-1] == last
    assert len(failures_in(cloud.history(canaries.arns[case]))) - permanent == retried


@pytest.mark.parametrize(
    ("case", "error", "failed_state"),
    [
        ("planning_fails", "KeyError", "plan_canary_stage"),
        ("judging_fails", "KeyError", "judge_canary_stage"),
        ("stopping_is_not_recorded", "DynamoDB.AmazonDynamoDBException", "record_stopped"),
        ("finishing_is_not_recorded", "DynamoDB.AmazonDynamoDBException", "record_finished"),
    ],
)
def test_records_which_state_failed_and_why_and_has_somebody_told(
    cloud: TestCloud, canaries: Canaries, case: str, error: str, failed_state: str
) -> None:
    execution = cloud.execution(canaries.arns[case])

    run = stored_run(cloud, canaries.run_ids[case])
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert (run["state"], run["error"], run["failed_state"]) == ("FAILED", error, failed_state)
    assert "ended as FAILED" in cloud.alert(run["run_id"], subject="A redrive")
    assert canaries.ended(case)["error"] == error


@pytest.mark.parametrize(
    ("case", "state"), [("stopping_is_not_told", "STOPPED"), ("finishing_is_not_told", "FINISHED")]
)
def test_keeps_its_outcome_when_nobody_can_be_told_of_it(
    cloud: TestCloud, canaries: Canaries, case: str, state: str
) -> None:
    execution = cloud.execution(canaries.arns[case])

    run = stored_run(cloud, canaries.run_ids[case])
    assert (execution["status"], execution["error"]) == (
        "FAILED",
        "SNS.AuthorizationErrorException",
    )
    assert (run["state"], "error" in run) == (state, False)
    assert "ended as FAILED" in cloud.alert(run["run_id"], subject="A redrive")


def test_breaks_off_when_its_plan_is_broken(cloud: TestCloud, canaries: Canaries) -> None:
    execution = cloud.execution(canaries.arns["plan_has_no_batches"])

    run = stored_run(cloud, canaries.run_ids["plan_has_no_batches"])
    assert execution["status"] == "FAILED"
    assert (run["state"], run["failed_state"]) == ("FAILED", "redrive_stage")


def test_the_rule_records_a_failure_that_the_machine_could_not(
    cloud: TestCloud, canaries: Canaries
) -> None:
    execution = cloud.execution(canaries.arns["failure_is_not_recorded"])

    run = canaries.ended("failure_is_not_recorded")
    assert execution["error"] == run["error"] == "AccessDeniedException"
    assert entered(cloud, canaries.arns["failure_is_not_recorded"])[-1] == "Failure Not Recorded"
    assert "ended as FAILED" in cloud.alert(run["run_id"])


def test_a_canary_that_timed_out_is_recorded_and_told(cloud: TestCloud, canaries: Canaries) -> None:
    execution = cloud.execution(canaries.arns["impatient"])

    run = canaries.ended("impatient")
    assert execution["status"] == "TIMED_OUT"
    assert (run["state"], run["error"]) == ("FAILED", "States.Timeout")
    assert "ended as TIMED_OUT" in cloud.alert(run["run_id"])


def test_an_aborted_canary_is_recorded_and_told(
    cloud: TestCloud, communications: Communications, machines: Machines
) -> None:
    given = store_run(communications, canary=True)
    arn = machines.start("communications_canary", given, case="planning_never_succeeds")
    wait_until(lambda: "Plan Canary Stage" in entered(cloud, arn), SECONDS_TO_WAIT, "the planning")

    cloud.stepfunctions.stop_execution(executionArn=arn)

    run = communications.run_ended(given["run_id"])
    assert cloud.execution(arn)["status"] == "ABORTED"
    assert (run["state"], run["error"]) == ("FAILED", "ABORTED")
    assert "ended as ABORTED" in cloud.alert(run["run_id"])


def batches_of(cloud: TestCloud, run_id: str) -> list[list[str]]:
    """What each batch of a run redrove, in order."""
    items = cloud.dynamodb.query(
        TableName=cloud.outputs["RedrivesTableName"],
        KeyConditionExpression="run_id = :run_id AND begins_with(#item, :batch)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":run_id": {"S": run_id}, ":batch": {"S": "batch#"}},
    )["Items"]
    return [
        [one["M"]["communication_id"]["S"] for one in item["communications"]["L"]] for item in items
    ]


def stored_run(cloud: TestCloud, run_id: str) -> dict[str, Any]:
    """The stored item of a run."""
    item = cloud.dynamodb.get_item(
        TableName=cloud.outputs["RedrivesTableName"],
        Key={"run_id": {"S": run_id}, "item": {"S": "run"}},
    )["Item"]
    return {name: next(iter(value.values())) for name, value in item.items()}
