"""A process that outlives the emulator by a moment, to kill what it leaves behind.

The emulator writes `+<process group>` and `-<process group>` into a pipe. However it dies, the
kernel closes the pipe, and this file, run as a script in a session of its own, kills the groups
that are left. A process started in the instant before its `+` line was written ends by itself: its
Runtime API is gone too.
"""

import os
import signal
import subprocess
import sys
import threading
from typing import BinaryIO


class Guardian:
    """The emulator's side: starts the guarding process and tells it what to watch."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """The guarding process."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """Have the group killed when the emulator dies."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group is gone. Say so before reaping its leader: then the number is still taken."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let the guarding process do its work now, and wait for it."""
        self._process.communicate(timeout=10)

    def _tell(self, line: str) -> None:
        with self._lock:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def guard(lines: BinaryIO) -> None:
    """Follow the lines to their end, then kill every group that is still watched."""
    groups: set[int] = set()
    for line in lines:
        change = groups.add if line.startswith(b"+") else groups.discard
        change(int(line[1:]))
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    guard(sys.stdin.buffer)
