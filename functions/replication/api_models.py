"""What goes over the API of replications: bodies of requests, and what is shown."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from replication.rules.periods import Period
from replication.rules.replication import (
    Batch,
    Counts,
    Outcome,
    Replication,
    Service,
    State,
    summed,
)

MOST_ENTITIES = 1000
"""How many entities one request names. More is all, or several requests."""


def _is_period(text: str) -> str:
    return str(Period.parse(text))


type PeriodText = Annotated[
    str, Field(examples=["2026-12"]), AfterValidator(_is_period), StringConstraints(max_length=7)
]
type ReplicationId = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d{2}-(all|[0-9a-f]{8})(-dry-[0-9a-f]{8})?$"),
]
type EntityName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
]
"""`<customer id>/<entity id>`."""


class ReplicationRequest(BaseModel):
    """A period for some entities, or for all. A dry run asks the providers what is there, makes
    nothing, and reports what would be made and what is in the way.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    period: PeriodText
    all: Literal[True] | None = None
    entities: list[EntityName] | None = Field(default=None, min_length=1, max_length=MOST_ENTITIES)
    dry_run: bool = False

    @model_validator(mode="after")
    def _names_what(self) -> "ReplicationRequest":
        if (self.all is None) == (self.entities is None):
            raise ValueError('either "all": true or a list of "entities"')
        return self


class ReplicationSummary(BaseModel):
    """A replication as lists have it."""

    model_config = ConfigDict(from_attributes=True)

    replication_id: str
    period: str
    dry_run: bool
    state: State
    requested_by: str
    requested_at: str
    finished_at: str | None


class ProviderProgress(BaseModel):
    """How far one provider is. `counts` are exact sums over the entities that have ended."""

    provider: str
    state: Literal["RUNNING", "STOPPED", "FINISHED"]
    entities: int
    done: int
    failed: int
    left: int
    counts: Counts
    throttled_share: float = Field(description="Of all requests, how many were one too many")
    workers: int
    workers_wanted: int
    calls_per_minute: int = Field(description="What the quota allows at the moment")
    refuses_until: str | None = Field(
        description="Until when the provider takes no requests, of one customer at least; it goes"
        " on by itself then. Null if it takes them, or will within a minute"
    )
    refused: str | None = Field(
        description="Whose requests it refuses, as `2 of 40 accounts`; null where everybody's"
    )
    forecast: str | None = Field(description="When it will have finished; null if nobody can tell")
    first_forecast: str | None
    began_at: str
    finished_at: str | None


class ReplicationView(ReplicationSummary):
    """`situation` says in plain words what it is at."""

    situation: str
    entities: int
    done: int
    failed: int
    without_storage: int
    unknown: int = Field(description="Entities that were named and that nobody has")
    unreadable: int = Field(description="Customers and entities whose records make no sense")
    forecast: str | None
    error: str | None
    cause: str | None
    providers: list[ProviderProgress]


class CustomerProgress(BaseModel):
    customer_id: str
    provider: str
    entities: int
    done: int
    failed: int
    left: int


class EntityView(BaseModel):
    customer_id: str
    entity_id: str
    provider: str
    state: Literal["WAITING", "DONE", "FAILED"]
    error: str | None
    cause: str | None
    counts: Counts


class Problems(BaseModel):
    """What of an entity is not as it should be, by paths below its period's folder."""

    conflicts: list[str] = Field(description="Somebody's own file is there; it was left alone")
    illegal: list[str] = Field(description="The provider takes no such name")


class EntityDetail(EntityView):
    problems: Problems


class FailureCause(BaseModel):
    """Entities that failed with the same error, and some of them."""

    error: str
    entities: int
    cause: str | None
    examples: list[str]


class Report(BaseModel):
    """What has come of a replication, or so far."""

    replication: ReplicationView
    counts: Counts
    throttled_share: float
    failures: list[FailureCause]


MOST_EXAMPLES = 10


def provider_progress(service: Service, opened: list[Batch]) -> ProviderProgress:
    outcomes = [outcome for batch in opened for outcome in batch.outcomes.values()]
    done = service.done + sum(outcome.state == "DONE" for outcome in outcomes)
    failed = service.failed - service.retried + sum(one.state == "FAILED" for one in outcomes)
    counts = summed([service.counts, *(outcome.counts for outcome in outcomes)])
    beat = service.beat
    running = service.state == "RUNNING"
    return ProviderProgress(
        provider=service.provider,
        state=service.state,
        entities=service.entities,
        done=done,
        failed=failed,
        left=max(service.entities - done - failed, 0),
        counts=counts,
        throttled_share=throttled_share(counts),
        workers=int(beat.get("workers", 0)) if running else 0,
        workers_wanted=int(beat.get("wanted", 0)) if running else 0,
        calls_per_minute=int(beat.get("calls_per_minute", 0)),
        refuses_until=str(beat["refuses_until"]) if running and "refuses_until" in beat else None,
        refused=str(beat["refused"]) if running and beat.get("refused") else None,
        forecast=str(beat["forecast"]) if running and "forecast" in beat else None,
        first_forecast=service.first_forecast,
        began_at=service.began_at,
        finished_at=service.finished_at,
    )


def throttled_share(counts: Counts) -> float:
    return round(counts.get("throttled", 0) / max(counts.get("calls", 0), 1), 5)


def replication_view(
    replication: Replication, providers: list[ProviderProgress]
) -> ReplicationView:
    forecasts = [one.forecast for one in providers if one.state == "RUNNING"]
    known = [forecast for forecast in forecasts if forecast is not None]
    view = ReplicationView(
        **ReplicationSummary.model_validate(replication).model_dump(),
        situation="",
        entities=sum(one.entities for one in providers),
        done=sum(one.done for one in providers),
        failed=sum(one.failed for one in providers),
        without_storage=replication.without_storage,
        unknown=replication.unknown,
        unreadable=replication.unreadable,
        forecast=max(known) if known and len(known) == len(forecasts) else None,
        error=replication.error,
        cause=replication.cause,
        providers=providers,
    )
    return view.model_copy(update={"situation": situation_of(view)})


def situation_of(view: ReplicationView) -> str:
    """What a replication is at, for a person."""
    ended = f"{view.done} of {view.entities} entities are done, {view.failed} failed"
    match view.state:
        case "PLANNING":
            return "Its entities are being grouped and put into batches."
        case "RUNNING":
            return f"{ended}; {_what_follows(view)}."
        case "PAUSED":
            return f"{ended}; the others wait until it is resumed."
        case "CANCELLED":
            return f"{ended}; the others are left as they are, unless it is resumed."
        case "FAILED":
            return f"It could not be planned: {view.error}. When that is mended, retry it."
        case _ if view.failed:
            return f"{ended}. The report says why; a retry takes up those that failed."
        case _:
            return f"{ended}."


def _what_follows(view: ReplicationView) -> str:
    refusing = [
        f"{one.provider}{f' of {one.refused}' if one.refused else ''} until {one.refuses_until}"
        for one in view.providers
        if one.refuses_until
    ]
    if refusing:
        return f"no requests are taken by {' and '.join(refusing)}: it goes on by itself then"
    if view.forecast:
        return f"the last should be done at {view.forecast}"
    return "nobody can tell yet when the last will be"


def entity_view(batch: Batch, position: int) -> EntityView:
    entity = batch.entities[position]
    outcome = batch.outcomes.get(str(position))
    return EntityView(
        customer_id=entity.customer_id,
        entity_id=entity.entity_id,
        provider=batch.provider,
        state=shown_state(outcome),
        error=outcome.error if outcome else None,
        cause=outcome.cause if outcome else None,
        counts=outcome.counts if outcome else {},
    )


def shown_entities(batch: Batch, after: int) -> Iterator[tuple[EntityView, int]]:
    """A batch's entities behind a position; not those that another batch has taken up again."""
    for position in range(after + 1, len(batch.entities)):
        outcome = batch.outcomes.get(str(position))
        if outcome is None or outcome.state != "RETRIED":
            yield entity_view(batch, position), position


def shown_state(outcome: Outcome | None) -> Literal["WAITING", "DONE", "FAILED"]:
    if outcome is None:
        return "WAITING"
    return "DONE" if outcome.state == "DONE" else "FAILED"


def customer_progress(batches: list[Batch]) -> list[CustomerProgress]:
    """How far each customer is, by their ids. What was taken up again counts where it is now."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for batch in batches:
        for position, entity in enumerate(batch.entities):
            outcome = batch.outcomes.get(str(position))
            if outcome is not None and outcome.state == "RETRIED":
                continue
            key = (entity.customer_id, batch.provider)
            counts = found.setdefault(key, {"WAITING": 0, "DONE": 0, "FAILED": 0})
            counts[shown_state(outcome)] += 1
    return [
        CustomerProgress(
            customer_id=customer_id,
            provider=provider,
            entities=sum(counts.values()),
            done=counts["DONE"],
            failed=counts["FAILED"],
            left=counts["WAITING"],
        )
        for (customer_id, provider), counts in sorted(found.items())
    ]


def failure_causes(batches: list[Batch]) -> list[FailureCause]:
    """Failures that nothing has taken up again, the most frequent error first."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for batch in batches:
        for position, outcome in batch.outcomes.items():
            if outcome.state == "FAILED":
                entity = batch.entities[int(position)]
                name = f"{entity.customer_id}/{entity.entity_id}"
                found.setdefault(outcome.error or "Unknown", []).append((name, outcome.cause))
    return [
        FailureCause(
            error=error,
            entities=len(failed),
            cause=failed[0][1],
            examples=[name for name, _ in failed[:MOST_EXAMPLES]],
        )
        for error, failed in sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    ]
