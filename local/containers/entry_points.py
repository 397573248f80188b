"""Writes the metadata by which Python finds the emulator's plugins where nothing installs them.

    python entry_points.py <folder of pyproject.toml> <folder on PYTHONPATH>

LocalStack's image brings all that the plugins import; so their folder and this are enough.
"""

import sys
import tomllib
from pathlib import Path


def write_metadata(project_folder: Path, target: Path) -> None:
    """Make the `.dist-info` of a project whose files are in `target`."""
    project = tomllib.loads((project_folder / "pyproject.toml").read_text())["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    folder = target / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(
        "\n".join(line for group in project["entry-points"].items() for line in _section(*group))
    )


def _section(group: str, entries: dict[str, str]) -> list[str]:
    return [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), ""]


if __name__ == "__main__":
    write_metadata(Path(sys.argv[1]), Path(sys.argv[2]))
