"""Where an instance of the laptop cloud keeps its things, and the environments it uses.

An instance is a folder under `.local/`: `dev` for a person, `test` for the test suites. Everything
in the emulator's own memory is lost when it stops; `start` says so.
"""

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


@dataclass(frozen=True)
class Instance:
    """One laptop cloud: its name, how many Lambda processes may live in it, and its paths."""

    name: str = "dev"
    max_processes: int = field(default_factory=max_processes)

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
