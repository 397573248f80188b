"""How long a developer waits: from nothing to deployed, and again after one line has changed."""

import argparse
import time
from pathlib import Path

from local.cloud import deployment, emulator
from local.cloud.settings import Instance

CHANGED = Path(__file__).parents[1] / "functions" / "post_call" / "join_transcript.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    instance = Instance("bench")
    emulator.stop(instance, print)
    begin = time.monotonic()
    endpoint = emulator.start(instance, None, print)
    try:
        deployment.deploy(instance, endpoint, print)
        first = time.monotonic() - begin
        again = after_a_change(instance, endpoint)
    finally:
        emulator.stop(instance, print)
    print(f"start and deploy          {first:.0f} s")
    print(f"deploy after one change   {again:.0f} s")


def after_a_change(instance: Instance, endpoint: str) -> float:
    """Seconds to deploy with one comment more in one file."""
    source = CHANGED.read_text()
    try:
        CHANGED.write_text(f"{source}# {time.time()}\n")
        begin = time.monotonic()
        deployment.deploy(instance, endpoint, print)
        return time.monotonic() - begin
    finally:
        CHANGED.write_text(source)


if __name__ == "__main__":
    main()
