"""The emulator's process: start it and wait until it answers, find it again, stop it."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from local.cloud.settings import (
    EMULATOR_PYTHON,
    LAMBDA_PYTHON,
    ROOT,
    CloudError,
    Instance,
    issuer_url,
)

DEFAULT_PORT = 4566
START_SECONDS = 90
STOP_SECONDS = 15
_PASSED_ON = ("PATH", "HOME", "LANG", "USER")

Progress = Callable[[str], None]


def start(instance: Instance, port: int | None, progress: Progress) -> str:
    """Start the emulator unless it runs; return its endpoint once every service answers."""
    instance.folder.mkdir(parents=True, exist_ok=True)
    with (instance.folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two at once would take each other's port and state.
        return _running(instance, progress) or _start(instance, port, progress)


def _running(instance: Instance, progress: Progress) -> str | None:
    """The endpoint of an emulator that was started before, once it answers."""
    pid = _pid_of(instance)
    if pid is None:
        return None
    endpoint = _recorded_endpoint(instance)
    _wait_until_ready(instance, lambda: _is_alive(pid), endpoint)
    progress(f"the laptop cloud runs already at {endpoint}")
    return endpoint


def _start(instance: Instance, port: int | None, progress: Progress) -> str:
    for python in (EMULATOR_PYTHON, LAMBDA_PYTHON):
        if not python.exists():
            raise CloudError(f"{python.relative_to(ROOT)} is missing: run `make bootstrap` first.")
    port = port or free_port(DEFAULT_PORT)
    if not is_free(port):
        raise CloudError(
            f"port {port} is taken by another program: stop it, or choose one with PORT=<number>."
        )
    shutil.rmtree(instance.temporary, ignore_errors=True)
    instance.temporary.mkdir(parents=True)
    endpoint = endpoint_on(port)
    progress(f"starting the laptop cloud at {endpoint} ...")
    with instance.log_file.open("wb") as log:
        process = subprocess.Popen(
            [str(EMULATOR_PYTHON), "-m", "localstack.runtime.main"],
            cwd=instance.folder,
            env=environment(instance, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    instance.process_file.write_text(json.dumps({"pid": process.pid, "endpoint": endpoint}))
    try:
        _wait_until_ready(instance, lambda: process.poll() is None, endpoint)
    except BaseException:  # Ctrl-C too: what was half started must not go on unseen.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        instance.process_file.unlink()
        raise
    return endpoint


def endpoint_on(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def environment(instance: Instance, port: int) -> dict[str, str]:
    """The emulator's whole environment: nothing of AWS_* comes in from outside."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return inherited | {
        "FILESYSTEM_ROOT": str(instance.folder / "state"),
        "TMPDIR": str(instance.temporary),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"localhost:{port}",
        "OVERRIDE_IN_DOCKER": "0",
        "DNS_ADDRESS": "0",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "EAGER_SERVICE_LOADING": "0",
        "SQS_ENDPOINT_STRATEGY": "path",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_SES": "simulator",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        # An event source is asked again at once after a batch, and soon when it was empty; by
        # default LocalStack waits a second after each batch of ten, and up to ten after nothing.
        "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.02",
        "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "1",
        # Or no function could have a concurrency of its own: there are far fewer processes.
        "LAMBDA_LIMITS_MINIMUM_UNRESERVED_CONCURRENCY": "0",
        "AFTERCALL_LAMBDA_MAX_PROCESSES": str(instance.max_processes),
        "AFTERCALL_LAMBDA_PYTHON": str(LAMBDA_PYTHON),
        "AFTERCALL_ISSUER_FILE": str(instance.issuer_file),
        "AFTERCALL_ISSUER_URL": issuer_url(endpoint_on(port)),
        "SFN_MOCK_CONFIG": str(instance.mock_file),
        "PYTHONUNBUFFERED": "1",
    }


def stop(instance: Instance, progress: Progress) -> bool:
    """Stop the emulator and all it started; False when none ran."""
    pid = _pid_of(instance)
    if pid is None:
        instance.process_file.unlink(missing_ok=True)
        return False
    progress("stopping the laptop cloud ...")
    for signum, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signum)
        if _await(lambda: not _is_alive(pid), seconds):
            break
    else:
        raise CloudError(f"process {pid} does not stop: end it by hand (kill -9 {pid}).")
    for file in (instance.process_file, instance.outputs_file):
        file.unlink(missing_ok=True)
    return True


def endpoint_of(instance: Instance) -> str | None:
    """The endpoint of the running emulator, None where none answers."""
    if _pid_of(instance) is None:
        return None
    endpoint = _recorded_endpoint(instance)
    return endpoint if health(endpoint) else None


def health(endpoint: str) -> dict[str, str] | None:
    """Each service's state as the emulator tells it, None while it does not answer."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=5) as reply:  # noqa: S310
            services: dict[str, str] = json.load(reply)["services"]
            return services
    except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
        return None


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wanted: int) -> int:
    """The wanted port, or any free one where another program has it."""
    return wanted if is_free(wanted) else any_free_port()


def any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _recorded_endpoint(instance: Instance) -> str:
    endpoint: str = json.loads(instance.process_file.read_text())["endpoint"]
    return endpoint


def _wait_until_ready(instance: Instance, lives: Callable[[], bool], endpoint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while health(endpoint) is None:
        if not lives():
            raise CloudError(f"the emulator ended at once.\n{_tail(instance.log_file)}")
        if time.monotonic() > deadline:
            raise CloudError(
                f"the emulator did not answer within {START_SECONDS} s; `make down` stops it.\n"
                + _tail(instance.log_file)
            )
        time.sleep(0.1)


def _tail(log: Path, lines: int = 15) -> str:
    last = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"The end of {log.relative_to(ROOT)}:", *last])


def _pid_of(instance: Instance) -> int | None:
    try:
        pid: int = json.loads(instance.process_file.read_text())["pid"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return pid if _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    """Whether the process runs and is an emulator: its number may be another's after a restart."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"localstack.runtime.main" in command and state != "Z"


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()
