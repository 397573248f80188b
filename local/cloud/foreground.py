"""The emulator as the only process of a container; ends with it, and its state does too.

Whoever publishes the container's port decides who may reach it: inside, it listens to all.
"""

import os

from local.cloud.emulator import DEFAULT_PORT, environment
from local.cloud.settings import EMULATOR_PYTHON, SERVICES, Instance, issuer_url


def main() -> None:
    instance, service = Instance(), SERVICES["container"]
    instance.temporary.mkdir(parents=True, exist_ok=True)
    os.chdir(instance.folder)
    on_the_network = {
        "GATEWAY_LISTEN": f"0.0.0.0:{DEFAULT_PORT}",
        "LOCALSTACK_HOST": f"{service.name}:{DEFAULT_PORT}",
        "AFTERCALL_ISSUER_URL": issuer_url(service.endpoint),
        "AFTERCALL_ISSUER_HOST": service.name,
    }
    command = [str(EMULATOR_PYTHON), "-m", "localstack.runtime.main"]
    os.execve(command[0], command, environment(instance, DEFAULT_PORT) | on_the_network)  # noqa: S606


if __name__ == "__main__":
    main()
