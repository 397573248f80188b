"""Queues' settings, one of which is always there, and the numbers of tickets."""

from datetime import UTC, datetime
from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with
from tickets.rules.queue import GENERAL

from .factories import NOW, any_queue


@pytest.fixture
def table(load):
    load("tickets.open_case")
    return import_module("tickets.queues_table")


def test_reads_what_was_stored(table):
    queue = any_queue(
        name="claims",
        required_skills=["refunds"],
        calendar={"time_zone": "Europe/Berlin", "hours": {"monday": [["09:00", "17:00"]]}},
    )

    assert table.put_queue(queue, 0) is True

    assert table.get_queue("claims") == table.StoredQueue(queue=queue, version=1)
    assert table.queue_of_ticket("claims") == queue


def test_does_not_know_what_is_not_there(table):
    assert table.get_queue("claims") is None
    with pytest.raises(LookupError):
        table.queue_of_ticket("claims")


def test_the_general_queue_is_always_there(table):
    assert table.get_queue("general") == table.StoredQueue(queue=GENERAL, version=0)
    assert table.queue_of_ticket("general") == GENERAL


def test_a_team_may_store_its_own_settings_of_the_general_queue(table):
    own = any_queue(name="general")

    assert table.put_queue(own, 0) is True

    assert table.get_queue("general") == table.StoredQueue(queue=own, version=1)
    assert [one.queue for one in table.every_queue() if one.queue.name == "general"] == [own]


def test_lists_all_by_name_and_the_general_one_among_them(table, around):
    table.put_queue(any_queue(name="refunds"), 0)
    table.put_queue(any_queue(name="claims"), 0)
    table.next_number(NOW)

    listed = {one.queue.name: one.version for one in table.every_queue()}

    assert list(listed.items()) == [("claims", 1), ("general", 0), ("parcels", 1), ("refunds", 1)]


@pytest.mark.parametrize("version", [0, 2])
def test_replaces_only_the_version_that_was_read(table, version):
    table.put_queue(any_queue(name="claims"), 0)
    other = any_queue(name="claims", warn_percent=50)

    assert table.put_queue(other, version) is False
    assert table.get_queue("claims").queue == any_queue(name="claims")

    assert table.put_queue(other, 1) is True
    assert table.get_queue("claims") == table.StoredQueue(queue=other, version=2)


def test_numbers_begin_anew_with_each_day(table):
    days = [datetime(2026, 3, day, 23, 59, tzinfo=UTC) for day in (2, 2, 3, 2)]

    numbers = [table.next_number(moment) for moment in days]

    assert numbers == ["20260302-00001", "20260302-00002", "20260303-00001", "20260302-00003"]


CALLS = {
    "GetItem": lambda table: table.get_queue("claims"),
    "PutItem": lambda table: table.put_queue(any_queue(), 0),
    "UpdateItem": lambda table: table.next_number(NOW),
    "Query": lambda table: table.every_queue(),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("code", "error"),
    [("ThrottlingException", TransientError), ("AccessDeniedException", ClientError)],
)
def test_a_throttle_passes_and_nothing_else_does(table, intercept, operation, code, error):
    intercept(operation, before=fails_with(code))

    with pytest.raises(error):
        CALLS[operation](table)
