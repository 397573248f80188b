"""Executors without LocalStack around them."""

import os
import textwrap
from collections.abc import Callable, Iterator

import pytest
from aftercall_emulator.code_folders import CodeFolders
from aftercall_emulator.guardian import Guardian
from aftercall_emulator.lambda_executor import LambdaHost, ProcessExecutor
from aftercall_emulator.process_pool import ProcessPool
from aftercall_emulator.settings import MAX_PROCESSES_VARIABLE, PYTHON_VARIABLE, read_settings

from tests.emulator.running import Emulator, running_emulator
from tests.emulator.support import ROOT, any_function


@pytest.fixture(scope="session")
def lambda_settings():
    """The interpreter that `make` has prepared for Lambdas, or the one that a variable names."""
    python = os.environ.get(PYTHON_VARIABLE, str(ROOT / ".venv-lambda" / "bin" / "python"))
    return read_settings({PYTHON_VARIABLE: python, MAX_PROCESSES_VARIABLE: "2"})


@pytest.fixture(scope="session")
def emulator(tmp_path_factory, lambda_settings) -> Iterator[Emulator]:
    """One emulator for the session."""
    state = tmp_path_factory.mktemp("emulator")
    with running_emulator(state, lambda_settings.python) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    """One guardian for all executors of the session."""
    guardian = Guardian()
    yield guardian
    guardian.close()


@pytest.fixture
def host(lambda_settings, guardian, tmp_path) -> LambdaHost:
    """A host with room for two processes."""
    pool = ProcessPool(lambda_settings.max_processes)
    folders = CodeFolders(tmp_path / "code-folders")
    return LambdaHost(lambda_settings, pool, guardian, tmp_path / "workspaces", folders)


@pytest.fixture
def any_executor(host, tmp_path) -> Iterator[Callable[..., ProcessExecutor]]:
    """Makes started executors from the source of app.py; stops them at the end."""
    executors: list[ProcessExecutor] = []

    def make(source: str, env_vars: dict[str, str] | None = None, **config) -> ProcessExecutor:
        code = tmp_path / f"code{len(executors)}"
        code.mkdir()
        (code / "app.py").write_text(textwrap.dedent(source))
        executor = ProcessExecutor(f"env{len(executors)}", any_function(code, **config), host)
        executor.start(env_vars or {})
        executors.append(executor)
        return executor

    yield make
    for executor in executors:
        executor.stop()
