"""A representative: what they can do, when they are there, and how much they have."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from shared.addresses import EMail, Phone
from tickets.rules.business_hours import Calendar, is_open
from tickets.rules.queue import Setting, Skills

type TierNumber = Annotated[int, Field(ge=1, le=9)]


class Shift(Setting):
    """One time at which a representative is there."""

    begins_at: AwareDatetime
    ends_at: AwareDatetime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begins_at >= self.ends_at:
            raise ValueError("a shift ends after it has begun")
        return self


class Profile(Setting):
    """What a team says of a representative. They are there in the hours of `calendar`, if they have
    one, and in each of `shifts`; `capacity` is how many tickets they have at most.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: EMail | None = None
    phone: Phone | None = None
    skills: Skills = ()
    tiers: tuple[TierNumber, ...] = Field(default=(1,), min_length=1, max_length=9)
    capacity: int = Field(ge=0, le=1000)
    active: bool = True
    calendar: Calendar | None = None
    shifts: tuple[Shift, ...] = Field(default=(), max_length=400)


class Representative(Profile):
    """A representative as stored: `representative_id` is the subject of their token, `load` the
    number of tickets they have, `turn` grows with each ticket that they get, `version` with each
    change of the profile.
    """

    representative_id: str
    version: int = 1
    load: int = 0
    turn: int = 0

    @property
    def has_room(self) -> bool:
        return self.active and self.load < self.capacity

    def is_there(self, moment: datetime) -> bool:
        """Whether they are on shift."""
        if self.calendar is not None and is_open(self.calendar, moment):
            return True
        return any(shift.begins_at <= moment < shift.ends_at for shift in self.shifts)
