"""What `make docker-check` has found, kept beside the page that shows it.

python -m local.containers.results     writes the tables of docs/containers.md again
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cloud.settings import ROOT

FILE = ROOT / "docs" / "containers.json"
PAGE = ROOT / "docs" / "containers.md"
ANSWERS_FILE = ROOT / "docs" / "containers-functions.json"
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


def write_answers(found: dict[str, str]) -> None:
    """Keep what each function has said to its sample event in Lambda's own image."""
    ANSWERS_FILE.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")


def read_answers() -> dict[str, str]:
    if not ANSWERS_FILE.exists():
        return {}
    answers: dict[str, str] = json.loads(ANSWERS_FILE.read_text())
    return answers


def table_of_answers(answers: dict[str, str]) -> str:
    """Which functions have said what: those that returned first."""
    by_answer: dict[str, list[str]] = {}
    for function, said in sorted(answers.items()):
        by_answer.setdefault(said, []).append(f"`{function.removesuffix('Function')}`")
    lines = ["| `sam local invoke` | functions |", "|---|---|"]
    for said in sorted(by_answer, key=lambda one: (one != "returned", one)):
        lines.append(f"| {said} | {', '.join(by_answer[said])} |")
    return "\n".join(lines) + "\n"


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


def with_tables(page: str, results: list[Result], answers: dict[str, str]) -> str:
    """The page with the tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = f"{table(results)}\n{table_of_answers(answers)}"
    return f"{before}{BEGIN}{tables}{END}{after}"


def main(page: Path = PAGE) -> None:
    page.write_text(with_tables(page.read_text(), read_results(), read_answers()))


if __name__ == "__main__":
    main()
