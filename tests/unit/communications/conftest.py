"""What every test of a step of this domain finds around it."""

import pytest

from .surroundings import Surroundings


@pytest.fixture
def around(cloud):
    return Surroundings(cloud)
