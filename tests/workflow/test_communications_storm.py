"""A small storm of messages: what `make bench-communications` does with thousands."""

import pytest

from tests.communications import Communications
from tests.storm import Storm

NUMBER = 150


@pytest.fixture(scope="module")
def storm(communications: Communications) -> Storm:
    storm = Storm(communications, NUMBER, seconds_at_most=240, seconds_to_be_visible_again=12)
    storm.run()
    return storm


def test_everybody_gets_a_message_once_and_what_fails_is_listed(storm: Storm) -> None:
    assert list(storm.faults()) == []
    assert storm.duplicates > 0
    assert storm.killed > 0
