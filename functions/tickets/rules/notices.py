"""Who is told what about a ticket. The texts are templates of the communications domain."""

from collections.abc import Iterable, Iterator

from shared.times import parse_time
from tickets.rules.queue import Manager, Queue
from tickets.rules.ticket import Channel, ClockKind, Notice, Ticket

LONGEST_IN_SMS = 1_000
_NO_WAY: list[tuple[Channel, str | None]] = [("alert", None)]
CLOCK_NAMES: dict[ClockKind, str] = {
    "first_response": "first response",
    "update": "next update",
    "solution": "solution",
}


def to_customer(ticket: Ticket, template: str, **fields: str) -> tuple[Notice, ...]:
    """By e-mail, or by SMS where there is no e-mail address; to nobody where there is neither."""
    contact = ticket.contact
    if contact is None or not (contact.email or contact.phone):
        return ()
    channel: Channel = "email" if contact.email else "sms"
    address = contact.email or contact.phone
    if channel == "sms":
        fields = {name: text[:LONGEST_IN_SMS] for name, text in fields.items()}
    return (
        Notice(
            notice_id=f"{template}-{channel}",
            channel=channel,
            template=template,
            fields={"name": contact.name, "case_number": ticket.number, **fields},
            customer_id=ticket.customer_id if contact.is_customer else None,
            recipient=None if contact.is_customer else address,
        ),
    )


def to_assignee(ticket: Ticket, template: str, **fields: str) -> tuple[Notice, ...]:
    if ticket.assignee is None:
        return ()
    return (
        Notice(
            notice_id=f"{template}-email",
            channel="email",
            template=template,
            fields={"case_number": ticket.number, "queue": ticket.queue, **fields},
            representative_id=ticket.assignee,
        ),
    )


def to_managers(ticket: Ticket, queue: Queue, news: str) -> tuple[Notice, ...]:
    """By every way that each of them gave; as an alert where the queue names none."""
    ways: list[tuple[Channel, str | None]] = [
        (channel, address)
        for manager in queue.managers
        for channel, address in _ways_to(manager)
        if address
    ]
    return tuple(
        Notice(
            notice_id=f"case_breach-manager{number}-{channel}",
            channel=channel,
            template="case_breach",
            fields={"case_number": ticket.number, "queue": ticket.queue, "news": news},
            recipient=address,
        )
        for number, (channel, address) in enumerate(ways or _NO_WAY)
    )


def _ways_to(manager: Manager) -> tuple[tuple[Channel, str | None], ...]:
    return (("email", manager.email), ("sms", manager.phone))


def clocks_in_words(kinds: Iterable[ClockKind]) -> str:
    return " and ".join(CLOCK_NAMES[kind] for kind in kinds)


def time_in_words(at: str | None) -> str:
    return f"{parse_time(at):%Y-%m-%d %H:%M} UTC" if at else "no time set"


def numbered(notices: Iterable[Notice], version: int) -> Iterator[Notice]:
    """Make the ids of a change's notices its own; two of the same kind stay two."""
    for number, notice in enumerate(notices):
        yield notice.model_copy(update={"notice_id": f"{version}-{number}-{notice.notice_id}"})
