"""What every test of a step of this domain finds around it."""

import pytest

from tests.unit.template import template

from .surroundings import Surroundings

USED = template().used_by("communications")


@pytest.fixture
def wanted():
    """To make all that is declared takes twice as long, before each of hundreds of tests."""
    return USED


@pytest.fixture
def around(cloud):
    return Surroundings(cloud)
