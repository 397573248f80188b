"""Public holidays by country and subdivision."""

from datetime import date

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.public_holidays import WEEKDAYS, Region, RegionName, is_public_holiday, known_region


@pytest.mark.parametrize(
    ("region", "day", "expected"),
    [
        ("DE", "2026-05-01", True),
        ("DE", "2026-05-02", False),
        ("DE-BE", "2027-03-08", True),
        ("DE", "2027-03-08", False),
        ("GB", "2027-12-27", True),  # Christmas Day fell on a Saturday.
        ("SE", "2026-06-20", True),
        (None, "2026-12-25", False),
    ],
)
def test_knows_the_holidays_of_a_region(region, day, expected):
    assert is_public_holiday(region, date.fromisoformat(day)) is expected


def test_weekdays_are_in_the_order_of_dates():
    assert WEEKDAYS[date(2026, 11, 30).weekday()] == "monday"
    assert WEEKDAYS[date(2026, 11, 29).weekday()] == "sunday"


@pytest.mark.parametrize("region", ["XX", "DE-XX"])
def test_an_unknown_region_is_refused_where_it_is_looked_up(region):
    assert TypeAdapter(RegionName).validate_python(region) == region
    with pytest.raises(ValidationError, match="nobody knows the holidays"):
        TypeAdapter(Region).validate_python(region)
    with pytest.raises(ValueError, match="nobody knows the holidays"):
        known_region(region)


@pytest.mark.parametrize("region", ["", "de", "DE-", "HolidayBase", "DE-" + "x" * 61])
def test_what_is_no_name_of_a_region_is_never_looked_up(region):
    with pytest.raises(ValidationError, match="pattern"):
        TypeAdapter(Region).validate_python(region)
