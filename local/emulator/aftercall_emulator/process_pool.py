"""How many Lambda processes there may be, which one serves, and which one makes room for another.

Idle ones count: a warm process holds memory. When the bound is reached, the one that has been idle
longest ends. Whoever needs a function's process and finds all of them busy waits a moment for one,
because starting another takes longer than most invocations and slows down all the others.
"""

import threading
import time
from collections import Counter

from aftercall_emulator.lambda_process import LambdaProcess

PATIENCE_SECONDS = 1.0


class AllBusyError(Exception):
    """The bound is reached and every process has an invocation."""


class ProcessPool:
    """Counts processes by function; keeps the idle ones, the least recently used first."""

    def __init__(self, max_processes: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._free = max_processes
        self._patience_seconds = patience_seconds
        self._idle: dict[LambdaProcess, str] = {}
        self._living: Counter[str] = Counter()
        self._changed = threading.Condition()

    def take(self, function: str, *, patiently: bool = False) -> LambdaProcess | None:
        """An idle process of the function, the last one used, if one lives. Its place goes with it.

        Patiently: where all are busy, one that becomes idle soon.
        """
        deadline = time.monotonic() + (self._patience_seconds if patiently else 0.0)
        with self._changed:
            while True:
                process = self._last_used(function)
                if process is not None or not self._living[function]:
                    return process
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._last_used(function)

    def _last_used(self, function: str) -> LambdaProcess | None:
        for process in [one for one in reversed(self._idle) if self._idle[one] == function]:
            del self._idle[process]
            if process.alive:
                return process
            self._release(function)
            process.end()
        return None

    def claim(self, function: str) -> None:
        """Take a place for a new process, ending the least recently used idle one if need be."""
        evicted = None
        with self._changed:
            if self._free:
                self._free -= 1
            elif self._idle:
                evicted = next(iter(self._idle))
                self._living[self._idle.pop(evicted)] -= 1
            else:
                raise AllBusyError
            self._living[function] += 1
        if evicted is not None:
            evicted.end()

    def keep(self, function: str, process: LambdaProcess) -> None:
        """The process is idle now."""
        with self._changed:
            self._idle[process] = function
            self._changed.notify_all()

    def release(self, function: str) -> None:
        """A process has ended, or was never started: its place is free."""
        with self._changed:
            self._release(function)
            self._changed.notify_all()

    def _release(self, function: str) -> None:
        self._free += 1
        self._living[function] -= 1
