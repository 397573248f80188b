"""Periods that are replicated into simulated storage while everything that can go wrong does."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.cloud.client import wait_until
from local.providers.accounts import secret_name, store_credentials, stored_credentials
from local.providers.client import Simulator
from tests.cloud import INSTANCE, SECONDS_TO_WAIT, TestCloud
from tests.processes import busy_processes, function_processes, kill
from tests.replications import Client, Replications, sha256_of, simulators
from tests.workflow.histories import entered
from tests.workflow.machines import Machines

PERIOD = "2026-12"
LARGE_TO_NEXTCLOUD, LARGE_TO_S3 = 12_000_000, 20_000_000
"""Enough to be sent in chunks, or in parts."""

BUSY = {"action": "status", "status": 429, "headers": {"Retry-After": "1"}}
FAULTS = {
    "nextcloud": [
        {"action": "lose_reply", "kind": "upload", "path": "*a.pdf", "times": 2},
        {"action": "lose_reply", "kind": "create_folder", "path": "*Bank", "times": 1},
        {"action": "truncate", "kind": "upload", "path": "*.txt", "keep_bytes": 7, "times": 1},
        {"action": "refuse", "kind": "upload", "path": "*.csv", "times": 1},
        {"action": "status", "status": 503, "kind": "create_folder", "times": 1},
        BUSY | {"times": 3, "kind": "upload"},
    ],
    "s3": [
        {"action": "lose_reply", "kind": "upload", "path": "*a.pdf", "times": 2},
        {"action": "refuse", "kind": "upload", "path": "*.csv", "times": 1},
        {"action": "status", "status": 500, "kind": "upload", "path": "*.txt", "times": 1},
        {"action": "status", "status": 503, "path": "*/", "times": 2},
    ],
}


@pytest.fixture(scope="module")
def replications(cloud: TestCloud, machines: Machines) -> Replications:
    """`machines` counts what the deployed ones do."""
    return Replications(cloud, INSTANCE)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Simulator]]:
    with simulators(tmp_path_factory.mktemp("calm")) as both:
        yield both


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Simulator]]:
    """Where every fault is met, and where the quota halves in the middle of it."""
    limit = {"scope": "server", "units": 40, "seconds": 1, "shape": "bucket"}
    with simulators(tmp_path_factory.mktemp("rough"), limits=[limit]) as both:
        for simulator in both:
            simulator.set_faults(*FAULTS[simulator.profile])
        yield both


# --- in trouble


@pytest.fixture(scope="module")
def troubled(
    replications: Replications, rough: tuple[Simulator, Simulator]
) -> tuple[str, list[Client]]:
    nextcloud, s3 = rough
    clients = [
        replications.new_client(nextcloud, 2, large=LARGE_TO_NEXTCLOUD),
        replications.new_client(nextcloud, 3),
        replications.new_client(s3, 2, large=LARGE_TO_S3),
        replications.new_client(s3, 3),
    ]
    return replications.request(PERIOD, *clients), clients


# --- beside it


@pytest.fixture(scope="module")
def paused(replications: Replications, calm: tuple[Simulator, Simulator]) -> tuple[str, Client]:
    client = replications.new_client(calm[0], 6)
    return replications.request(PERIOD, client), client


@pytest.fixture(scope="module")
def locked_out(
    replications: Replications, calm: tuple[Simulator, Simulator]
) -> tuple[str, Client, Client]:
    """One of two customers has changed their password."""
    clients = replications.new_client(calm[0]), replications.new_client(calm[0])
    former = {"username": clients[0].customer_id, "password": "former"}
    name = secret_name(clients[0].customer_id)
    right = stored_credentials(replications.cloud.endpoint, name)
    store_credentials(replications.cloud.endpoint, name, former)
    store_credentials(replications.cloud.endpoint, f"{name}.right", right)
    return replications.request(PERIOD, *clients), *clients


@pytest.fixture(scope="module")
def edited(
    replications: Replications, calm: tuple[Simulator, Simulator]
) -> tuple[str, str, Client]:
    """A customer who has a file of their own in the place of one of ours: rehearsed, then done."""
    nextcloud = calm[0]
    client = replications.new_client(nextcloud)
    first = replications.request("2026-11", client)
    replications.ended(first)
    own_file(replications, client, "Depot e1/2026-11/Bank/a.pdf", b"with their remarks")
    replications.cloud.s3.put_object(
        Bucket=replications.cloud.outputs["DocumentsBucketName"],
        Key=f"documents/{client.customer_id}/e1/Bank/b.pdf",
        Body=b"one more",
    )
    rehearsal = replications.request("2026-11", client, dry_run=True)
    replications.ended(rehearsal)
    return first, rehearsal, client


def own_file(replications: Replications, client: Client, path: str, content: bytes) -> None:
    """The customer puts a file into their own storage."""
    account = stored_credentials(replications.cloud.endpoint, secret_name(client.customer_id))
    url = client.simulator.files_url(client.customer_id)
    reply = requests.put(
        f"{url}/{path}",
        data=content,
        auth=(account["username"], account["password"]),
        timeout=10,
    )
    assert reply.status_code in (201, 204)


def test_everything_arrives_once_whatever_goes_wrong(
    cloud: TestCloud,
    replications: Replications,
    rough: tuple[Simulator, Simulator],
    troubled: tuple[str, list[Client]],
) -> None:
    replication_id, clients = troubled
    nextcloud, s3 = rough
    broken = break_things(replications, replication_id, nextcloud)

    found = replications.ended(replication_id)

    assert (found["done"], found["failed"]) == (10, 0), found
    for client in clients:
        assert client.there() == client.wanted(PERIOD)
    assert min([*s3.fault_hits(), *nextcloud.fault_hits()]) > 0
    assert broken == {"function": 1, "worker": 1, "service": 1}
    counts = replications.ask("GET", f"/{replication_id}/report")["counts"]
    assert counts["throttled"] > 0


def worker_with_an_entity(replications: Replications, replication_id: str) -> str | None:
    """A worker that has something to lose: one that is at its end needs no successor."""
    running = replications.running("Worker", replication_id)
    return next(
        (arn for arn in running if entered(replications.cloud, arn)[-1:] == ["Replicate Entity"]),
        None,
    )


def break_things(
    replications: Replications, replication_id: str, nextcloud: Simulator
) -> dict[str, int]:
    """Kill a function, stop a worker and a service, halve a quota, restart a provider."""
    broken = {}
    replications.when(replication_id, lambda it: it["done"] + it["failed"] >= 1, "its first entity")
    pids = wait_until(
        lambda: (
            busy_processes(INSTANCE, "replication.upload_folders")
            or list(function_processes(INSTANCE, "replication.upload_folders"))
        ),
        SECONDS_TO_WAIT,
        "a function that uploads",
        pause=0.002,
    )
    broken["function"] = kill(pids[:1])
    nextcloud.set_limits({"limits": [{"scope": "server", "units": 20}]})
    worker = wait_until(
        lambda: worker_with_an_entity(replications, replication_id), SECONDS_TO_WAIT, "a worker"
    )
    replications.cloud.stepfunctions.stop_execution(executionArn=worker)
    broken["worker"] = 1
    hits = nextcloud.fault_hits()
    nextcloud.restart()
    still_to_hit = [
        fault for fault, number in zip(FAULTS["nextcloud"], hits, strict=True) if not number
    ]
    nextcloud.set_faults(*still_to_hit)
    [service] = [
        arn for arn in replications.running("Service", replication_id) if "-webdav-" in arn
    ]
    replications.cloud.stepfunctions.stop_execution(executionArn=service)
    wait_until(
        lambda: service not in replications.running("Service", replication_id),
        SECONDS_TO_WAIT,
        "the end of the service",
    )
    replications.age_beat(replication_id, "webdav")
    replications.watch()
    broken["service"] = 1
    return broken


def test_a_paused_replication_writes_nothing_more_until_it_is_resumed(
    replications: Replications, paused: tuple[str, Client]
) -> None:
    replication_id, client = paused
    replications.when(replication_id, lambda it: it["done"] >= 1, "its first entity")
    replications.steer(replication_id, "pause")
    wait_until(
        lambda: not replications.running("Service", replication_id),
        SECONDS_TO_WAIT,
        "the end of its service",
    )
    before = client.there()
    found = replications.read(replication_id)
    assert found["state"] == "PAUSED"
    assert 0 < found["done"] < 6
    assert client.there() == before

    replications.steer(replication_id, "resume")

    assert replications.ended(replication_id)["done"] == 6
    assert client.there() == client.wanted(PERIOD)


def test_the_same_period_again_is_the_same_replication(
    replications: Replications, paused: tuple[str, Client]
) -> None:
    replication_id, client = paused

    assert replications.request(PERIOD, client) == replication_id


def test_a_customer_who_locks_us_out_fails_alone_and_arrives_after_a_retry(
    replications: Replications, locked_out: tuple[str, Client, Client]
) -> None:
    replication_id, client, other = locked_out
    found = replications.ended(replication_id)
    assert (found["done"], found["failed"]) == (1, 1)
    assert other.there() == other.wanted(PERIOD)
    report = replications.ask("GET", f"/{replication_id}/report")
    assert report["failures"][0]["examples"] == client.names
    assert report["failures"][0]["cause"].startswith("CredentialsRefused: ")

    name = secret_name(client.customer_id)
    right = stored_credentials(replications.cloud.endpoint, f"{name}.right")
    store_credentials(replications.cloud.endpoint, name, right)
    replications.steer(replication_id, "retry")

    found = replications.ended(replication_id)
    assert (found["done"], found["failed"]) == (2, 0)
    assert client.there() == client.wanted(PERIOD)


def test_what_is_somebodys_own_is_left_alone_and_reported(
    replications: Replications, edited: tuple[str, str, Client]
) -> None:
    first, rehearsal, client = edited
    assert client.there()["Depot e1/2026-11/Bank/a.pdf"] == sha256_of(b"with their remarks")
    assert "Depot e1/2026-11/Bank/b.pdf" not in client.there()  # A rehearsal writes nothing.

    view = replications.ask("GET", f"/{rehearsal}/entities/{client.names[0]}")

    assert view["problems"] == {"conflicts": ["Bank/a.pdf"], "illegal": []}
    assert (view["counts"]["uploaded"], view["counts"]["conflicts"]) == (1, 1)
    assert replications.read(first)["failed"] == 0


def test_the_schedule_asks_for_a_month_once(cloud: TestCloud, replications: Replications) -> None:
    month = {"time": "2031-05-01T02:00:00Z"}

    for _ in range(2):
        answer = replications.invoke("ReplicationStartReplicationFunction", month)
        assert answer == {"replication_id": "2031-05-all"}

    replications.steer("2031-05-all", "cancel")
    arn = cloud.outputs["ReplicationPlanStateMachineArn"]
    names = [one["name"] for one in cloud.executions(arn)]
    assert names.count("2031-05-all-1") == 1


def test_an_independent_client_finds_the_same(
    replications: Replications, troubled: tuple[str, list[Client]], tmp_path: Path
) -> None:
    rclone = shutil.which("rclone")
    if rclone is None:
        pytest.skip("rclone is not installed")
    replication_id, clients = troubled
    replications.ended(replication_id)
    for client in (clients[1], clients[3]):
        place, settings = remote_of(client, replications, rclone)
        command = [rclone, "--config", str(tmp_path / "none"), "lsf", "-R", "--files-only", place]
        listed = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={name: one for name, one in os.environ.items() if name[:4] != "AWS_"} | settings,
            timeout=60,
        )
        assert listed.returncode == 0, listed.stderr
        assert set(listed.stdout.splitlines()) == set(client.wanted(PERIOD))


def remote_of(
    client: Client, replications: Replications, rclone: str
) -> tuple[str, dict[str, str]]:
    """Where a customer's documents are, as rclone names it, and the settings of that."""
    account = stored_credentials(replications.cloud.endpoint, secret_name(client.customer_id))
    if client.simulator.profile == "s3":
        settings = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": client.simulator.url}
        settings |= {name.upper(): value for name, value in account.items()}
        storage = client.customer.storage
        assert storage is not None
        place = storage.location
    else:
        obscured = subprocess.run(
            [rclone, "obscure", account["password"]], capture_output=True, text=True, check=True
        )
        url = client.simulator.files_url(client.customer_id)
        settings = {"TYPE": "webdav", "VENDOR": "nextcloud", "URL": url}
        settings |= {"USER": account["username"], "PASS": obscured.stdout.strip()}
        place = ""
    return f"sim:{place}", {f"RCLONE_CONFIG_SIM_{name}": value for name, value in settings.items()}


def test_the_ends_of_all_are_told(
    cloud: TestCloud, replications: Replications, paused: tuple[str, Client]
) -> None:
    replication_id, _ = paused
    replications.ended(replication_id)

    text = cloud.alert(f"Replication {replication_id} has finished")

    assert "6 entities, 0 of them failed" in text


def test_a_worker_that_was_stopped_is_followed_by_another(
    cloud: TestCloud, replications: Replications, troubled: tuple[str, list[Client]]
) -> None:
    replication_id, _ = troubled
    replications.ended(replication_id)
    arn = cloud.outputs["ReplicationWorkerStateMachineArn"]

    own = [one for one in cloud.executions(arn) if one["name"].startswith(replication_id)]
    second = [one for one in own if one["name"].endswith("-2")]
    assert second
    assert all(entered(cloud, one["executionArn"])[-1] == "Batch Finished" for one in second)
