"""What the emulator's tests share: waiting, looking at processes, and functions on disk."""

import base64
import hashlib
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from localstack.aws.api.lambda_ import PackageType, State
from localstack.services.lambda_.invocation.lambda_models import (
    FunctionVersion,
    VersionFunctionConfiguration,
    VersionIdentifier,
    VersionState,
)

ROOT = Path(__file__).parents[2]
SECONDS_TO_WAIT = 20.0


def eventually(condition: Callable[[], object], what: str) -> object:
    """Wait until the condition holds; its value."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {SECONDS_TO_WAIT} seconds")
        time.sleep(0.02)
    return value


def lives(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not reaped yet does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def any_archive(folder: Path) -> SimpleNamespace:
    """A folder's files as the zip archive that LocalStack keeps in its S3."""
    packed = io.BytesIO()
    with ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    content = packed.getvalue()
    return SimpleNamespace(
        code_sha256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
        _download_archive_to_file=lambda target: target.write(content),
    )


def any_function(code: Path, **config: object) -> FunctionVersion:
    """A function version with the code in a folder."""
    defaults: dict[str, object] = {
        "description": "",
        "role": "arn:aws:iam::000000000000:role/any",
        "timeout": 10,
        "runtime": "python3.13",
        "memory_size": 256,
        "handler": "app.handler",
        "package_type": PackageType.Zip,
        "environment": None,
        "architectures": ["x86_64"],
        "internal_revision": "1",
        "ephemeral_storage": None,
        "snap_start": None,
        "tracing_config_mode": "PassThrough",
        "code": any_archive(code),
        "last_modified": datetime.now(UTC).isoformat(),
        "state": VersionState(state=State.Active),
    }
    return FunctionVersion(
        id=VersionIdentifier("any-function", "$LATEST", "us-east-1", "000000000000"),
        config=VersionFunctionConfiguration(**(defaults | config)),
    )
