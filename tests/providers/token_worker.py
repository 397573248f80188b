"""A process that asks a provider for a while, with the tokens that it shares with others.

Its argument is JSON: the storage account, and for how many seconds. It prints how often it was
answered, and what went wrong.
"""

import json
import sys
import time

from replication.storage import tokens
from replication.storage.accounts import open_storage
from replication.storage.interface import Pause
from shared.customers import StorageAccount
from shared.errors import StorageRefused, TransientError
from tests.storages import Purse

tokens.SAFETY_SECONDS = 0.5
tokens.YOUNG_SECONDS = -1.0


def main() -> None:
    given = json.loads(sys.argv[1])
    storage = open_storage(StorageAccount(**given["account"]), Purse())
    until, answered, wrong = time.monotonic() + given["seconds"], 0, []
    while time.monotonic() < until:
        try:
            storage.find("")
            answered += 1
        except Pause as pause:
            time.sleep(max(0.0, (pause.not_before or 0.0) - time.time()))
        except (StorageRefused, TransientError) as error:
            wrong.append(str(error))
        time.sleep(0.05)
    sys.stdout.write(json.dumps({"answered": answered, "wrong": wrong}))


if __name__ == "__main__":
    main()
