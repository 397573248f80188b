"""Where an instance of the laptop cloud keeps its things, and which engine plays AWS for it.

An instance is a folder under `.local/`: `dev` for a person, `test` for the test suites, and one for
each service of docker-compose.yml that can be its engine. Everything in an emulator's own memory is
lost when it stops; `start` says so.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT_BIN = ROOT / ".venv" / "bin"
EMULATOR_PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
LAMBDA_PYTHON = ROOT / ".venv-lambda" / "bin" / "python"

REGION = "us-east-1"
STACK_NAME = "aftercall"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
}

INTERRUPTED = (
    "\nInterrupted. If it runs, `make down` stops the laptop cloud; `make reset` begins anew."
)


def max_processes() -> int:
    """How many Lambda processes may live at once: four for each processor, never under eight."""
    return max(8, 4 * (os.cpu_count() or 1))


def issuer_url(endpoint: str) -> str:
    """The token issuer's name, which is also where its documents are."""
    return f"{endpoint}/_aftercall/issuer"


def compose_port() -> int:
    """Where on 127.0.0.1 docker-compose.yml publishes its emulator."""
    return int(os.environ.get("AFTERCALL_PORT", "4566"))


SIMULATORS = ("nextcloud", "object-storage")
"""The services of docker-compose.yml that simulate customers' storage."""


@dataclass(frozen=True)
class Service:
    """An engine in containers: a service of docker-compose.yml that listens at `compose_port`."""

    name: str
    issuer_file: str
    """Inside the container."""

    up: str = "docker compose up --wait"
    """What a person types to start it, and all that belongs to it."""

    @property
    def endpoint(self) -> str:
        """Where functions find it, and whoever else is on the containers' network."""
        return f"http://{self.name}:4566"

    @property
    def plain_http_hosts(self) -> str:
        """To whom functions speak without TLS on that network, as PLAIN_HTTP_HOSTS says it."""
        return ",".join([self.name, *SIMULATORS])


@dataclass(frozen=True)
class Instance:
    """One laptop cloud: its name, its engine and its paths.

    Without a service the engine is a process of this machine, in which so many Lambda processes may
    live at once.
    """

    name: str = "dev"
    max_processes: int = field(default_factory=max_processes)
    service: Service | None = None

    @property
    def functions_endpoint(self) -> str:
        """Where functions find the emulator; CloudError where none was started."""
        if self.service is not None:
            return self.service.endpoint
        try:
            endpoint: str = json.loads(self.process_file.read_text())["endpoint"]
        except FileNotFoundError as error:
            raise CloudError("the laptop cloud does not run; `make up` starts it.") from error
        return endpoint

    @property
    def folder(self) -> Path:
        return ROOT / ".local" / self.name

    @property
    def temporary(self) -> Path:
        """Unzipped code and the functions' own temporary folders; emptied at each start."""
        return self.folder / "tmp"

    @property
    def process_file(self) -> Path:
        """Process id and endpoint of the emulator, as JSON; absent when none was started."""
        return self.folder / "emulator.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "emulator.log"

    @property
    def outputs_file(self) -> Path:
        """The deployed stack's outputs, as JSON."""
        return self.folder / "outputs.json"

    @property
    def issuer_file(self) -> Path:
        """The token issuer's private key and its client's secret, as JSON; outlives a reset."""
        return self.folder / "issuer.json"

    @property
    def mock_file(self) -> Path:
        """Mocked answers of states for the workflow tests; read by the emulator when it exists."""
        return self.folder / "mocks.json"


class CloudError(Exception):
    """Something went wrong that a person can read and act on."""


SERVICES = {
    "localstack": Service("localstack", "/var/lib/localstack/aftercall/issuer.json"),
    "container": Service(
        "embedded", "/aftercall/.local/dev/issuer.json", "docker compose up --wait embedded"
    ),
}
ENGINES = ("embedded", *SERVICES)
"""What ENV chooses from: `embedded` is a process of this machine."""


def instance_on(engine: str, embedded: Instance) -> Instance:
    """The instance of an engine: for `embedded` the one that is given."""
    return embedded if engine == "embedded" else Instance(engine, service=SERVICES[engine])
