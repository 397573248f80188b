"""What can happen to the machines of replication that is hard to bring about for real.

All executions are started at once; each test waits for its own.
"""

from dataclasses import dataclass

import pytest

from tests.cloud import TestCloud
from tests.mocks import MOCKS
from tests.workflow.histories import entered, failures_in
from tests.workflow.machines import Machines
from tests.workflow.replication import GIVEN

CASES = [(machine, case) for machine in GIVEN for case in MOCKS[machine]["cases"]]
ENDS = {
    ("replication_task", "everything_is_throttled_once"): "Entity Replicated",
    ("replication_task", "every_function_fails_transiently_once"): "Entity Replicated",
    ("replication_task", "every_step_is_taken_again"): "Entity Replicated",
    ("replication_task", "stopped_in_folders"): "Entity Not Finished",
    ("replication_task", "stopped_in_templates"): "Entity Not Finished",
    ("replication_task", "over_in_documents"): "Entity Not Finished",
    ("replication_worker", "everything_is_throttled_once"): "Batch Finished",
    ("replication_worker", "every_function_fails_transiently_once"): "Batch Finished",
    ("replication_worker", "an_entity_fails"): "Batch Finished",
    ("replication_worker", "put_off"): "Batch Put Off",
    ("replication_worker", "taken_over"): "Batch Taken Over",
    ("replication_service", "everything_is_throttled_once"): "Service Finished",
    ("replication_service", "every_function_fails_transiently_once"): "Service Finished",
    ("replication_service", "nothing_to_start"): "Service Finished",
    ("replication_service", "stopped"): "Service Stopped",
    ("replication_service", "hands_over"): "Service Handed Over",
    ("replication_service", "handing_over_is_throttled_once"): "Service Handed Over",
    ("replication_service", "next_run_is_there"): "Service Handed Over",
    ("replication_plan", "everything_is_throttled_once"): "Replication Planned",
    ("replication_plan", "every_function_fails_transiently_once"): "Replication Planned",
    ("replication_plan", "many_pages"): "Replication Planned",
    ("replication_plan", "nothing_to_do"): "Replication Planned",
    ("replication_plan", "a_service_runs_already"): "Replication Planned",
}
"""The ends of the cases that end well; all others fail."""

FAILING = [one for one in CASES if one not in ENDS]


@dataclass(frozen=True)
class Started:
    """An execution, and the id of the replication that it was told."""

    arn: str
    replication_id: str


type Executions = dict[tuple[str, str], Started]


@pytest.fixture(scope="module", autouse=True)
def started(machines: Machines) -> Executions:
    """An execution for each case."""
    found = {}
    for machine, case in CASES:
        given = GIVEN[machine]()
        arn = machines.start(machine, given, case=case)
        found[machine, case] = Started(arn, given["replication_id"])
    return found


@pytest.mark.parametrize(("machine", "case"), ENDS)
def test_ends_well(cloud: TestCloud, started: Executions, machine: str, case: str) -> None:
    arn = started[machine, case].arn

    assert cloud.execution(arn)["status"] == "SUCCEEDED"
    assert entered(cloud, arn)[-1] == ENDS[machine, case]


@pytest.mark.parametrize(
    ("machine", "case"), [one for one in ENDS if one[1].endswith(("throttled_once", "ly_once"))]
)
def test_tries_again_what_may_pass(
    cloud: TestCloud, started: Executions, machine: str, case: str
) -> None:
    arn = started[machine, case].arn
    cloud.execution(arn)

    throws = MOCKS[machine]["cases"][case]["throws"]
    assert len(failures_in(cloud.history(arn))) >= sum(map(len, throws.values()))


@pytest.mark.parametrize(("machine", "case"), FAILING)
def test_ends_with_the_real_error_of_what_failed(
    cloud: TestCloud, started: Executions, machine: str, case: str
) -> None:
    arn = started[machine, case].arn

    execution = cloud.execution(arn)

    assert execution["status"] == "FAILED"
    if machine == "replication_task":
        assert execution["error"] == "StorageRefused"
    elif case == "failure_is_not_recorded":
        assert execution["error"] == "ResourceNotFoundException"
        assert entered(cloud, arn)[-2:] == ["Record Failure", "Failure Not Recorded"]
    else:
        assert execution["error"] == MOCKS[machine]["answers"]["Record Failure"]["error"]
        assert entered(cloud, arn)[-2] == "Record Failure"


def test_an_entity_that_fails_does_not_end_its_batch(cloud: TestCloud, started: Executions) -> None:
    arn = started["replication_worker", "an_entity_fails"].arn
    cloud.execution(arn)

    assert entered(cloud, arn)[-4:] == [
        "Replicate Entity",
        "Next Entity",
        "Entity Left?",
        "Batch Finished",
    ]


@pytest.mark.parametrize(
    ("machine", "case", "said"),
    [
        ("replication_plan", "grouping_fails", "The plan of replication"),
        ("replication_service", "collecting_fails", "The s3 service of replication"),
    ],
)
def test_has_somebody_told(
    cloud: TestCloud, started: Executions, machine: str, case: str, said: str
) -> None:
    text = cloud.alert(started[machine, case].replication_id, subject="A replication broke off")

    assert text.startswith(said)
