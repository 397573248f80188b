"""The engines in containers, as this machine starts, finds and stops them."""

import stat
import subprocess
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from local.cloud import containers, settings
from local.cloud.settings import CloudError, Instance, instance_on

LOCALSTACK = instance_on("localstack", Instance())
CONTAINER = instance_on("container", Instance())


@pytest.fixture
def compose(monkeypatch, tmp_path) -> SimpleNamespace:
    """docker, which answers what it is told to and remembers what it was asked."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    monkeypatch.setattr(containers.shutil, "which", lambda name: f"/usr/bin/{name}")
    fake = SimpleNamespace(asked=[], answers={}, fails="")

    def run(command, **_) -> subprocess.CompletedProcess:
        asked = " ".join(command).removeprefix("docker ").removeprefix("compose ")
        fake.asked.append(asked)
        answer = fake.answers.get(asked.split()[0], "")
        return subprocess.CompletedProcess(command, bool(fake.fails), answer, fake.fails)

    monkeypatch.setattr(containers.subprocess, "run", run)
    return fake


@pytest.fixture
def healthy(monkeypatch) -> Callable[[object], None]:
    def answer(services: object) -> None:
        monkeypatch.setattr(containers, "health", lambda _: services)

    answer({"s3": "running"})
    return answer


def test_is_found_where_compose_publishes_it(compose, healthy, monkeypatch):
    compose.answers["ps"] = "nextcloud\nlocalstack\n"
    monkeypatch.setenv("AFTERCALL_PORT", "4999")

    assert containers.find(LOCALSTACK) == "http://127.0.0.1:4999"


@pytest.mark.parametrize(
    ("instance", "command"),
    [
        (LOCALSTACK, "`docker compose up --wait` starts it"),
        (CONTAINER, "`docker compose up --wait embedded` starts it"),
    ],
)
def test_says_how_to_start_what_does_not_run(instance, command, compose, healthy):
    with pytest.raises(CloudError, match=command):
        containers.find(instance)


def test_another_program_at_its_port_is_not_taken_for_it(compose, healthy):
    compose.answers["ps"] = "embedded\n"

    assert containers.endpoint_of(LOCALSTACK) is None
    assert containers.endpoint_of(CONTAINER) is not None


def test_what_runs_and_does_not_answer_is_not_there(compose, healthy):
    compose.answers["ps"] = "localstack\n"
    healthy(None)

    assert containers.endpoint_of(LOCALSTACK) is None


def test_starts_what_a_person_would_type(compose, healthy):
    compose.answers["ps"] = "localstack\nembedded\n"

    containers.up(LOCALSTACK, print)
    containers.up(CONTAINER, print)

    started = [asked for asked in compose.asked if asked.startswith("up")]
    assert started == ["up --wait --build", "up --wait embedded --build"]


def test_stops_all_of_it_with_what_it_holds(compose):
    compose.answers["ps"] = "1234\n"
    LOCALSTACK.folder.mkdir(parents=True)
    LOCALSTACK.outputs_file.write_text("{}")

    assert containers.stop(LOCALSTACK, print)
    assert compose.asked[-3:] == [
        "ps --all --quiet --filter name=^aftercall-localstack-1-lambda-",
        "rm --force 1234",
        "--profile * down --volumes",
    ]
    assert not LOCALSTACK.outputs_file.exists()


def test_the_issuers_key_comes_out_for_its_owner_alone(compose):
    compose.answers["exec"] = '{"client_id": "any"}'

    for _ in range(2):
        containers.fetch_issuer_file(CONTAINER)

    assert CONTAINER.issuer_file.read_text() == '{"client_id": "any"}'
    assert stat.S_IMODE(CONTAINER.issuer_file.stat().st_mode) == 0o600
    assert compose.asked[-1].startswith("exec --no-TTY embedded cat /aftercall/")


def test_says_what_docker_says(compose):
    compose.fails = "Cannot connect to the Docker daemon"

    with pytest.raises(CloudError, match="Cannot connect to the Docker daemon"):
        containers.endpoint_of(LOCALSTACK)


def test_says_that_docker_is_missing(compose, monkeypatch):
    monkeypatch.setattr(containers.shutil, "which", lambda _: None)

    with pytest.raises(CloudError, match="docker is missing"):
        containers.endpoint_of(LOCALSTACK)
