"""What the parts of the demo are told by whoever started it."""

from dataclasses import dataclass
from pathlib import Path

from local.cloud.settings import Instance


@dataclass(frozen=True)
class Options:
    """The laptop cloud that is used, and a folder of recordings instead of the samples."""

    instance: Instance
    calls: Path | None = None
