"""What `make docker-check` has found, kept beside the page that shows it.

python -m local.containers.results     writes the table of docs/containers.md again
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cloud.settings import ROOT

FILE = ROOT / "docs" / "containers.json"
PAGE = ROOT / "docs" / "containers.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"
_FAILED = re.compile(r"\b(failed|errors?|ended)\b")


@dataclass(frozen=True)
class Result:
    """One test on one engine."""

    engine: str
    test: str
    outcome: str
    seconds: int
    images: str
    date: str

    @property
    def passed(self) -> bool:
        return not _FAILED.search(self.outcome)


def write_results(found: list[Result]) -> None:
    """Put these in place of what was found before of the same tests and images."""
    by_test = {(one.images, one.engine, one.test): one for one in [*read_results(), *found]}
    kept = [asdict(by_test[key]) for key in sorted(by_test)]
    FILE.write_text(json.dumps(kept, indent=2) + "\n")


def read_results() -> list[Result]:
    if not FILE.exists():
        return []
    return [Result(**one) for one in json.loads(FILE.read_text())]


def table(results: list[Result]) -> str:
    lines = [
        "| images | engine | test | outcome | seconds | on |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one.images} | `{one.engine}` | {one.test} | {one.outcome} | {one.seconds}"
            f" | {one.date} |"
            for one in results
        ),
    ]
    return "\n".join(lines) + "\n"


def with_table(page: str, results: list[Result]) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table(results)}{END}{after}"


def main(page: Path = PAGE) -> None:
    page.write_text(with_table(page.read_text(), read_results()))


if __name__ == "__main__":
    main()
