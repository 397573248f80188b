"""Who gets a ticket: on shift, able, with room; of these the one with the least load."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from tickets.rules.representative import Representative


class Waiting(Protocol):
    """What matters of a ticket that waits for somebody."""

    @property
    def required_skills(self) -> Sequence[str]: ...
    @property
    def tier(self) -> int: ...
    @property
    def declined_by(self) -> Sequence[str]: ...
    @property
    def returned_by(self) -> Sequence[str]: ...
    @property
    def preferred(self) -> str | None: ...


def choose(
    ticket: Waiting, representatives: Iterable[Representative], moment: datetime
) -> Representative | None:
    """The representative who gets a ticket now; None where nobody can.

    Whoever declined it on this tier does not get it again; whoever did not react only if nobody
    else can. Whoever knows it comes first; then the least load; between equals, whose turn is the
    longest ago.
    """
    able = [one for one in representatives if can_take(one, ticket, moment)]
    return min(able, key=lambda one: _order(one, ticket), default=None)


def choose_behind(
    ticket: Waiting,
    before: Iterable[Waiting],
    representatives: Iterable[Representative],
    moment: datetime,
) -> Representative | None:
    """Who gets a ticket once those before it have got somebody; None where nobody is left."""
    free = {one.representative_id: one for one in representatives}
    latest = max((one.turn for one in free.values()), default=0)
    for turn, earlier in enumerate(before, latest + 1):
        chosen = choose(earlier, free.values(), moment)
        if chosen is not None:
            after = chosen.model_copy(update={"load": chosen.load + 1, "turn": turn})
            free[after.representative_id] = after
            if not after.has_room:
                del free[after.representative_id]
        if not free:
            return None
    return choose(ticket, free.values(), moment)


def can_take(one: Representative, ticket: Waiting, moment: datetime) -> bool:
    return (
        one.has_room
        and ticket.tier in one.tiers
        and set(ticket.required_skills) <= set(one.skills)
        and one.representative_id not in ticket.declined_by
        and one.is_there(moment)
    )


def _order(one: Representative, ticket: Waiting) -> tuple[bool, bool, int, int, str]:
    return (
        one.representative_id in ticket.returned_by,
        one.representative_id != ticket.preferred,
        one.load,
        one.turn,
        one.representative_id,
    )
