"""The engine that MOCKED_ENDPOINT names, or an emulator of our own, and all executions on it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cloud import emulator
from local.cloud.settings import Instance
from tests.mocked.engines import engine_at
from tests.mocked.executions import AT_ONCE, Executions, start_all
from tests.mocked.generate import FILE

INSTANCE = Instance("mocked", max_processes=1)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    if given := os.environ.get("MOCKED_ENDPOINT"):
        yield given
        return
    INSTANCE.folder.mkdir(parents=True, exist_ok=True)
    INSTANCE.mock_file.write_text(FILE.read_text())
    # Any port: that of the other suites' cloud may be free only for the moment.
    yield emulator.start(INSTANCE, emulator.any_free_port(), print)
    emulator.stop(INSTANCE, print)


@pytest.fixture(scope="session")
def executions(endpoint: str) -> Iterator[Executions]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield start_all(pool, engine_at(endpoint), endpoint)
