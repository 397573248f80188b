"""Nothing outlives the emulator, however it dies."""

import os
import signal
import subprocess
import sys
import textwrap

from aftercall_emulator.guardian import Guardian

from tests.emulator.support import eventually, lives


def test_kills_what_is_watched_and_spares_what_was_forgotten():
    guardian = Guardian()
    watched, forgotten = (
        subprocess.Popen(["sleep", "300"], start_new_session=True) for _ in range(2)
    )
    guardian.watch(watched.pid)
    guardian.watch(forgotten.pid)
    guardian.forget(forgotten.pid)

    guardian.close()

    assert watched.wait(10) == -signal.SIGKILL
    assert forgotten.poll() is None
    forgotten.kill()
    forgotten.wait(10)


def test_outlives_a_killed_parent_just_long_enough():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import subprocess, time
                from aftercall_emulator.guardian import Guardian
                guardian = Guardian()
                child = subprocess.Popen(
                    ["sh", "-c", "sleep 300 & sleep 300"], start_new_session=True
                )
                guardian.watch(child.pid)
                print(child.pid, guardian.pid, flush=True)
                time.sleep(300)
            """),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    child, guardian = (int(pid) for pid in parent.stdout.readline().split())

    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate(timeout=10)

    eventually(lambda: not lives(child), "death of the child")
    eventually(lambda: not lives(guardian), "end of the guardian")
