"""What can happen to an execution of `ticket` that the front door cannot be made to bring about:
mocks for what is rare, and variants of the machine. Its tickets are real.

All executions are started at once; each test waits for its own.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cloud.client import wait_until
from tests.cloud import SECONDS_TO_WAIT, TestCloud
from tests.tickets import Tickets, events_of
from tests.workflow.histories import entered, failures_in
from tests.workflow.machines import Machines
from tests.workflow.tickets import Desk, make_desk, store_ticket

MOCKED = [
    "everything_is_throttled_once",
    "every_function_fails_transiently_once",
    "escalating_is_throttled_once",
    "escalating_fails_transiently_once",
    "handing_over_is_throttled_once",
    "the_way_of_a_failure_is_throttled_once",
    "the_way_of_a_failure_fails_transiently_once",
]
FAILING = {
    "opening_fails": "open_case",
    "assigning_fails": "assign_case",
    "reviewing_fails": "review_case",
    "working_fails": "work_on_case",
    "closing_fails": "close_case",
    "escalating_fails": "escalate_case",
    "handing_over_fails": "hand_over_case",
}


@dataclass
class StartedTickets:
    """The executions started so far and their tickets, by names of their own."""

    tickets: Tickets
    machines: Machines
    desk: Desk
    ids: dict[str, str] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, variant: str = "ticket", *, case: str = "", run: int = 1) -> None:
        """Store a ticket of which that execution is the current one, and start its first."""
        given = store_ticket(self.tickets, self.desk.name, run=run)
        self.ids[name] = given["ticket_id"]
        self.arns[name] = self.machines.start(variant, given, case=case)


@pytest.fixture(scope="module", autouse=True)
def started(tickets: Tickets, machines: Machines) -> StartedTickets:
    """Tickets that wait, for nobody serves their queue."""
    started = StartedTickets(tickets, machines, make_desk(tickets, "machine"))
    started.start("timed out", "impatient_ticket")
    started.start("handed over", "handed_over_ticket")
    started.start("restless", "restless_ticket")
    for case in [*MOCKED, *FAILING, "failure_is_not_recorded", "review_is_outdated"]:
        started.start(case, case=case)
    return started


@pytest.mark.parametrize(
    ("case", "retried", "last"),
    [
        ("everything_is_throttled_once", 5, "Case Closed"),
        ("every_function_fails_transiently_once", 4, "Case Closed"),
        ("escalating_is_throttled_once", 1, "Escalation Exhausted"),
        ("escalating_fails_transiently_once", 1, "Escalation Exhausted"),
        ("handing_over_is_throttled_once", 1, "Case Handed Over"),
        ("the_way_of_a_failure_is_throttled_once", 1, "Case Failed"),
        ("the_way_of_a_failure_fails_transiently_once", 1, "Case Failed"),
    ],
)
def test_tries_again_what_may_pass(
    cloud: TestCloud, started: StartedTickets, case: str, retried: int, last: str
) -> None:
    execution = cloud.execution(started.arns[case])

    permanent = 1 if last == "Case Failed" else 0
    succeeded = last in ("Case Closed", "Case Handed Over")
    assert execution["status"] == ("SUCCEEDED" if succeeded else "FAILED")
    assert entered(cloud, started.arns[case])[-1] == last
    assert len(failures_in(cloud.history(started.arns[case]))) - permanent == retried


@pytest.mark.parametrize(("case", "failed_state"), FAILING.items())
def test_records_which_state_failed_and_why_and_has_somebody_told(
    cloud: TestCloud, tickets: Tickets, started: StartedTickets, case: str, failed_state: str
) -> None:
    execution = cloud.execution(started.arns[case])

    ticket = tickets.read(started.ids[case])
    told = ticket["history"][-1]
    assert (execution["status"], told["event"]) == ("FAILED", "workflow_failed")
    assert (told["by"], told["before"]) == ("workflow", failed_state)
    assert told["text"].startswith(execution["error"])
    assert entered(cloud, started.arns[case])[-2:] == ["Record Failure", "Case Failed"]
    text = cloud.alert(ticket["number"], subject=f"The workflow of case {ticket['number']}")
    assert f"ended as FAILED with {execution['error']}" in text


def test_another_execution_takes_up_what_one_has_failed_at(
    cloud: TestCloud, tickets: Tickets, started: StartedTickets
) -> None:
    ticket_id = started.ids["opening_fails"]
    cloud.execution(started.arns["opening_fails"])
    cloud.alert(tickets.read(ticket_id)["number"])
    planned = tickets.workflow(ticket_id)["attention_at"]["S"]
    assert planned > datetime.now(UTC).isoformat()

    tickets.set_attention(ticket_id, datetime.now(UTC) - timedelta(seconds=1))
    tickets.watch_cases()

    ticket = tickets.in_state(ticket_id, "WAITING")
    assert events_of(ticket) == ["workflow_failed", "opened", "waits"]
    workflow = tickets.workflow(ticket_id)
    assert workflow["run"]["N"] == "2"
    following = tickets.execution_arn(ticket_id, run=2)
    wait_until(lambda: "Work On Case" in entered(cloud, following), SECONDS_TO_WAIT, "its wait")


def test_the_rule_tells_of_a_failure_that_the_machine_could_not_record(
    cloud: TestCloud, tickets: Tickets, started: StartedTickets
) -> None:
    execution = cloud.execution(started.arns["failure_is_not_recorded"])

    ticket = tickets.read(started.ids["failure_is_not_recorded"])
    assert execution["error"] == "AccessDeniedException"
    assert entered(cloud, started.arns["failure_is_not_recorded"])[-1] == "Failure Not Recorded"
    assert "ended as FAILED" in cloud.alert(ticket["number"])
    assert ticket["state"] == "NEW"


def test_an_execution_that_timed_out_is_told_and_followed_by_another(
    cloud: TestCloud, tickets: Tickets, started: StartedTickets
) -> None:
    ticket_id = started.ids["timed out"]
    wait_until(
        lambda: "Work On Case" in entered(cloud, started.arns["timed out"]),
        SECONDS_TO_WAIT,
        "the wait",
    )
    execution = cloud.execution(started.arns["timed out"])

    number = tickets.read(ticket_id)["number"]
    assert execution["status"] == "TIMED_OUT"
    assert "ended as TIMED_OUT" in cloud.alert(number, subject="The workflow of case")
    tickets.set_attention(ticket_id, datetime.now(UTC) - timedelta(seconds=1))
    tickets.watch_cases()
    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")
    following = tickets.execution_arn(ticket_id, run=2)
    assert cloud.execution(following)["status"] == "SUCCEEDED"
    assert events_of(tickets.read(ticket_id)) == [
        *("opened", "waits", "workflow_failed", "resolved", "closed"),
    ]


def test_does_not_wait_for_what_has_changed_since_its_review(
    cloud: TestCloud, started: StartedTickets
) -> None:
    arn = started.arns["review_is_outdated"]

    assert cloud.execution(arn)["status"] == "SUCCEEDED"
    states = entered(cloud, arn)
    begin = states.index("Work On Case")
    assert states[begin : begin + 3] == ["Work On Case", "Let Change Settle", "Review Case"]
    assert failures_in(cloud.history(arn)) == ["DynamoDb.TransactionCanceledException"]


def test_loses_no_action_when_the_token_it_would_complete_has_timed_out(
    cloud: TestCloud, tickets: Tickets, started: StartedTickets
) -> None:
    ticket_id, arn = started.ids["restless"], started.arns["restless"]
    tickets.in_state(ticket_id, "WAITING")
    first = wait_until(lambda: token_of(tickets, ticket_id), SECONDS_TO_WAIT, "a token")
    wait_until(lambda: token_of(tickets, ticket_id) != first, SECONDS_TO_WAIT, "the next one")

    set_token(tickets, ticket_id, first)
    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")

    assert tickets.in_state(ticket_id, "CLOSED")["resolution"] == "A new bulb."
    assert cloud.execution(arn)["status"] == "SUCCEEDED"


def test_hands_over_to_the_next_execution_long_before_its_history_is_full(
    cloud: TestCloud, tickets: Tickets, started: StartedTickets
) -> None:
    ticket_id, arns = started.ids["handed over"], [started.arns["handed over"]]
    arns += [f"{arns[0].rpartition(':')[0]}:{ticket_id}-{run}" for run in (2, 3)]
    for number, arn in enumerate(arns[:2], 1):
        wait_until(
            lambda arn=arn: "Work On Case" in entered(cloud, arn), SECONDS_TO_WAIT, "its wait"
        )
        tickets.insist(ticket_id, "comment", "supervisor", text=f"Note {number}.")
        assert cloud.execution(arn)["status"] == "SUCCEEDED"
        assert entered(cloud, arn)[-2:] == ["Hand Over Case", "Case Handed Over"]

    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")

    ticket = tickets.in_state(ticket_id, "CLOSED")
    assert cloud.execution(arns[2])["status"] == "SUCCEEDED"
    assert events_of(ticket) == ["opened", "waits", "commented", "commented", "resolved", "closed"]


def test_hands_over_to_an_execution_that_is_there_already(
    cloud: TestCloud, tickets: Tickets, machines: Machines, started: StartedTickets
) -> None:
    """An execution whose reply to taking the next number was lost."""
    given = store_ticket(tickets, started.desk.name, run=2)
    ticket_id = given["ticket_id"]
    first = machines.start("ticket", given)
    assert cloud.execution(first)["status"] == "SUCCEEDED"
    second = f"{first.rpartition(':')[0]}:{ticket_id}-2"
    tickets.in_state(ticket_id, "WAITING")
    tickets.insist(ticket_id, "resolve", "supervisor", resolution="A new bulb.")
    assert cloud.execution(second)["status"] == "SUCCEEDED"

    again = machines.start("ticket", given)

    assert cloud.execution(again)["status"] == "SUCCEEDED"
    assert entered(cloud, again)[-2:] == ["Hand Over Case", "Case Handed Over"]
    assert failures_in(cloud.history(again)) == ["StepFunctions.ExecutionAlreadyExistsException"]
    assert events_of(tickets.read(ticket_id)) == ["opened", "waits", "resolved", "closed"]


def token_of(tickets: Tickets, ticket_id: str) -> str | None:
    token: dict[str, Any] = tickets.workflow(ticket_id).get("task_token", {})
    return token.get("S")


def set_token(tickets: Tickets, ticket_id: str, token: str) -> None:
    tickets.cloud.dynamodb.update_item(
        TableName=tickets.cloud.outputs["TicketWorkflowsTableName"],
        Key={"ticket_id": {"S": ticket_id}},
        UpdateExpression="SET task_token = :token",
        ExpressionAttributeValues={":token": {"S": token}},
    )
