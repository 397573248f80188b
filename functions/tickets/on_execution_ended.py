"""Tell of an execution of `ticket` that ended badly, and have the ticket worked for again.

An execution that timed out, was aborted or failed to record reaches no state that does. A rule on
`Step Functions Execution Status Change` brings every bad end here. A case that nobody resolved is
one too: its execution ends with EscalationExhausted, the ticket says so, and no other one follows.
"""

import json
from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.clients import sns, transient_failures
from shared.executions import ExecutionEnded, describe
from shared.observability import count, logger, step
from shared.times import format_time, now
from tickets.restarts import put_off_restart
from tickets.rules.lifecycle import workflow_failed
from tickets.tickets_table import get
from tickets.turns import own_change

ALERTS_TOPIC_ARN = environ["ALERTS_TOPIC_ARN"]
EXHAUSTED = "EscalationExhausted"


class ExecutionInput(TypedDict):
    ticket_id: str
    run: int


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    ended = ExecutionEnded.model_validate(event)
    execution = describe(ended.execution_arn)
    given: ExecutionInput = json.loads(execution["input"])
    ticket_id, error = given["ticket_id"], execution.get("error") or ended.status
    ticket = get(ticket_id)
    if ticket is None:
        logger.error("an execution of no ticket", ticket_id=ticket_id)
        return
    if error == EXHAUSTED:
        subject = f"Case {ticket.number} is not resolved"
        text = ticket.cause or "Somebody has taken it up again meanwhile."
    else:
        if ended.status != "FAILED":
            record(ticket_id, given["run"], ended.status)
        put_off_restart(ticket_id, given["run"])
        subject = f"The workflow of case {ticket.number} broke off"
        text = (
            f"The execution of case {ticket.number} ended as {ended.status} with {error}. "
            "Another one takes the case up by itself; its history says more, "
            "docs/runbook.md says what to do if it breaks off again."
        )
    with transient_failures():
        sns().publish(TopicArn=ALERTS_TOPIC_ARN, Subject=subject, Message=text)
    count("CaseExecutionFailed")
    logger.error("case's execution ended badly", ticket_id=ticket_id, error=error)


def record(ticket_id: str, run: int, status: str) -> None:
    """Write into the ticket's history what the machine could not."""
    at, cause = format_time(now()), "it came to no state that could have said more"
    own_change(ticket_id, run, lambda it: workflow_failed(it, at, "execution", status, cause))
