"""What every test of a step of this domain finds around it."""

import pytest

from tests.unit.template import template

USED = {*template().used_by("post_call"), *template().of_type("AWS::S3::Bucket")}
"""Steps are told in their events in which bucket they work."""


@pytest.fixture
def wanted():
    """To make all that is declared takes twice as long, before each of hundreds of tests."""
    return USED
