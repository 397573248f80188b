"""Templates of checklists and reconciliations, and the documents that are made of them.

A template is the file `templates/<name>.json`:

- `kind`: `checklist` or `reconciliation`;
- `title`: what stands on top of the document;
- `folder`: where the document goes, below the period's folder;
- `file`: what it is called there, without the `.csv`;
- a checklist has `tasks`, each with a `title`, the `role` of who does it (`preparer`, `reviewer`),
  `due` (a rule of `due_dates.py`) and, if it is not for every month, the numbers of its `months`;
- a reconciliation has `lines`, the titles of the amounts to be filled in, and `prepare` and
  `review`: by when, as rules of `due_dates.py`.

A document is CSV as in RFC 4180, all records equally long: some with what it is about, an empty
one, the heads of columns, and what there is to be done. It is UTF-8 and begins with a byte order
mark, without which spreadsheets take umlauts for something else.
"""

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from replication.rules.due_dates import BusinessCalendar, DueRule
from replication.rules.periods import Period

FOLDER = Path(__file__).parents[1] / "templates"

type Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9 &()_-]{0,78}[A-Za-z0-9)])?$")
]
"""Of a file or folder: what all providers take."""

type Title = Annotated[str, StringConstraints(pattern=r"^\S(.{0,198}\S)?$")]
type Row = Sequence[str]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(_Value):
    title: Title
    role: Literal["preparer", "reviewer"]
    due: DueRule
    months: frozenset[Annotated[int, Field(ge=1, le=12)]] | None = Field(default=None, min_length=1)

    def counts_in(self, period: Period) -> bool:
        return self.months is None or period.month in self.months


class _Template(_Value):
    title: Title
    folder: Name
    file: Name


class Checklist(_Template):
    kind: Literal["checklist"]
    tasks: tuple[Task, ...] = Field(min_length=1)

    def rows(self, period: Period, calendar: BusinessCalendar) -> Iterator[Row]:
        """The tasks of this period, numbered in their order."""
        yield ("No.", "Task", "Role", "Due on", "Done on", "Done by", "Remarks")
        tasks = (task for task in self.tasks if task.counts_in(period))
        for number, task in enumerate(tasks, 1):
            yield (str(number), task.title, task.role, str(task.due.due(period, calendar)))


class Reconciliation(_Template):
    kind: Literal["reconciliation"]
    lines: tuple[Title, ...] = Field(min_length=1)
    prepare: DueRule
    review: DueRule

    def rows(self, period: Period, calendar: BusinessCalendar) -> Iterator[Row]:
        """The amounts to be filled in, and who has to sign by when."""
        yield ("No.", "Line", "Amount", "Currency", "Reference", "Remarks")
        for number, line in enumerate(self.lines, 1):
            yield (str(number), line)
        yield ()
        yield ("", "Role", "Due on", "Done on", "Done by", "Remarks")
        yield ("", "preparer", str(self.prepare.due(period, calendar)))
        yield ("", "reviewer", str(self.review.due(period, calendar)))


type Template = Annotated[Checklist | Reconciliation, Field(discriminator="kind")]

_TEMPLATES: TypeAdapter[Checklist | Reconciliation] = TypeAdapter(Template)


class Rendered(NamedTuple):
    """A document; `path` is relative to the period's folder."""

    path: str
    content: bytes


@cache
def names() -> frozenset[str]:
    return frozenset(path.stem for path in FOLDER.glob("*.json"))


@cache
def known(name: str) -> Template:
    """The template of a name; LookupError, with the names there are, for one that there is not."""
    if name not in names():
        raise LookupError(f"there is no template {name!r}; there are {', '.join(sorted(names()))}")
    return _TEMPLATES.validate_json((FOLDER / f"{name}.json").read_bytes())


def render(
    template: Template, entity_name: str, period: Period, calendar: BusinessCalendar
) -> Rendered:
    """Make the document of a period: the same bytes whenever it is made."""
    rows: list[Row] = [
        (template.title,),
        ("Entity", entity_name),
        ("Period", str(period), str(period.first_day), str(period.last_day)),
        (),
        *template.rows(period, calendar),
    ]
    width = max(map(len, rows))
    text = StringIO(newline="")
    csv.writer(text).writerows([*map(_defused, row), *[""] * (width - len(row))] for row in rows)
    return Rendered(f"{template.folder}/{template.file}.csv", text.getvalue().encode("utf-8-sig"))


def _defused(cell: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula, which may call a program."""
    dangerous = cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))  # noqa: RUF001
    return f"'{cell}" if dangerous else cell
