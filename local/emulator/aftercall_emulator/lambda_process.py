"""One Lambda process: the runtime client in a process group of its own, with its Runtime API."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from aftercall_emulator.guardian import Guardian
from aftercall_emulator.process_output import ProcessOutput
from aftercall_emulator.runtime_api import (
    Exited,
    Failed,
    InitFailed,
    Invocation,
    Outcome,
    Ready,
    Responded,
    RuntimeApi,
    TimedOut,
)

_SECONDS_TO_DIE = 10.0


@dataclass(frozen=True)
class Program:
    """What a process runs: the handler, its unzipped code, its interpreter, its environment."""

    python: Path
    handler: str
    code: Path
    environment: Mapping[str, str]


class LambdaProcess:
    """A process that takes one invocation after another, until it dies or is killed.

    It has a folder of its own for temporary files and nothing of the emulator's environment. When
    it ends, its whole process group is killed, its folder removed and the guardian told.
    """

    def __init__(self, program: Program, workspaces: Path, guardian: Guardian) -> None:
        workspaces.mkdir(parents=True, exist_ok=True)
        self._workspace = Path(tempfile.mkdtemp(prefix="lambda-", dir=workspaces))
        self._guardian = guardian
        self._api = RuntimeApi()
        self._signals = threading.Lock()
        self._reaped = False
        self._ended = threading.Event()
        self.peak_memory_mb = 0  # The most it has held, when last looked at.
        self.output = ProcessOutput(self._workspace / "output")
        self._started = time.monotonic()
        try:
            self._process = self._start(program)
        except OSError:
            self._leave()
            raise
        threading.Thread(target=self._await_end, name="lambda-process", daemon=True).start()
        try:
            guardian.watch(self.pid)
        except OSError:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """The process, which leads the process group of the same number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be given an invocation; the kernel knows before `_await_end` does."""
        with self._signals:
            return not self._reaped and not os.waitid(
                os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG
            )

    def initialise(self, timeout_seconds: float) -> tuple[Outcome, float]:
        """Wait for the handler to be loaded; also how many seconds it took since the start."""
        outcome = self._next_event(self._started + timeout_seconds)
        return outcome, time.monotonic() - self._started

    def invoke(self, invocation: Invocation, timeout_seconds: float) -> tuple[Outcome, float]:
        """Hand over one invocation; what became of it, and how many seconds it took.

        A process that has answered is waited for until it asks for more work, so that one which
        comes back from here alive can be given the next invocation.
        """
        started = time.monotonic()
        deadline = started + timeout_seconds
        self._api.offer(invocation)
        outcome = self._next_event(deadline)
        duration = time.monotonic() - started
        if isinstance(outcome, Responded | Failed):
            afterwards = self._next_event(deadline)
            if not isinstance(afterwards, Ready):
                self.kill()
        return outcome, duration

    def kill(self) -> None:
        """End the whole process group and wait until it has ended."""
        with self._signals:
            if not self._reaped:
                os.killpg(self.pid, signal.SIGKILL)
        if not self._ended.wait(_SECONDS_TO_DIE):
            raise TimeoutError(f"process {self.pid} does not die")

    def end(self) -> None:
        """Kill it if it lives, and give up its output too."""
        self.kill()
        self.output.close()

    def _next_event(self, deadline: float) -> Outcome:
        outcome: Outcome
        try:
            outcome = self._api.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            outcome = TimedOut()
        self._measure_memory()
        if isinstance(outcome, TimedOut | InitFailed):
            self.kill()
        return outcome

    def _measure_memory(self) -> None:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return
        if peak := re.search(r"VmHWM:\s+(\d+) kB", status):
            self.peak_memory_mb = -(-int(peak[1]) // 1024)

    def _await_end(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        # Until it is reaped, its number cannot become another process's.
        with self._signals:
            os.killpg(self.pid, signal.SIGKILL)
            self._reaped = True
        try:
            self._guardian.forget(self.pid)
        finally:
            returncode = self._process.wait()
            self._leave()
            self._ended.set()
            self._api.events.put(Exited(returncode))

    def _leave(self) -> None:
        self._api.close()
        shutil.rmtree(self._workspace, ignore_errors=True)

    def _start(self, program: Program) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [program.python, "-m", "awslambdaric", program.handler],
            cwd=program.code,
            env=self._environment_for(program),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def _environment_for(self, program: Program) -> dict[str, str]:
        scratch = self._workspace / "tmp"
        scratch.mkdir()
        return {
            **program.environment,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "LAMBDA_TASK_ROOT": str(program.code),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
        }
