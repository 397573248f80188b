"""What plays AWS for an instance: a process of this machine, or a service of docker-compose.yml."""

from collections.abc import Callable

from local.cloud import containers, emulator
from local.cloud.settings import Instance

Progress = Callable[[str], None]


def start(instance: Instance, port: int | None, progress: Progress) -> str:
    """Start the engine unless it runs; its endpoint once it answers. The port is for a process."""
    if instance.service is None:
        return emulator.start(instance, port, progress)
    return containers.up(instance, progress)


def ready(instance: Instance, progress: Progress) -> str:
    """The endpoint of the engine: a process is started if need be, containers have to run."""
    if instance.service is None:
        return emulator.start(instance, None, progress)
    return containers.find(instance)


def endpoint_of(instance: Instance) -> str | None:
    """The endpoint of the running engine, None where none answers."""
    if instance.service is None:
        return emulator.endpoint_of(instance)
    return containers.endpoint_of(instance)


def stop(instance: Instance, progress: Progress) -> bool:
    """Stop the engine and all it started; False when none ran."""
    if instance.service is None:
        return emulator.stop(instance, progress)
    return containers.stop(instance, progress)


def log_of(instance: Instance) -> str:
    """The engine's own log."""
    if instance.service is None:
        return instance.log_file.read_text(errors="replace")
    return containers.log_of(instance)
