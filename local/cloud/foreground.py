"""The emulator as the only process of a container; ends with it, and its state does too.

Whoever publishes the container's port decides who may reach it: inside, it listens to all.
"""

import os

from local.cloud.emulator import DEFAULT_PORT, environment
from local.cloud.settings import EMULATOR_PYTHON, Instance


def main() -> None:
    instance = Instance()
    instance.temporary.mkdir(parents=True)
    os.chdir(instance.folder)
    command = [str(EMULATOR_PYTHON), "-m", "localstack.runtime.main"]
    os.execve(command[0], command, environment(instance, DEFAULT_PORT, host="0.0.0.0"))  # noqa: S104, S606


if __name__ == "__main__":
    main()
