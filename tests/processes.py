"""The processes in which an instance of the laptop cloud runs its functions."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from local.cloud.settings import Instance


def function_processes(instance: Instance, handler: str = "") -> Iterator[int]:
    """The processes of all functions, or of those with that handler."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if b"awslambdaric" not in command or handler.encode() not in b" ".join(command):
                continue
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if str(instance.temporary).encode() in environment:
            yield int(folder.name)


def busy_processes(instance: Instance, handler: str) -> list[int]:
    """Those which compute at this moment."""
    return [pid for pid in function_processes(instance, handler) if state_of(pid) == "R"]


def handler_of(pid: int) -> str:
    """The handler that a function's process runs; empty of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1].decode()
    except OSError:
        return ""


def kill(pids: Iterator[int] | list[int]) -> int:
    """End processes at once, as a crash would; how many there were."""
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed += 1
    return killed


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "ended"
