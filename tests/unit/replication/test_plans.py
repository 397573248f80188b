"""Groups lie in our own bucket between the steps of a plan."""

from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with

MODULE = "replication.group_entities"
CUSTOMERS = [
    {
        "customer_id": "1003",
        "scopes": {"server": "cloud.example"},
        "entities": [{"entity_id": "north", "folder": "Göteborg", "calls": 9}],
    }
]


@pytest.fixture
def plans(load):
    load(MODULE)
    return import_module("replication.plans")


def test_gives_the_group_that_was_written(plans):
    plans.write_group("2026-12-all", 1, "webdav", 1, CUSTOMERS)

    assert plans.read_group("2026-12-all", 1, "webdav", 1) == CUSTOMERS


def test_a_group_that_is_written_again_is_the_last_one(plans, around):
    plans.write_group("2026-12-all", 1, "webdav", 1, [])
    plans.write_group("2026-12-all", 1, "webdav", 1, CUSTOMERS)

    assert plans.read_group("2026-12-all", 1, "webdav", 1) == CUSTOMERS
    assert len(around.document_keys()) == 1


def test_groups_of_other_plans_providers_and_parts_lie_elsewhere(plans, around):
    for one in ((1, "webdav", 1), (2, "webdav", 1), (1, "s3", 1), (1, "webdav", 2)):
        plans.write_group("2026-12-all", *one, CUSTOMERS)
    plans.write_group("2026-11-all", 1, "webdav", 1, CUSTOMERS)

    assert len(around.document_keys()) == 5
    assert all(key.startswith("plans/2026-1") for key in around.document_keys())


def test_a_group_that_is_gone_is_an_error(plans):
    with pytest.raises(ClientError, match="NoSuchKey"):
        plans.read_group("2026-12-all", 1, "webdav", 1)


def test_a_throttle_passes(plans, intercept):
    intercept("PutObject", before=fails_with("SlowDown"))

    with pytest.raises(TransientError):
        plans.write_group("2026-12-all", 1, "webdav", 1, CUSTOMERS)
