"""What every test of a step of this domain finds around it."""

import pytest

from tests.unit.template import template

USED = template().used_by("tickets")


@pytest.fixture
def wanted():
    """To make all that is declared takes twice as long, before each of hundreds of tests."""
    return USED
