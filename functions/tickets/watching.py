"""When the schedule has to look at a ticket that has ended: for a page that waits for the on-call
hours, and else not at all.
"""

from tickets.rules.ticket import ENDED, Ticket
from tickets.workflows_table import end_watch, look_again


def stop_watching(ticket: Ticket, run: int) -> None:
    """Watch a ticket that has ended no longer than there is a manager to page."""
    if ticket.state not in ENDED:
        return
    if ticket.page_at is None:
        end_watch(ticket.ticket_id, run)
    else:
        look_again(ticket.ticket_id, run, ticket.page_at)
