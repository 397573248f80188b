"""Completing the wait of a ticket's execution, so that it reads the record again.

The record is written first. A wake that is lost, or comes too late for a wait that has just timed
out, loses nothing: the machine reads the record before every wait, and the schedule looks after
what it has not read in time.
"""

from shared.clients import stepfunctions, transient_failures
from shared.errors import TransientError
from shared.observability import count, logger
from tickets.workflows_table import get_workflow


def wake(ticket_id: str) -> bool:
    """Complete the wait of the ticket's execution; False where none waits or could be woken."""
    try:
        return _wake(ticket_id)
    except TransientError as error:
        count("WakeLeftToSchedule")
        logger.warning("execution not woken", ticket_id=ticket_id, error=error.code)
        return False


def _wake(ticket_id: str) -> bool:
    workflow = get_workflow(ticket_id)
    if workflow is None or workflow.task_token is None:
        return False
    over = stepfunctions().exceptions
    try:
        with transient_failures():
            stepfunctions().send_task_success(taskToken=workflow.task_token, output="{}")
    except (over.TaskTimedOut, over.TaskDoesNotExist, over.InvalidToken):
        return False
    return True
