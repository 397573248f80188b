"""What a newcomer waits for: a fresh clone, `make demo` twice, and the memory that it takes."""

import argparse
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "aftercall"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            for run in ("first", "second"):
                seconds, megabytes = measure(clone)
                print(f"{run:6} make demo: {seconds:.0f} s, peak {megabytes:.0f} MB")
        finally:
            subprocess.run(["make", "-s", "down"], cwd=clone, check=True)


def measure(clone: Path) -> tuple[float, float]:
    """Wall time, and the most memory that all processes started in the clone had together."""
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.5):
            peak = max(peak, memory_of(str(clone)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.monotonic()
    try:
        subprocess.run(["make", "demo"], cwd=clone, check=True)
        return time.monotonic() - begin, peak
    finally:
        done.set()
        watcher.join()


def memory_of(folder: str) -> float:
    """Proportional set size in MB of all processes whose command names the folder."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (process / "cmdline").read_bytes():
                rollup = (process / "smaps_rollup").read_text()
                total += next(
                    int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
                )
        except (FileNotFoundError, ProcessLookupError, PermissionError, StopIteration):
            continue  # It ended while it was looked at.
    return total / 1024


if __name__ == "__main__":
    main()
