"""A queue: which tickets wait together, who may take them, and what customers are promised.

All times are seconds. Targets and the return time are counted in the open hours of the queue's
calendar, everything else in plain time.
"""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.addresses import EMail, Phone
from tickets.rules.business_hours import (
    AROUND_THE_CLOCK,
    Calendar,
    after_open_seconds,
    next_open,
)
from tickets.rules.ticket import ClockKind, Priority

DAY = 86_400
LONGEST = 366 * DAY

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)

type Seconds = Annotated[int, Field(ge=1, le=LONGEST)]
type Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
type Skill = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
type Skills = Annotated[tuple[Skill, ...], Field(max_length=20)]


class Setting(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Targets(Setting):
    """What is promised: a first response, further news while it lasts, and a solution."""

    first_response: Seconds
    update: Seconds | None = None
    solution: Seconds

    def seconds(self, kind: ClockKind) -> int | None:
        seconds: int | None = getattr(self, kind)
        return seconds


class Tier(Setting):
    """One level of support: its targets by priority. A tier has clocks of its own."""

    targets: dict[Priority, Targets]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := {"urgent", "high", "normal", "low"} - set(self.targets):
            raise ValueError(f"targets are missing for {', '.join(sorted(missing))}")
        return self


class Manager(Setting):
    """Who is paged at a breach: by e-mail, by SMS, or both."""

    email: EMail | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.email is None and self.phone is None:
            raise ValueError("a manager needs an email or a phone")
        return self


class QueueSettings(Setting):
    """What a team says of a queue. `on_call` says when managers may be paged; a page waits until
    then. Calls with one of `follow_up_reasons` come here.
    """

    required_skills: Skills = ()
    follow_up_reasons: tuple[Skill, ...] = Field(default=(), max_length=20)
    calendar: Calendar = AROUND_THE_CLOCK
    on_call: Calendar = AROUND_THE_CLOCK
    managers: tuple[Manager, ...] = Field(default=(), max_length=20)
    tiers: tuple[Tier, ...] = Field(min_length=1, max_length=9)
    warn_percent: int = Field(default=80, ge=1, le=99)
    return_seconds: Seconds = 900
    pending_seconds: Seconds = 7 * DAY
    reopen_seconds: Seconds = 14 * DAY

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        """A promise that lies beyond all bounds could never be computed."""
        promised = [
            seconds
            for tier in self.tiers
            for targets in tier.targets.values()
            for seconds in (targets.first_response, targets.update, targets.solution)
            if seconds is not None
        ]
        after_open_seconds(self.calendar, _ANY_TIME, max([self.return_seconds, *promised]))
        next_open(self.on_call, _ANY_TIME)
        return self


class Queue(QueueSettings):
    """A queue with its name."""

    name: Name

    def targets(self, tier: int, priority: Priority) -> Targets:
        """Those of a tier; of the top one, where a tier was taken away meanwhile."""
        return self.tiers[min(tier, len(self.tiers)) - 1].targets[priority]


_HOUR = 3_600
_TARGETS: dict[Priority, Targets] = {
    "urgent": Targets(first_response=_HOUR // 4, update=_HOUR, solution=4 * _HOUR),
    "high": Targets(first_response=_HOUR, update=4 * _HOUR, solution=8 * _HOUR),
    "normal": Targets(first_response=4 * _HOUR, update=8 * _HOUR, solution=24 * _HOUR),
    "low": Targets(first_response=8 * _HOUR, update=24 * _HOUR, solution=40 * _HOUR),
}
_OFFICE_HOURS = (("09:00", "17:00"),)

GENERAL = Queue(
    name="general",
    calendar=Calendar(
        hours=dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), _OFFICE_HOURS)
    ),
    on_call=Calendar(
        hours=dict.fromkeys(
            ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
            (("07:00", "22:00"),),
        )
    ),
    tiers=(Tier(targets=_TARGETS), Tier(targets=_TARGETS)),
)
"""The queue that is always there; a team stores its own settings under this name."""
