"""A small storm of tickets: what `make bench-tickets` does with hundreds."""

import pytest

from tests.cloud import INSTANCE, TestCloud
from tests.ticket_storm import TicketStorm
from tests.tickets import Tickets

NUMBER, REPRESENTATIVES = 10, 4


@pytest.fixture(scope="module")
def storm(cloud: TestCloud) -> TicketStorm:
    storm = TicketStorm(
        *(Tickets(cloud, INSTANCE), NUMBER, REPRESENTATIVES),
        kills=1,
        seconds_at_most=240,
        seconds_between_looks=0.5,
        return_seconds=3,
    )
    storm.run()
    return storm


def test_every_ticket_is_closed_and_nobody_has_more_than_they_have_room_for(
    storm: TicketStorm,
) -> None:
    assert list(storm.faults()) == []
    assert storm.answers[409] > 0
    assert storm.killed.total() == 1
