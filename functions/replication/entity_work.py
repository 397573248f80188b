"""What the steps of an entity have in common: where they begin, how long they work, what they say.

A step works until its time is up, until the quota lets it wait for long, or until it is done; the
cursor says where the next one goes on. It looks now and then whether it still should: the
replication may be paused, or another worker may have the batch. An error that passes ends a step
that has come further since it began like one whose time is up; without progress it is raised, and
the machine tries again after a while. Whatever a step says or raises is kept in the history of an
execution: so it holds no path and no name.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, NotRequired, TypedDict

from replication.problems import Kind, note_problems
from replication.replications_table import get_batch, known_replication
from replication.rules.due_dates import BusinessCalendar
from replication.rules.paths import document_path, folders_of
from replication.rules.periods import Period
from replication.rules.replication import GOES_ON, Batch, Status, summed
from replication.rules.templates import Template, known
from replication.storage.interface import Pause, Throttled
from shared.customers import Customer, Entity, get_customer, get_entity
from shared.errors import AmbiguousError, StorageRefused, TransientError
from shared.observability import logger
from shared.times import format_time

CUSTOMERS_TABLE_NAME = os.environ["CUSTOMERS_TABLE_NAME"]
STEP_SECONDS = 240.0
"""For how long a step works; what it has begun by then it may finish."""

SECONDS_BETWEEN_LOOKS = 5.0
"""So long after a pause, or after another worker was given the batch, a step goes on at most."""

MOST_STEPS = 300
"""Of one execution, whose history would be full after some two thousand."""

FOLDER_GONE = "FolderMissing"
"""The code of an error: what is above a folder or a document is not there (any more)."""

type Stage = Literal["create_folders", "apply_templates", "upload_folders"]
_STAGES: tuple[Stage, ...] = ("create_folders", "apply_templates", "upload_folders")


class Input(TypedDict):
    replication_id: str
    provider: str
    batch: int
    attempt: int
    position: int
    """Of the entity in its batch."""
    customer_id: str
    entity_id: str
    period: str
    dry_run: bool
    cursor: dict[str, Any] | None
    """Where the step before left off; see `Work.cursor`."""


class Output(TypedDict):
    status: Status
    cursor: dict[str, Any]
    not_before: NotRequired[str]


@dataclass
class Work:
    """An entity in the hands of a step. `cursor` is JSON and goes from step to step:

    - `stage`, and `position` in it, as the stage's own step understands it;
    - `steps` of this execution, `tally` (COUNTS of the entity);
    - `fresh`: whether the period's folder was made just now, so that nothing can be in it;
    - `again`: that folders were removed meanwhile, and are to be made again;
    - `grants`: requests that are granted and not made, of `StorageWork`;
    - `notes`: what its client of the storage keeps for the next step.
    """

    event: Input
    folder: str
    customer: Customer
    entity: Entity
    cursor: dict[str, Any]
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[Kind, str]] = field(default_factory=list)
    began: float = field(default_factory=lambda: time.time())

    def __post_init__(self) -> None:
        self.deadline = self.began + STEP_SECONDS
        self._looked_at = self.began

    @property
    def dry_run(self) -> bool:
        return self.event["dry_run"]

    @cached_property
    def period(self) -> Period:
        return Period.parse(self.event["period"])

    @cached_property
    def calendar(self) -> BusinessCalendar:
        return BusinessCalendar(
            weekend=self.entity.weekend,
            holidays=self.entity.holidays,
            closed_on=self.entity.closed_on,
        )

    @cached_property
    def templates(self) -> Sequence[Template]:
        return [known(name) for name in self.entity.templates]

    @cached_property
    def folders(self) -> list[str]:
        """Every folder of the period, with the folders above it first."""
        of_templates = [template.folder for template in self.templates]
        try:
            return folders_of(self.folder, self.period, self.entity.folders, of_templates)
        except ValueError:
            raise StorageRefused(
                "NameIllegal",
                "a folder of the entity leads elsewhere, by '.' or '..': correct its record and"
                " retry",
            ) from None

    def path_of(self, document: str) -> str:
        """Where a document goes, whose path is below the period's folder; ValueError where that
        leads elsewhere.
        """
        return document_path(self.folder, self.period, document, self.folders)

    @property
    def rendered_prefix(self) -> str:
        """Where in our bucket the documents lie that are made of templates."""
        event = self.event
        return f"periods/{event['replication_id']}/{event['customer_id']}/{event['entity_id']}/"

    @property
    def documents_prefix(self) -> str:
        """Where in our bucket the documents lie that each period of the entity begins with."""
        return f"documents/{self.event['customer_id']}/{self.event['entity_id']}/"

    def held_up(self, refusal: Throttled) -> None:
        """A provider has refused a request; only a step that asks providers meets that."""
        raise refusal

    def end(self, *, for_good: bool) -> None:
        """The step ends, or the whole entity does."""

    def let_go(self) -> None:
        """The step is to begin again, after a while in which it keeps nobody waiting."""

    def look_around(self) -> None:
        """Raises Pause when the step's time is up, or the entity is not to be worked on."""
        now = time.time()
        if now >= self.deadline:
            raise Pause
        if now >= self._looked_at + SECONDS_BETWEEN_LOOKS:
            self._looked_at = now
            if own_batch(self.event) is None:
                raise Pause


def work_on[Kind: Work](
    kind: type[Kind],
    event: Input,
    stage: Stage,
    action: Callable[[Kind], None],
    beginning: Any = 0,
) -> Output:
    """Do a stage of an entity, or as much of it as the time and the quota allow.

    `beginning` is the first position of the stage.
    """
    cursor = dict(event["cursor"] or {})
    if is_over(cursor, stage):
        return {"status": "done", "cursor": cursor}
    batch = own_batch(event)
    if batch is None:
        return {"status": "stopped", "cursor": cursor}
    if cursor.get("steps", 0) >= MOST_STEPS:
        return {"status": "over", "cursor": cursor | {"steps": 0}}
    work = kind(
        event,
        batch.entities[event["position"]].folder,
        *customer_and_entity(event["customer_id"], event["entity_id"]),
        begun(cursor, stage, beginning),
    )
    try:
        status, not_before = done_or_paused(work, action)
    except StorageRefused:
        work.end(for_good=True)
        note(work)
        raise
    except TransientError:
        work.let_go()
        raise
    return told(work, status, not_before)


def own_batch(event: Input) -> Batch | None:
    """The entity's batch; None where it is not to be worked on, or not by this attempt any more."""
    batch = get_batch(event["replication_id"], event["provider"], event["batch"])
    if batch.attempt != event["attempt"] or batch.open is None:
        return None
    return batch if known_replication(event["replication_id"]).state in GOES_ON else None


def is_over(cursor: dict[str, Any], stage: Stage) -> bool:
    """Whether the entity is beyond this stage: another execution goes through all of them again."""
    reached = cursor.get("stage", _STAGES[0])
    return _STAGES.index(reached) > _STAGES.index(stage)


def begun(cursor: dict[str, Any], stage: Stage, beginning: Any) -> dict[str, Any]:
    """The cursor of a step that begins to work."""
    if cursor.get("stage") != stage or cursor["position"] is None:
        cursor = cursor | {"stage": stage, "position": deepcopy(beginning)}
    return {"tally": {}} | cursor | {"steps": cursor.get("steps", 0) + 1}


def customer_and_entity(customer_id: str, entity_id: str) -> tuple[Customer, Entity]:
    """Both as they are now; StorageRefused where one was removed since it was planned."""
    customer = get_customer(CUSTOMERS_TABLE_NAME, customer_id)
    entity = get_entity(CUSTOMERS_TABLE_NAME, customer_id, entity_id)
    if customer is None or entity is None:
        raise StorageRefused(
            "EntityRemoved",
            "the entity was removed since this was planned: leave it at that, or add it again and"
            " retry",
        )
    return customer, entity


def done_or_paused[Kind: Work](
    work: Kind, action: Callable[[Kind], None]
) -> tuple[Status, float | None]:
    """Do it, and go on after refusals for which there is only a moment to wait."""
    before = deepcopy(work.cursor["position"])
    try:
        while True:
            try:
                action(work)
            except Throttled as refusal:
                work.held_up(refusal)
            else:
                return "done", None
    except Pause as pause:
        waits = pause.not_before is not None and pause.not_before > time.time()
        return ("wait", pause.not_before) if waits else ("more", None)
    except (AmbiguousError, TransientError) as error:
        code = getattr(error, "code", "Ambiguous")
        if code == FOLDER_GONE and not work.cursor.get("again"):
            make_again(work.cursor)
        elif work.cursor["position"] == before:
            raise TransientError(code, str(error)) from error
        logger.warning("step ends early", error=code)
        # What was made may be there although nobody has heard of it: from now on we look.
        work.cursor["fresh"] = False
        return "more", None


def make_again(cursor: dict[str, Any]) -> None:
    """Somebody has removed folders: they are made again, all from the first one. Where that does
    not help, the error is raised.
    """
    cursor["again"] = True
    if cursor["stage"] == _STAGES[0]:
        cursor["position"] = 0


def told(work: Work, status: Status, not_before: float | None) -> Output:
    """What the step says, with all that it has counted in the cursor."""
    cursor = work.cursor
    work.end(for_good=status == "done" and cursor["stage"] == _STAGES[-1])
    note(work)
    cursor["tally"] = summed([cursor["tally"], dict(work.counts)])
    if status == "done":
        finish_stage(work)
    if not_before is None:
        return {"status": status, "cursor": cursor}
    at = format_time(datetime.fromtimestamp(not_before, UTC))
    return {"status": status, "cursor": cursor, "not_before": at}


def note(work: Work) -> None:
    event = work.event
    if work.problems:
        entity = (event["customer_id"], event["entity_id"])
        batch = (event["provider"], event["batch"])
        note_problems(event["replication_id"], *entity, *batch, work.problems)


def finish_stage(work: Work) -> None:
    """Go on to the next stage; behind the last one, say which names have failed the entity."""
    cursor = work.cursor
    number = _STAGES.index(cursor["stage"])
    if number + 1 < len(_STAGES):
        cursor |= {"stage": _STAGES[number + 1], "position": None}
        cursor.pop("again", None)
        return
    illegal = cursor["tally"].get("illegal", 0)
    if illegal and not work.dry_run:
        raise StorageRefused(
            "NameIllegal",
            f"{illegal} names are none that the provider takes; all others have arrived."
            " The entity's problems say which: rename them and retry",
        )
