"""A real emulator with the plugins, in a process of its own."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

MAX_PROCESSES = 3
ISSUER_CLIENT = ("any-service", "any-secret")


@dataclass(frozen=True)
class Emulator:
    """A running emulator and how to talk to it."""

    process: subprocess.Popen
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, attempts: int = 1):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                retries={"total_max_attempts": attempts},
                read_timeout=60,
                max_pool_connections=50,
            ),
        )


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment_for(port: int, state: Path, python: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(state),
        "TMPDIR": str(state),
        "FILESYSTEM_ROOT": str(state),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"localhost:{port}",
        "OVERRIDE_IN_DOCKER": "0",
        "DNS_ADDRESS": "0",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "EAGER_SERVICE_LOADING": "0",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_SES": "simulator",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "AFTERCALL_LAMBDA_PYTHON": str(python),
        "AFTERCALL_LAMBDA_MAX_PROCESSES": str(MAX_PROCESSES),
        "AFTERCALL_ISSUER_FILE": str(written_issuer_file(state)),
        "AFTERCALL_ISSUER_URL": f"http://127.0.0.1:{port}/_aftercall/issuer",
    }


def written_issuer_file(folder: Path) -> Path:
    """A token issuer's key of its own, in the shape that the laptop cloud writes."""
    private_key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    client_id, client_secret = ISSUER_CLIENT
    content = {
        "private_key": private_key.decode(),
        "client_id": client_id,
        "client_secret": client_secret,
    }
    file = folder / "issuer.json"
    file.write_text(json.dumps(content))
    return file


@contextmanager
def running_emulator(state: Path, python: Path) -> Iterator[Emulator]:
    port = free_port()
    log = state / "emulator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "localstack.runtime.main"],
            env=environment_for(port, state, python),
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    emulator = Emulator(process, port, log)
    try:
        wait_until_healthy(emulator)
        yield emulator
    finally:
        process.kill()
        process.wait(30)


def wait_until_healthy(emulator: Emulator) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and emulator.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{emulator.url}/_localstack/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"no emulator:\n{emulator.log.read_text()}")
