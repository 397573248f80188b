"""The storage that customers have in tests and in the demo: a Nextcloud and an S3, both simulated.

Beside a process of this machine they are processes, too; beside an engine in containers they are
services of docker-compose.yml, which go on running and get their settings back.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.cloud.settings import SIMULATORS, Instance, Service
from local.providers.client import RunningSimulator, Simulator

Storages = tuple[RunningSimulator, RunningSimulator]

_PROFILES = ("nextcloud", "s3")
_PORT_INSIDE = 4570
_PORTS = {"nextcloud": "4571", "object-storage": "4572"}
"""Where docker-compose.yml publishes them, unless AFTERCALL_<NAME>_PORT says otherwise."""


@contextmanager
def storages(
    instance: Instance, folder: Path, nextcloud: dict[str, Any], s3: dict[str, Any]
) -> Iterator[Storages]:
    """Both, with these settings (see profiles.py)."""
    if instance.service is None:
        with (
            Simulator("nextcloud", folder / "nextcloud", settings=nextcloud) as first,
            Simulator("s3", folder / "s3", settings=s3) as second,
        ):
            yield first, second
    else:
        with _services(instance.service, nextcloud, s3) as both:
            yield both


@contextmanager
def _services(service: Service, *settings: dict[str, Any]) -> Iterator[Storages]:
    running = [
        RunningSimulator(profile, f"http://{name}:{_PORT_INSIDE}", _published_port(name))
        for name, profile in zip(SIMULATORS, _PROFILES, strict=True)
    ]
    before = [simulator.limits() for simulator in running]
    for simulator, changes in zip(running, settings, strict=True):
        simulator.set_limits(changes)
        simulator.clear_stats()
    # This process writes customers' records, and believes whom functions believe.
    os.environ["PLAIN_HTTP_HOSTS"] = service.plain_http_hosts
    try:
        yield running[0], running[1]
    finally:
        del os.environ["PLAIN_HTTP_HOSTS"]
        for simulator, profile in zip(running, before, strict=True):
            simulator.clear_faults()
            simulator.set_limits(profile)


def _published_port(name: str) -> int:
    return int(os.environ.get(f"AFTERCALL_{name.upper().replace('-', '_')}_PORT", _PORTS[name]))
