"""Starting the execution that works for a ticket.

The ticket is stored first. A start that is lost is made up for by the schedule, because every
change says until when the machine should have looked at it.
"""

import os

from shared.errors import TransientError
from shared.executions import start_once
from shared.observability import count, logger

STATE_MACHINE_ARN = os.environ["TICKET_STATE_MACHINE_ARN"]


def begin(ticket_id: str, run: int) -> None:
    """Start a ticket's execution of that number; one that was started before stays the only one.

    Where Step Functions cannot now, the ticket is stored all the same, and the schedule begins.
    """
    try:
        given = {"ticket_id": ticket_id, "run": run}
        start_once(STATE_MACHINE_ARN, name_of(ticket_id, run), given)
    except TransientError as error:
        count("StartLeftToSchedule")
        logger.warning("execution not started", ticket_id=ticket_id, error=error.code)


def name_of(ticket_id: str, run: int) -> str:
    """What a ticket's execution of that number is called, by whomever it is started."""
    return f"{ticket_id}-{run}"
