"""Runs everything that containers can run, and notes what came of it: `make docker-check`.

    python -m local.containers.check                       stand-ins on an engine of our own
    python -m local.containers.check --images official     official images on the engine in use

Stand-ins are for machines that reach no registry of images. What they prove and what they cannot is
in docs/containers.md, which `python -m local.containers.results` writes the table of.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.cloud.emulator import free_port
from local.cloud.settings import ROOT, SERVICES
from local.containers.private_engine import NoEngine, mirror, private_engine
from local.containers.results import Result, write_results

STANDINS = Path(__file__).parent / "standins"
MOCKED = ROOT / "tests" / "mocked"
STORIES = "tests/e2e"
PORTS = {
    "AFTERCALL_PORT": 4566,
    "AFTERCALL_NEXTCLOUD_PORT": 4571,
    "AFTERCALL_OBJECT_STORAGE_PORT": 4572,
    "AFTERCALL_STEPFUNCTIONS_LOCAL_PORT": 8083,
}


@dataclass(frozen=True)
class Suite:
    """A test suite, as a row of the table names it."""

    name: str
    folder: str
    variables: dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.containers.check")
    parser.add_argument("--images", choices=["stand-ins", "official"], default="stand-ins")
    parser.add_argument("--engine", choices=sorted(SERVICES), help="only this one (default: all)")
    parser.add_argument("--suite", default="", help="only those with this in their names")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        return skipped("functions are built for Linux")
    try:
        with engine(arguments.images) as variables:
            ports = {name: str(free_port(wanted)) for name, wanted in PORTS.items()}
            environment = os.environ | variables | ports
            results = []
            for name in [arguments.engine] if arguments.engine else SERVICES:
                for result in checked(name, environment, arguments.images, arguments.suite):
                    results.append(result)
                    write_results([result])
    except NoEngine as error:
        return skipped(str(error))
    return report(results)


def skipped(reason: str) -> int:
    say(f"docker-check SKIPPED, nothing was tested: {reason}")
    return 0


def report(results: list[Result]) -> int:
    for result in results:
        say(f"{result.engine:12} {result.test:28} {result.outcome} ({result.seconds} s)")
    failed = [result for result in results if not result.passed]
    say(f"docker-check {'FAILED' if failed else 'passed'}")
    return 1 if failed else 0


@contextmanager
def engine(images: str) -> Iterator[dict[str, str]]:
    """How docker finds the engine, with all images in it that nothing can be pulled for."""
    if images == "official":
        if subprocess.run(["docker", "info"], capture_output=True).returncode:
            raise NoEngine("`docker info` finds no engine")
        yield {}
        return
    with private_engine() as variables:
        build_standins(os.environ | variables)
        yield variables


def build_standins(environment: dict[str, str]) -> None:
    say("building stand-ins of the official images ...")
    archive = Path(environment["DOCKER_CONFIG"]).parent / "debian.tar"
    packages = "python3,python3-venv,ca-certificates,passwd"
    certificates = "copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs"
    make = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={packages}"]
    make += [f"--customize-hook={certificates}", "trixie", str(archive)]
    subprocess.run([*make, f"deb {mirror()} trixie main"], check=True)
    run(["docker", "import", str(archive), "standin:debian"], environment)
    archive.unlink()
    # One after another: later stages are made from earlier ones.
    for standin in ("python", "lambda", "localstack", "stepfunctions-local"):
        compose = ["docker", "compose", "--file", str(STANDINS / "compose.yml")]
        run([*compose, "build", "--quiet", standin], environment)


def checked(name: str, environment: dict[str, str], images: str, wanted: str) -> Iterator[Result]:
    """Start one engine, run every suite that is for it and wanted, and remove it."""
    environment = environment | {"AFTERCALL_ENGINE": name}
    cloud = [sys.executable, "-m", "local.cloud", "--engine", name]
    try:
        begin = time.monotonic()
        run([*cloud, "start"], environment)
        yield noted(name, "docker compose up --wait", "healthy", begin, images)
        chosen = [suite for suite in suites(name, environment) if wanted in suite.name]
        if chosen and chosen[0].folder != STORIES:
            run([*cloud, "deploy"], environment)  # Stories do that themselves.
        for suite in chosen:
            begin = time.monotonic()
            outcome = tested(suite, environment)
            yield noted(name, suite.name, outcome, begin, images)
    finally:
        run([*cloud, "stop"], environment)


def suites(name: str, environment: dict[str, str]) -> Iterator[Suite]:
    yield Suite("deploy and whole stories", STORIES, {})
    if name == "localstack":
        if MOCKED.exists():
            port = environment["AFTERCALL_STEPFUNCTIONS_LOCAL_PORT"]
            endpoint = {"MOCKED_ENDPOINT": f"http://127.0.0.1:{port}"}
            yield Suite("mocked paths", "tests/mocked", endpoint)
        yield Suite("sam local, every function", "tests/containers", {})


def tested(suite: Suite, environment: dict[str, str]) -> str:
    """What pytest says at its end, without the time; a crash says so."""
    say(f"{environment['AFTERCALL_ENGINE']}: {suite.name} ...")
    command = [sys.executable, "-m", "pytest", "-q", suite.folder]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment | suite.variables, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        last = ""
        for line in process.stdout:
            sys.stdout.write(line)
            last = line.strip() or last
    summary = re.fullmatch(r"(\d+ .+) in [\d.]+s.*", last)
    return summary[1] if summary else f"pytest ended with {process.returncode}"


def noted(name: str, test: str, outcome: str, begin: float, images: str) -> Result:
    return Result(
        engine=name,
        test=test,
        outcome=outcome,
        seconds=round(time.monotonic() - begin),
        images=images,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
