import pytest
from pydantic import TypeAdapter, ValidationError

from shared.time_zones import TimeZone


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_knows_the_zones_of_the_iana_database(name):
    assert TypeAdapter(TimeZone).validate_python(name) == name


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "europe/berlin", "Europe", "../Berlin"])
def test_refuses_a_zone_that_nobody_knows(name):
    with pytest.raises(ValidationError, match="there is no time zone"):
        TypeAdapter(TimeZone).validate_python(name)
