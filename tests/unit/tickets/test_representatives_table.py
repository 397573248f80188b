"""Storing representatives: nobody overwrites what they have not seen, and loads stay true."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with
from tickets.rules.representative import Profile, Representative

from .factories import any_representative
from .surroundings import JANE, SARAH


@pytest.fixture
def table(load):
    load("tickets.watch_cases")
    return import_module("tickets.representatives_table")


@pytest.fixture
def move(table, cloud):
    """Give somebody tickets, or take them, as a part of a transaction."""

    def write(difference, turn=1):
        part = table.load_update(SARAH, difference, turn)
        cloud.dynamodb.transact_write_items(TransactItems=[part])

    return write


def profile(**changed):
    one = any_representative(**changed)
    return Profile.model_validate(one.model_dump(include=set(Profile.model_fields)))


EVERYTHING = {
    "email": "sarah@example.com",
    "phone": "+12025550101",
    "skills": ["refunds"],
    "tiers": [1, 2],
    "capacity": 4,
    "calendar": {
        "time_zone": "Europe/Berlin",
        "hours": {"monday": [["09:00", "17:00"]]},
        "closed_on": ["2026-12-25"],
    },
    "shifts": [{"begins_at": "2026-03-02T09:00:00+01:00", "ends_at": "2026-03-02T17:00:00+01:00"}],
}


def test_reads_what_was_stored(table):
    stored = table.put_profile(SARAH, profile(**EVERYTHING), 0)

    assert stored == table.get_representative(SARAH)
    assert stored == Representative(
        **profile(**EVERYTHING).model_dump(), representative_id=SARAH, version=1, load=0, turn=0
    )


def test_does_not_know_who_is_not_there(table):
    assert table.get_representative(SARAH) is None
    assert table.every_representative() == []


def test_lists_everybody_by_id(table, around):
    around.put_representative(any_representative(SARAH), any_representative(JANE))

    assert [one.representative_id for one in table.every_representative()] == [JANE, SARAH]


def test_lists_everybody_however_many_pages_there_are(table, around, monkeypatch):
    names = [f"somebody{number:02}" for number in range(12)]
    around.put_representative(*[any_representative(name) for name in names])
    monkeypatch.setattr("moto.dynamodb.models.table.RESULT_SIZE_LIMIT", 500)

    assert [one.representative_id for one in table.every_representative()] == names


@pytest.mark.parametrize("version", [0, 2])
def test_replaces_only_the_version_that_was_read(table, version):
    table.put_profile(SARAH, profile(), 0)

    assert table.put_profile(SARAH, profile(name="Other"), version) is None
    assert table.get_representative(SARAH).name == "Sarah"

    assert table.put_profile(SARAH, profile(name="Other"), 1).version == 2
    assert table.get_representative(SARAH).name == "Other"


def test_nobody_is_stored_over_a_version_that_never_was(table):
    assert table.put_profile(SARAH, profile(), 1) is None

    assert table.get_representative(SARAH) is None


def test_a_profile_changes_neither_load_nor_turn(table, move):
    table.put_profile(SARAH, profile(), 0)
    move(1, turn=77)

    after = table.put_profile(SARAH, profile(capacity=9), 1)

    assert (after.load, after.turn, after.capacity) == (1, 77, 9)


def test_gives_tickets_up_to_their_capacity(table, move):
    table.put_profile(SARAH, profile(capacity=2), 0)
    move(1, turn=5)
    move(1, turn=6)

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        move(1, turn=7)

    after = table.get_representative(SARAH)
    assert (after.load, after.turn) == (2, 6)


def test_takes_tickets_down_to_none(table, move):
    table.put_profile(SARAH, profile(), 0)
    move(1, turn=5)
    move(-1, turn=6)

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        move(-1)

    after = table.get_representative(SARAH)
    assert (after.load, after.turn) == (0, 5)


def test_who_has_more_than_a_new_capacity_keeps_them_and_gets_no_more(table, move):
    table.put_profile(SARAH, profile(capacity=2), 0)
    move(1)
    move(1)
    table.put_profile(SARAH, profile(capacity=1), 1)

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        move(1)
    move(-1)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        move(1)


def test_who_is_not_active_gets_nothing_and_can_give_back(table, move):
    table.put_profile(SARAH, profile(), 0)
    move(1)
    table.put_profile(SARAH, profile(active=False), 1)

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        move(1)
    move(-1)

    after = table.get_representative(SARAH)
    assert (after.load, after.active, after.capacity) == (0, False, 3)


def test_nobody_is_made_by_getting_a_ticket(table, move):
    for difference in (1, -1):
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            move(difference)

    assert table.every_representative() == []


CALLS = {
    "GetItem": lambda table: table.get_representative(SARAH),
    "UpdateItem": lambda table: table.put_profile(SARAH, profile(), 0),
    "Scan": lambda table: table.every_representative(),
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
