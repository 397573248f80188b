"""When a representative is there, and whether they have room."""

import pytest
from pydantic import ValidationError

from tickets.rules.representative import Profile, Representative, Shift

from .calendars import office, utc
from .factories import NOW, any_representative, later

NINE_TO_TEN = Shift(begins_at=NOW, ends_at=later(hours=1))


@pytest.mark.parametrize(
    ("load", "capacity", "active", "room"),
    [
        (0, 1, True, True),
        (2, 3, True, True),
        (3, 3, True, False),
        (4, 3, True, False),
        (0, 0, True, False),
        (0, 3, False, False),
    ],
)
def test_has_room_while_active_and_below_capacity(load, capacity, active, room):
    one = any_representative(load=load, capacity=capacity, active=active)

    assert one.has_room is room


@pytest.mark.parametrize(
    ("moment", "there"),
    [
        (later(seconds=-1), False),
        (NOW, True),
        (later(minutes=59, seconds=59), True),
        (later(hours=1), False),
    ],
    ids=["before", "begin", "last second", "end"],
)
def test_is_there_from_the_begin_of_a_shift_until_before_its_end(moment, there):
    assert any_representative(shifts=(NINE_TO_TEN,)).is_there(moment) is there


def test_is_there_in_each_of_their_shifts():
    second = Shift(begins_at=later(hours=5), ends_at=later(hours=6))
    one = any_representative(shifts=(NINE_TO_TEN, second))

    assert one.is_there(later(hours=5))
    assert not one.is_there(later(hours=3))


@pytest.mark.parametrize(
    ("moment", "there"),
    [("2026-03-02 08:00", True), ("2026-03-02 07:59", False), ("2026-03-02 16:00", False)],
)
def test_is_there_in_the_hours_of_their_calendar(moment, there):
    berlin = any_representative(calendar=office(), shifts=())

    assert berlin.is_there(utc(moment)) is there


def test_is_there_in_a_shift_outside_of_their_calendar_too():
    saturday = Shift(begins_at=utc("2026-03-07 08:00"), ends_at=utc("2026-03-07 12:00"))
    one = any_representative(calendar=office(), shifts=(saturday,))

    assert one.is_there(utc("2026-03-07 09:00"))
    assert one.is_there(utc("2026-03-06 09:00"))
    assert not one.is_there(utc("2026-03-08 09:00"))


def test_is_never_there_without_calendar_and_shifts():
    assert not any_representative(shifts=()).is_there(NOW)


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_shift_ends_after_it_has_begun(minutes):
    with pytest.raises(ValidationError, match="ends after it has begun"):
        Shift(begins_at=NOW, ends_at=later(minutes=minutes))


def test_a_shift_without_a_time_zone_is_refused():
    with pytest.raises(ValidationError, match="timezone"):
        Shift(begins_at=NOW.replace(tzinfo=None), ends_at=later(hours=1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"capacity": -1},
        {"capacity": 1001},
        {"tiers": ()},
        {"tiers": (0,)},
        {"tiers": (10,)},
        {"skills": ("Two words",)},
        {"email": "nobody"},
        {"phone": "0123"},
        {"load": 2},
    ],
    ids=str,
)
def test_a_profile_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        Profile(**{"name": "Sarah", "capacity": 3} | wrong)


def test_a_profile_is_active_and_of_the_first_tier_unless_it_says_otherwise():
    profile = Profile(name="Sarah", capacity=3)

    assert (profile.active, profile.tiers, profile.skills) == (True, (1,), ())


def test_comes_back_from_json_as_it_was():
    one = any_representative(calendar=office(), load=2, turn=9)

    assert Representative.model_validate(one.model_dump(mode="json")) == one
