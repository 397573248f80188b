"""The laptop cloud for benchmarks: an instance of its own, deployed, stopped at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from local.cloud import deployment, emulator
from local.cloud.client import Cloud
from local.cloud.settings import Instance

BENCH = Instance("bench")


@contextmanager
def deployed_cloud(instance: Instance = BENCH) -> Iterator[Cloud]:
    """Start, deploy, give, stop."""
    endpoint = emulator.start(instance, None, print)
    try:
        yield Cloud(endpoint, deployment.deploy(instance, endpoint, print))
    finally:
        emulator.stop(instance, print)
