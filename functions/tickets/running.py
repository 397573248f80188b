"""Starting the execution that works for a ticket.

The ticket is stored first. A start that is lost is made up for by the schedule, because every
change says until when the machine should have looked at it.
"""

import json
import os

from shared.clients import stepfunctions, transient_failures
from shared.errors import TransientError
from shared.observability import count, logger

STATE_MACHINE_ARN = os.environ["TICKET_STATE_MACHINE_ARN"]


def begin(ticket_id: str, run: int) -> None:
    """Start a ticket's execution of that number; one that was started before stays the only one.

    Where Step Functions cannot now, the ticket is stored all the same, and the schedule begins.
    """
    try:
        with transient_failures():
            stepfunctions().start_execution(
                stateMachineArn=STATE_MACHINE_ARN,
                name=name_of(ticket_id, run),
                input=json.dumps({"ticket_id": ticket_id, "run": run}),
            )
    except stepfunctions().exceptions.ExecutionAlreadyExists:
        return
    except TransientError as error:
        count("StartLeftToSchedule")
        logger.warning("execution not started", ticket_id=ticket_id, error=error.code)


def name_of(ticket_id: str, run: int) -> str:
    """What a ticket's execution of that number is called, by whomever it is started."""
    return f"{ticket_id}-{run}"
