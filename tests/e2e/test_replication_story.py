"""A month begins: customers of two providers find their folders, checklists and documents, and
what the system says of it agrees with what the providers have seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.providers.storages import Storages
from tests.cloud import INSTANCE, TestCloud
from tests.replications import Client, Replications, simulators

PERIOD = "2026-12"
RATE = 15
"""Requests that the Nextcloud takes in a second."""


@dataclass
class Story:
    replications: Replications
    clients: list[Client]
    both: Storages
    found: dict[str, Any]
    report: dict[str, Any]


@pytest.fixture(scope="module")
def story(cloud: TestCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A period of four customers, once it has ended."""
    replications = Replications(cloud, INSTANCE)
    limit = {"scope": "server", "units": RATE, "seconds": 1, "shape": "bucket"}
    with simulators(tmp_path_factory.mktemp("storage"), limits=[limit]) as both:
        clients = [
            replications.new_client(both[0], 2, holidays="DE-BY"),
            replications.new_client(both[0], 2, holidays="SE"),
            replications.new_client(both[1], 2, weekend=("friday", "saturday"), holidays=None),
            replications.new_client(both[1]),
        ]
        for simulator in both:
            simulator.clear_stats()
        replication_id = replications.request(PERIOD, *clients)
        found = replications.ended(replication_id)
        report = replications.ask("GET", f"/{replication_id}/report")
        yield Story(replications, clients, both, found, report)


def test_every_document_arrives_byte_for_byte_and_nothing_else(story: Story) -> None:
    assert (story.found["state"], story.found["done"], story.found["failed"]) == ("FINISHED", 7, 0)
    for client in story.clients:
        assert client.there() == client.wanted(PERIOD)


def test_what_is_counted_is_what_the_providers_have_seen(story: Story) -> None:
    counts = {one["provider"]: one["counts"] for one in story.found["providers"]}

    for simulator in story.both:
        provider = "s3" if simulator.profile == "s3" else "webdav"
        assert counts[provider]["calls"] == simulator.stats()["requests"]
        assert counts[provider].get("throttled", 0) == simulator.stats()["throttled"]


def test_hardly_anything_is_refused(story: Story) -> None:
    assert story.both[0].stats()["throttled"] == 0


def test_each_customer_is_done(story: Story) -> None:
    path = f"/{story.found['replication_id']}/customers"
    shown = {
        one["customer_id"]: (one["done"], one["left"])
        for one in story.replications.ask("GET", path)["items"]
    }

    assert shown == {client.customer_id: (len(client.entities), 0) for client in story.clients}


def test_the_end_is_told(cloud: TestCloud, story: Story) -> None:
    assert story.report["failures"] == []
    text = cloud.alert(f"Replication {story.found['replication_id']} has finished")
    assert "7 entities, 0 of them failed" in text
