"""Sending what a ticket's changes have to tell people.

Notices are stored with the change that they belong to, and taken out when they are published. One
that is published twice is composed once: its event's id is its own. An alert may come twice.
"""

import os

from shared.clients import sns, transient_failures
from shared.events import CommunicationRequested, Detail, publish
from shared.observability import count, logger
from shared.times import format_time, now
from tickets.representatives_table import get_representative
from tickets.rules.ticket import Notice, Ticket
from tickets.workflows_table import get_workflow, take_out

ALERTS_TOPIC_ARN = os.environ["ALERTS_TOPIC_ARN"]
EVENT_BUS_NAME = os.environ["EVENT_BUS_NAME"]


def send_notices(ticket: Ticket) -> None:
    """Publish what the outbox of the ticket holds, in order, and take it out."""
    workflow = get_workflow(ticket.ticket_id)
    outbox = workflow.outbox if workflow else {}
    for notice_id in sorted(outbox, key=_place):
        notice = outbox[notice_id]
        if notice.channel == "alert":
            _alert(notice)
        else:
            _publish(ticket, notice_id, notice)
        take_out(ticket.ticket_id, notice_id)


def _place(notice_id: str) -> tuple[int, int]:
    """Ids begin with the version of the change, and the number within it."""
    version, number, _ = notice_id.split("-", 2)
    return int(version), int(number)


def _alert(notice: Notice) -> None:
    number, queue = notice.fields["case_number"], notice.fields["queue"]
    with transient_failures():
        sns().publish(
            TopicArn=ALERTS_TOPIC_ARN,
            Subject=f"Case {number} needs you",
            Message=f"Case {number} in queue {queue}: {notice.fields['news']}",
        )


def _publish(ticket: Ticket, notice_id: str, notice: Notice) -> None:
    request = _request_of(notice)
    if request is None:
        count("NoticeWithoutAddress")
        logger.warning("nobody to tell", ticket_id=ticket.ticket_id, template=notice.template)
        return
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


def _request_of(notice: Notice) -> CommunicationRequested | None:
    """The notice with its address; None for a representative who has none of the kind."""
    recipient, fields = notice.recipient, notice.fields
    if notice.representative_id is not None:
        representative = get_representative(notice.representative_id)
        if representative is None or representative.email is None:
            return None
        recipient, fields = representative.email, {"name": representative.name, **fields}
    return CommunicationRequested(
        channel="sms" if notice.channel == "sms" else "email",
        template=notice.template,
        fields=fields,
        customer_id=notice.customer_id,
        recipient=recipient,
    )
