"""What the emulator must be told to run Lambda functions, checked before it starts."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack import config
from localstack.runtime import hooks

EXECUTOR_NAME = "process"
PYTHON_VARIABLE = "AFTERCALL_LAMBDA_PYTHON"
MAX_PROCESSES_VARIABLE = "AFTERCALL_LAMBDA_MAX_PROCESSES"
DEFAULT_MAX_PROCESSES = 8

_PROBE = """
import importlib.util, sys
importlib.util.find_spec("awslambdaric") or sys.exit("awslambdaric is not installed there")
print("python%d.%d" % sys.version_info[:2])
"""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True)
class LambdaSettings:
    """The interpreter of all functions, the runtime that it is, and how many may live at once."""

    python: Path
    runtime: str
    max_processes: int


@hooks.on_runtime_create()
def check_lambda_settings() -> None:
    """Refuse to start without what Lambda needs, and keep LocalStack's limit equal to ours.

    With the same number on both sides, an invocation too many is answered by LocalStack with
    TooManyRequestsException before it reaches the processes.
    """
    if config.LAMBDA_RUNTIME_EXECUTOR == EXECUTOR_NAME:
        config.LAMBDA_LIMITS_CONCURRENT_EXECUTIONS = read_settings(os.environ).max_processes


def read_settings(environment: Mapping[str, str]) -> LambdaSettings:
    """Read the settings from environment variables, asking the interpreter what it is."""
    python = environment.get(PYTHON_VARIABLE)
    if not python:
        raise SettingsError(
            f"{PYTHON_VARIABLE} is not set: it names the python with awslambdaric that runs Lambdas"
        )
    return LambdaSettings(
        python=Path(python),
        runtime=_runtime_of(python),
        max_processes=_positive(environment.get(MAX_PROCESSES_VARIABLE, DEFAULT_MAX_PROCESSES)),
    )


def _runtime_of(python: str) -> str:
    try:
        probe = subprocess.run(
            [python, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True
        )
    except subprocess.CalledProcessError as error:
        raise SettingsError(f"{PYTHON_VARIABLE}={python}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{PYTHON_VARIABLE}={python} does not run: {error}") from error
    return probe.stdout.strip()


def _positive(value: str | int) -> int:
    if not str(value).isdecimal() or int(value) < 1:
        raise SettingsError(f"{MAX_PROCESSES_VARIABLE}={value} is not a positive number")
    return int(value)
