"""Starts one simulator of a storage provider.

It prints one line of JSON once it listens, with its `url` and `port`. What it stores is in a
folder: started there again, it goes on with what it had, even after it was killed.
"""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from local.providers.gate import Gate
from local.providers.profiles import PROFILES
from local.providers.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.providers", description=__doc__)
    parser.add_argument("profile", choices=sorted(PROFILES), help="whose limits and replies")
    parser.add_argument("--folder", type=Path, required=True, help="where it stores everything")
    parser.add_argument("--host", default="127.0.0.1", help="the interface (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--accounts", type=Path, help="a file with a JSON list of accounts")
    parser.add_argument("--settings", default="{}", help="changes of the profile, as JSON")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input does: with the parent"
    )
    arguments = parser.parse_args()
    gate = Gate(arguments.folder, PROFILES[arguments.profile], json.loads(arguments.settings))
    for account in json.loads(arguments.accounts.read_text()) if arguments.accounts else []:
        gate.add_account(account)
    server = Server(arguments.host, arguments.port, gate)
    if arguments.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # Nothing is lost: all is on disk.
    port = server.server_address[1]
    print(json.dumps({"url": f"http://{arguments.host}:{port}", "port": port}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
