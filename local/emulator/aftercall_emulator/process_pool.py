"""How many Lambda processes there may be, and which one makes room for another.

Idle ones count: a warm process holds memory. When the bound is reached, the one that has been idle
longest ends; its environment starts another at its next invocation.
"""

import threading

from aftercall_emulator.lambda_process import LambdaProcess


class AllBusyError(Exception):
    """The bound is reached and every process has an invocation."""


class ProcessPool:
    """Counts processes; keeps the idle ones by environment, the least recently used first."""

    def __init__(self, max_processes: int) -> None:
        self._free = max_processes
        self._idle: dict[str, LambdaProcess] = {}
        self._lock = threading.Lock()

    def take(self, environment: str) -> LambdaProcess | None:
        """The environment's idle process, if it has one that lives. Its place goes with it."""
        with self._lock:
            process = self._idle.pop(environment, None)
            if process is None or process.alive:
                return process
            self._free += 1
        process.end()
        return None

    def claim(self) -> None:
        """Take a place for a new process, ending the least recently used idle one if need be."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if not self._idle:
                raise AllBusyError
            evicted = self._idle.pop(next(iter(self._idle)))
        evicted.end()

    def keep(self, environment: str, process: LambdaProcess) -> None:
        """The process is idle now."""
        with self._lock:
            self._idle[environment] = process

    def release(self) -> None:
        """A process has ended, or was never started: its place is free."""
        with self._lock:
            self._free += 1
