"""docker-compose.yml, against what the rest of the project says of it."""

import json
import re
import tomllib
from importlib.metadata import PathDistribution

import pytest
import yaml

from local.cloud.emulator import environment
from local.cloud.sam_local import NETWORK
from local.cloud.settings import ROOT, SERVICES, SIMULATORS, Instance, issuer_url
from local.containers import results
from local.containers.entry_points import write_metadata
from local.providers import storages

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "local" / "containers" / "Dockerfile").read_text()


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_listens_on_this_machine_alone_and_says_when_it_is_ready(name):
    service = COMPOSE["services"][name]

    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"]["test"]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_only_localstack_gets_anything_outside_of_the_repository(name):
    mounts = COMPOSE["services"][name].get("volumes", [])
    sources = [mount if isinstance(mount, str) else mount["source"] for mount in mounts]

    outside = [source for source in sources if not source.startswith("./")]
    socket = ["${DOCKER_SOCKET:-/var/run/docker.sock}:/var/run/docker.sock"]
    assert outside == (socket if name == "localstack" else [])


@pytest.mark.parametrize("name", ["embedded", *SIMULATORS])
def test_what_is_ours_runs_without_privileges(name):
    service = COMPOSE["services"][name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_engines_are_services_and_wait_for_the_simulators():
    for service in SERVICES.values():
        waits_for = COMPOSE["services"][service.name]["depends_on"]
        assert set(waits_for) == set(SIMULATORS)
        assert {one["condition"] for one in waits_for.values()} == {"service_healthy"}


def test_localstack_is_told_what_the_embedded_emulator_is_told():
    declared = COMPOSE["services"]["localstack"]["environment"]
    embedded = environment(Instance(), 4566)

    names = {name for name in embedded if name.startswith(("LAMBDA_EVENT", "LAMBDA_LIMITS", "SQS"))}
    assert {name: declared[name] for name in names} == {name: embedded[name] for name in names}
    service = SERVICES["localstack"]
    assert declared["AFTERCALL_ISSUER_URL"] == issuer_url(service.endpoint)
    assert declared["AFTERCALL_ISSUER_FILE"] == service.issuer_file
    assert declared["AFTERCALL_ISSUER_HOST"] == service.name


def test_functions_run_in_the_network_of_all_others():
    assert COMPOSE["networks"][NETWORK]["name"] == NETWORK
    assert COMPOSE["services"]["localstack"]["environment"]["LAMBDA_DOCKER_NETWORK"] == NETWORK


@pytest.mark.parametrize("name", SIMULATORS)
def test_simulators_are_published_where_tests_look_for_them(name, monkeypatch):
    service = COMPOSE["services"][name]
    [port] = service["ports"]
    variable, default = re.fullmatch(
        rf"127\.0\.0\.1:\$\{{(\w+):-(\d+)\}}:{storages._PORT_INSIDE}", port
    ).groups()

    assert storages._published_port(name) == int(default)
    monkeypatch.setenv(variable, "1")
    assert storages._published_port(name) == 1


def test_the_images_are_of_the_release_that_the_embedded_emulator_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [release] = [one for one in project["dependency-groups"]["emulator"] if "localstack" in one]
    image = f"localstack/localstack:{release.rpartition('==')[2]}"

    assert f"ARG LOCALSTACK_IMAGE={image}\n" in DOCKERFILE
    given = COMPOSE["services"]["localstack"]["build"]["args"]["LOCALSTACK_IMAGE"]
    assert given == f"${{LOCALSTACK_IMAGE:-{image}}}"


def test_whatever_is_copied_into_an_image_reaches_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    reach = tuple(line[1:] for line in ignored if line.startswith("!"))

    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert copied
    assert all(path.startswith(reach) for path in copied)


def test_the_plugins_are_found_without_being_installed(tmp_path):
    folder = ROOT / "local" / "emulator"
    write_metadata(folder, tmp_path)

    [metadata] = tmp_path.iterdir()
    found = {(one.group, one.name, one.value) for one in PathDistribution(metadata).entry_points}
    declared = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    assert found == {
        (group, name, value) for group, all_of in declared.items() for name, value in all_of.items()
    }


def test_the_page_shows_what_was_found():
    page = results.PAGE.read_text()

    assert page == results.with_tables(page, results.read_results(), results.read_answers())


def test_functions_that_have_said_the_same_are_a_row():
    answers = {"AFunction": "returned", "BFunction": "LookupError", "CFunction": "returned"}

    rows = results.table_of_answers(answers).splitlines()[2:]

    assert rows == ["| returned | `A`, `C` |", "| LookupError | `B` |"]


@pytest.mark.parametrize(
    ("outcome", "passed"),
    [
        ("24 passed, 7 skipped", True),
        ("1 failed, 16 passed", False),
        ("3 errors", False),
        ("pytest ended with -9", False),
        ("healthy", True),
    ],
)
def test_a_result_knows_whether_it_is_one_to_be_glad_of(outcome, passed):
    result = results.Result("any", "any", outcome, 1, "stand-ins", "2026-11-28")

    assert result.passed == passed


def test_a_result_takes_the_place_of_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    old = results.Result("any", "any", "1 failed", 1, "stand-ins", "2026-11-27")
    new = results.Result("any", "any", "1 passed", 1, "stand-ins", "2026-11-28")
    other = results.Result("any", "other", "1 passed", 1, "stand-ins", "2026-11-28")

    results.write_results([old, other])
    results.write_results([new])

    assert results.read_results() == [new, other]
    assert json.loads(results.FILE.read_text())[0]["outcome"] == "1 passed"
