"""Working for a ticket again whose execution has ended badly."""

from datetime import timedelta

from shared.times import format_time, now
from tickets.workflows_table import get_workflow, look_again

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
MOST_DOUBLINGS = 9


def put_off_restart(ticket_id: str, run: int) -> None:
    """Have the schedule start the ticket's next execution, each time after twice as long."""
    workflow = get_workflow(ticket_id)
    if workflow is not None and workflow.run == run:
        doublings = min(workflow.restarts, MOST_DOUBLINGS)
        pause = min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE)
        look_again(ticket_id, run, format_time(now() + pause))
