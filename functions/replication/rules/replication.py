"""A replication: a period's folders, templates and documents for many entities, and how far it is.

It consists of services, one for each storage provider, and each of batches of entities. Batches are
numbered; a service has started the first so many of them. What has come of each entity stands in
its batch.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict

type Status = Literal["done", "more", "wait", "over", "stopped"]
"""What a step of an entity says: whether it is to run again, at once or later; `over` asks for
another execution, because the history of this one is filling; `stopped` is a pause or the like.
"""

type State = Literal["PLANNING", "RUNNING", "PAUSED", "CANCELLED", "FINISHED", "FAILED"]

GOES_ON: frozenset[State] = frozenset({"PLANNING", "RUNNING"})
"""States in which entities are worked on; a retry is planned while others still are."""

ENDED: frozenset[State] = frozenset({"CANCELLED", "FINISHED", "FAILED"})

type Counts = dict[str, int]
"""How much of what: COUNTS of an entity, a batch, a service. What there is none of is left out."""

COUNTS = (
    *("calls", "throttled", "folders", "uploaded", "identical", "conflicts", "illegal", "bytes"),
    *("create_folder_calls", "find_calls", "upload_calls", "verify_calls"),
    *("waited_ms", "busy_ms"),
)
"""`calls` are requests, also told apart by what they were for; those of a step that failed and was
done again are not in it. `folders` and `uploaded` are what was made, or in a dry run would be.
`waited_ms` is time for which the quota let a step wait, `busy_ms` all other time of the worker,
from when it was given the entity until what has come of it is noted.
"""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Replication(_Record):
    """What was asked for. `entities` names them as `<customer id>/<entity id>`; None is all."""

    replication_id: str
    period: str
    entities: tuple[str, ...] | None = None
    dry_run: bool = False
    state: State
    plan: int = 1
    """How often it was planned: once, and once more for each retry."""
    planned: bool = False
    """Whether batches of all its entities are written. What is planned after that is a retry."""
    requested_by: str
    requested_at: str
    finished_at: str | None = None
    without_storage: int = 0
    """Entities whose customers have no storage account: nothing is done for them."""
    unknown: int = 0
    """Entities that were named and that nobody has."""
    unreadable: int = 0
    """Customers and entities whose records make no sense."""
    error: str | None = None
    cause: str | None = None


class Largest(_Record):
    """The scope of a level that the most calls were planned in: no forecast can be earlier."""

    key: str
    """As in the quotas table, such as "account#1003"."""
    calls: int
    granted_before: int | None = None
    """What it had been granted before the first beat."""


class Service(_Record):
    """One provider's part. `run` is the execution that is its metronome; older ones step back."""

    replication_id: str
    provider: str
    run: int
    plan: int
    state: Literal["RUNNING", "STOPPED", "FINISHED"]
    batches: int
    started: int = 0
    """How many batches have a worker, or had one: the first so many."""
    entities: int = 0
    scopes: dict[str, int] = {}
    """How many quotas there are on each level, such as {"server": 2}."""
    largest: tuple[Largest, ...] = ()
    """One for each level that has several quotas."""
    calls_planned: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    """How many of the failed ones a later batch has taken up again."""
    ended_batches: int = 0
    counts: Counts = {}
    """Sums of COUNTS over the batches that have ended."""
    began_at: str
    beat_at: str
    restarts: int = 0
    """How often in a row the schedule had to start a run, because the one before broke off."""
    finished_at: str | None = None
    beat: dict[str, int | str] = {}
    """What the last beat has seen: see `rules/pulse.py`."""
    first_forecast: str | None = None


class EntityRef(_Record):
    """An entity of a batch, and the name of its folder at the provider."""

    customer_id: str
    entity_id: str
    folder: str


class Outcome(_Record):
    """What has come of an entity. A failure that is taken up again in another batch is RETRIED."""

    state: Literal["DONE", "FAILED", "RETRIED"]
    error: str | None = None
    cause: str | None = None
    counts: Counts = {}
    plan: int | None = None
    """Which plan has taken it up again."""


class Current(_Record):
    """The entity in hand: its number in the batch, and the turn of the execution that has it.

    `given_at` is when a worker was given this turn, in seconds since 1970; `elapsed_ms` is what the
    turns before it took. `cursor` is where the last one left off; None before anything was done.
    """

    position: int
    turn: int = 1
    given_at: float
    elapsed_ms: int = 0
    cursor: dict[str, Any] | None = None


class Batch(_Record):
    """Entities that a worker takes one after another. A batch without an attempt is not started."""

    replication_id: str
    provider: str
    batch: int
    entities: tuple[EntityRef, ...]
    calls: int
    attempt: int = 0
    open: str | None = None
    """There from the first start until all its entities have ended."""
    put_off: bool = False
    """Its worker has stopped because of a pause or a cancellation."""
    broken_off: int = 0
    """How many workers have gone since the last entity ended: to be put off is none of it."""
    seen_at: str = ""
    started_at: str = ""
    outcomes: dict[str, Outcome] = {}
    current: Current | None = None

    @property
    def is_running(self) -> bool:
        return self.open is not None and not self.put_off

    def next_position(self) -> int | None:
        """The first entity that has not ended."""
        left = (n for n in range(len(self.entities)) if str(n) not in self.outcomes)
        return next(left, None)

    def failed(self, service: Service) -> list[int]:
        """Entities that failed and that nothing has taken up again: a retry whose plan broke off
        has not.
        """
        return [
            int(position)
            for position, outcome in self.outcomes.items()
            if outcome.state == "FAILED" or (outcome.plan or 0) > service.plan
        ]


class Again(TypedDict):
    """A batch to be taken up again, and its last attempt, which is over."""

    batch: int
    attempt: int


def summed(counts: Iterable[Counts]) -> Counts:
    """The counts of several, added up; what none has is left out."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return {name: total[name] for name in COUNTS if total[name]}


def worker_name(replication_id: str, provider: str, batch: int, attempt: int) -> str:
    """What the execution is called that works on a batch, by whomever it is started."""
    return f"{replication_id}-{provider}-{batch}-{attempt}"


def service_name(replication_id: str, provider: str, run: int) -> str:
    """What a service's execution of that number is called."""
    return f"{replication_id}-{provider}-{run}"


def plan_name(replication_id: str, plan: int) -> str:
    """What the execution is called that plans a replication, or a retry of it."""
    return f"{replication_id}-{plan}"
