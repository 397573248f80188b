"""Sending what a ticket's changes have to tell people.

Notices are stored with the change that they belong to, and taken out when they are published. One
that is published twice is composed once: its event's id is its own.
"""

import os

from shared.events import CommunicationRequested, Detail, publish
from shared.observability import count, logger
from shared.times import format_time, now
from tickets.representatives_table import get_representative
from tickets.rules.ticket import Notice, Ticket
from tickets.workflows_table import get_workflow, take_out

EVENT_BUS_NAME = os.environ["EVENT_BUS_NAME"]


def send_notices(ticket: Ticket) -> None:
    """Publish each notice of the ticket that is not yet, and take it out of the outbox."""
    workflow = get_workflow(ticket.ticket_id)
    for notice_id, notice in sorted(workflow.outbox.items()) if workflow else ():
        request = _request_of(notice)
        if request is None:
            count("NoticeWithoutAddress")
            logger.warning("nobody to tell", ticket_id=ticket.ticket_id, template=notice.template)
        else:
            publish(
                EVENT_BUS_NAME,
                "tickets",
                Detail(
                    event_id=f"{ticket.ticket_id}-{notice_id}",
                    trace_id=ticket.trace_id,
                    subject_id=ticket.ticket_id,
                    occurred_at=format_time(now()),
                    data=request,
                ),
            )
        take_out(ticket.ticket_id, notice_id)


def _request_of(notice: Notice) -> CommunicationRequested | None:
    """The notice with its address; None for a representative who has none of the kind."""
    recipient, fields = notice.recipient, notice.fields
    if notice.representative_id is not None:
        representative = get_representative(notice.representative_id)
        if representative is None:
            return None
        recipient = representative.email if notice.channel == "email" else representative.phone
        if recipient is None:
            return None
        fields = {"name": representative.name, **fields}
    return CommunicationRequested(
        channel=notice.channel,
        template=notice.template,
        fields=fields,
        customer_id=notice.customer_id,
        recipient=recipient,
    )
