"""The clocks of a ticket: when they are due, when somebody is warned, what a pause does."""

from collections.abc import Callable

from shared.times import format_time, parse_time
from tickets.rules.pauses import Pause, time_of
from tickets.rules.queue import Queue
from tickets.rules.ticket import Clock, ClockKind, Ticket

KINDS: tuple[ClockKind, ...] = ("first_response", "update", "solution")


def started(ticket: Ticket, queue: Queue, at: str, *kinds: ClockKind) -> Ticket:
    """Start clocks, or start them anew."""
    targets = queue.targets(ticket.tier, ticket.priority)
    fresh = {kind: Clock(started_at=at, target_seconds=targets.seconds(kind)) for kind in kinds}
    return timed(ticket.updated(clocks={**ticket.clocks, **fresh}), queue)


def stopped(ticket: Ticket, queue: Queue, at: str, *kinds: ClockKind) -> Ticket:
    """Stop clocks: what they promised is done."""
    return timed(
        _each(ticket, lambda kind, clock: _stop(clock, at) if kind in kinds else clock), queue
    )


def retargeted(ticket: Ticket, queue: Queue) -> Ticket:
    """Count the running clocks against the targets of the ticket's priority, tier and queue.

    They keep when they started, and every pause.
    """
    targets = queue.targets(ticket.tier, ticket.priority)

    def retarget(kind: ClockKind, clock: Clock) -> Clock:
        if clock.stopped_at is not None:
            return clock
        return clock.model_copy(update={"target_seconds": targets.seconds(kind)})

    return timed(_each(ticket, retarget), queue)


def paused(ticket: Ticket, queue: Queue, at: str) -> Ticket:
    return timed(ticket.updated(pauses=(*ticket.pauses, Pause(began_at=at))), queue)


def resumed(ticket: Ticket, queue: Queue, at: str) -> Ticket:
    """End the pause that lasts; nothing where none does."""
    if not ticket.is_paused:
        return ticket
    pause = ticket.pauses[-1]
    ended = pause.model_copy(update={"ended_at": max(at, pause.began_at)})
    return timed(ticket.updated(pauses=(*ticket.pauses[:-1], ended)), queue)


def timed(ticket: Ticket, queue: Queue) -> Ticket:
    """Compute when each running clock warns and is due, and which is due first.

    What is not due yet after all is no breach any more; the history keeps that it was one.
    """
    after = _each(ticket, lambda kind, clock: _timed(clock, ticket, queue))
    dues = [clock.due_at for clock in running(after).values() if clock.due_at]
    return after.updated(due_at=min(dues, default=None))


def running(ticket: Ticket) -> dict[ClockKind, Clock]:
    return {kind: clock for kind, clock in ticket.clocks.items() if clock.stopped_at is None}


def due_for_warning(ticket: Ticket, at: str) -> list[ClockKind]:
    """Running clocks of which somebody is to be warned; a breach makes a warning pointless."""
    return [
        kind
        for kind, clock in running(ticket).items()
        if clock.warn_at
        and clock.warn_at <= at
        and not clock.warned_at
        and not clock.breached_at
        and (clock.due_at is None or at < clock.due_at)
    ]


def due_for_breach(ticket: Ticket, at: str) -> list[ClockKind]:
    return [
        kind
        for kind, clock in running(ticket).items()
        if clock.due_at and clock.due_at <= at and not clock.breached_at
    ]


def marked(ticket: Ticket, kind: ClockKind, **values: str) -> Ticket:
    clock = ticket.clocks[kind].model_copy(update=values)
    return ticket.updated(clocks={**ticket.clocks, kind: clock})


def next_event(ticket: Ticket) -> str | None:
    """When the next clock warns or is breached, if any does."""
    times = [
        moment
        for clock in running(ticket).values()
        if not clock.breached_at
        for moment in (None if clock.warned_at else clock.warn_at, clock.due_at)
        if moment
    ]
    return min(times, default=None)


def _timed(clock: Clock, ticket: Ticket, queue: Queue) -> Clock:
    if clock.stopped_at is not None:
        return clock

    def when(percent: int) -> str | None:
        if clock.target_seconds is None:
            return None
        seconds = -(-clock.target_seconds * percent // 100)
        begin = parse_time(clock.started_at)
        moment = time_of(queue.calendar, begin, ticket.pauses, seconds)
        return format_time(moment) if moment else None

    warn_at, due_at = when(queue.warn_percent), when(100)
    return clock.model_copy(
        update={
            "warn_at": warn_at,
            "due_at": due_at,
            "warned_at": _still(clock.warned_at, warn_at),
            "breached_at": _still(clock.breached_at, due_at),
        }
    )


def _still(happened_at: str | None, due_at: str | None) -> str | None:
    """When something happened, unless by now it should only happen later."""
    return None if happened_at and due_at and due_at > happened_at else happened_at


def _stop(clock: Clock, at: str) -> Clock:
    return clock if clock.stopped_at else clock.model_copy(update={"stopped_at": at})


def _each(ticket: Ticket, rule: Callable[[ClockKind, Clock], Clock]) -> Ticket:
    clocks = {kind: rule(kind, clock) for kind, clock in ticket.clocks.items()}
    return ticket.updated(clocks=clocks)
