"""Open a case: find out whom it is about, read what its call was about, and start its clocks.

The ticket is stored already, with its number. One that is open, because this execution is not its
first, is left as it is.
"""

from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from shared.clients import error_code
from shared.customers import get_customer
from shared.documents import read_json
from shared.observability import count, logger, step
from shared.times import format_time, now
from tickets.outbox import send_notices
from tickets.queues_table import every_queue, queue_of_ticket
from tickets.rules.call_findings import call_of, customer_of, priority_of, queue_of
from tickets.rules.lifecycle import opened
from tickets.rules.ticket import Call, Contact, Ticket
from tickets.turns import own_change, own_ticket

CUSTOMERS_TABLE_NAME = environ["CUSTOMERS_TABLE_NAME"]


class Input(TypedDict):
    ticket_id: str
    run: int


class Output(TypedDict):
    opened: bool


@step
def handler(event: Input, context: LambdaContext) -> Output:
    ticket_id, run = event["ticket_id"], event["run"]
    ticket = own_ticket(ticket_id, run)
    if ticket is None:
        return {"opened": False}
    if ticket.state == "NEW":
        found = findings_of(ticket)
        queue = queue_of_ticket(found.pop("queue", ticket.queue))
        at = format_time(now())
        ticket = own_change(ticket_id, run, lambda it: opened(it, queue, at, **found)) or ticket
        count("CaseOpened")
        logger.info("case opened", number=ticket.number, queue=ticket.queue)
    send_notices(ticket)
    return {"opened": True}


def findings_of(ticket: Ticket) -> dict[str, Any]:
    """What is known of the ticket by now beside what it was stored with."""
    found: dict[str, Any] = {}
    customer_id = ticket.customer_id
    if ticket.call is not None:
        found, customer_id = findings_of_call(ticket.call)
    customer = get_customer(CUSTOMERS_TABLE_NAME, customer_id) if customer_id else None
    if customer is not None:
        found["customer_id"] = customer.customer_id
        if ticket.contact is None:
            found["contact"] = Contact(
                name=customer.name, email=customer.email, phone=customer.phone, is_customer=True
            )
    return found


def findings_of_call(call: Call) -> tuple[dict[str, Any], str | None]:
    """Queue, priority and quotes from the call's analysis, and whose call it was. An analysis that
    cannot be read is no reason to leave the customer alone.
    """
    found, customer_id = call, None
    try:
        document = read_json(call.analysis_bucket, call.analysis_key)
        found = call_of(document, call.analysis_bucket, call.analysis_key)
        customer_id = customer_of(document)
    except ClientError as error:
        if error_code(error) != "NoSuchKey":
            raise
        logger.warning("the call's analysis is gone")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        count("AnalysisUnreadable")
        logger.error("the call's analysis is not of its shape", error=type(error).__name__)
    reasons = found.reasons or call.reasons
    queues = [stored.queue for stored in every_queue()]
    name = queue_of(reasons, queues)
    [queue] = [queue for queue in queues if queue.name == name]
    findings: dict[str, Any] = {
        "call": found,
        "queue": name,
        "priority": priority_of(reasons),
        "required_skills": queue.required_skills,
    }
    return findings, customer_id
