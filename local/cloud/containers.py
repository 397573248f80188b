"""An engine in containers: a service of docker-compose.yml, and what this machine needs of it."""

import os
import shutil
import subprocess
from collections.abc import Callable

from local.cloud.emulator import endpoint_on, health
from local.cloud.settings import ROOT, CloudError, Instance, Service, compose_port

Progress = Callable[[str], None]

_LAMBDA_CONTAINERS = "^aftercall-localstack-1-lambda-"


def up(instance: Instance, progress: Progress) -> str:
    """Build what changed, start the service and those that it depends on, and wait for all."""
    service = _service_of(instance)
    progress(f"{service.up} ...")
    _compose(*service.up.split()[2:], "--build")
    return find(instance)


def find(instance: Instance) -> str:
    """The endpoint of the running service; CloudError where it does not answer."""
    endpoint = endpoint_of(instance)
    if endpoint is None:
        raise CloudError(
            f"nothing answers at {endpoint_on(compose_port())}:"
            f" `{_service_of(instance).up}` starts it."
        )
    return endpoint


def endpoint_of(instance: Instance) -> str | None:
    """Where this machine finds the service, None where it does not run."""
    running = _compose("ps", "--services", "--status", "running").split()
    endpoint = endpoint_on(compose_port())
    return endpoint if _service_of(instance).name in running and health(endpoint) else None


def stop(instance: Instance, progress: Progress) -> bool:
    """Remove all containers of docker-compose.yml with what they hold; False when none ran."""
    progress("docker compose down ...")
    ran = bool(_compose("ps", "--all", "--quiet").strip())
    _compose("--profile", "*", "stop")
    # LocalStack removes its functions' containers, unless it was killed; they hold the network.
    listed = ["ps", "--all", "--quiet", "--filter", f"name={_LAMBDA_CONTAINERS}"]
    if left := _docker(*listed).split():
        _docker("rm", "--force", *left)
    _compose("--profile", "*", "down", "--volumes")
    instance.outputs_file.unlink(missing_ok=True)
    return ran


def fetch_issuer_file(instance: Instance) -> None:
    """Copy the token issuer's key out of the container, readable for its owner alone."""
    service = _service_of(instance)
    content = _compose("exec", "--no-TTY", service.name, "cat", service.issuer_file)
    instance.folder.mkdir(parents=True, exist_ok=True)
    instance.issuer_file.unlink(missing_ok=True)
    with open(
        os.open(instance.issuer_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
    ) as file:
        file.write(content)


def log_of(instance: Instance) -> str:
    """What the service has printed."""
    return _compose("logs", "--no-color", "--no-log-prefix", _service_of(instance).name)


def _service_of(instance: Instance) -> Service:
    if instance.service is None:
        raise ValueError(f"{instance.name} is no engine in containers")
    return instance.service


def _compose(*arguments: str) -> str:
    return _docker("compose", *arguments)


def _docker(*arguments: str) -> str:
    """What docker answers; CloudError with its words where it fails."""
    if shutil.which("docker") is None:
        raise CloudError("docker is missing: install it, or leave ENV out, which needs none.")
    done = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise CloudError(f"docker {arguments[0]} failed:\n{done.stderr.strip()}")
    return done.stdout
