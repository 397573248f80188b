"""Note what has come of a batch's entity, and give the next one.

The batch's item is the truth; the worker's execution knows only the entity in hand. Whoever comes
with an attempt that is over, or with an entity that is noted already, changes nothing: so the step
may run twice, and an aborted worker's successor goes on where it left off.
"""

from typing import Any, Literal, NotRequired, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.replications_table import (
    close_batch,
    get_batch,
    known_replication,
    record_outcome,
)
from replication.rules.replication import GOES_ON, Batch, Current, Outcome, Replication, summed
from shared.failures import root_cause
from shared.observability import count, logger, step
from shared.times import format_time, now


class Input(TypedDict):
    replication_id: str
    provider: str
    batch: int
    attempt: int
    entity: dict[str, Any] | None
    """What the last call gave; None at first."""
    outcome: dict[str, Any] | None
    """Status and cursor of the entity's execution, or Error and Cause; None at first."""


class Output(TypedDict):
    status: Literal["entity", "finished", "stopped", "taken_over"]
    position: NotRequired[int]
    turn: NotRequired[int]
    cursor: NotRequired[dict[str, Any] | None]
    customer_id: NotRequired[str]
    entity_id: NotRequired[str]
    period: NotRequired[str]
    dry_run: NotRequired[bool]
    execution_name: NotRequired[str]


@step
def handler(event: Input, context: LambdaContext) -> Output:
    batch = get_batch(event["replication_id"], event["provider"], event["batch"])
    if batch.attempt != event["attempt"]:
        return {"status": "taken_over"}
    if batch.open is None:  # The reply to the last call was lost.
        return {"status": "finished"}
    replication = known_replication(event["replication_id"])
    ended, current = what_follows(batch, event["entity"], event["outcome"])
    if ended is not None:
        batch = batch.model_copy(
            update={"outcomes": batch.outcomes | {str(ended[0]): ended[1]}, "current": None}
        )
    if current is None and (position := batch.next_position()) is not None:
        current = Current(position=position, given_at=now().timestamp())
    output = noted(replication, batch, ended, current)
    if ended is not None and output["status"] != "taken_over":
        tell(*ended, batch)
    return output


def what_follows(
    batch: Batch, entity: dict[str, Any] | None, outcome: dict[str, Any] | None
) -> tuple[tuple[int, Outcome] | None, Current | None]:
    """What has come of the entity in hand, if it has ended, else where it goes on."""
    in_hand, at = batch.current, now().timestamp()
    if in_hand is None:
        return None, None
    if entity is None or outcome is None:  # Another worker has it in hand now.
        return None, in_hand.model_copy(update={"given_at": at})
    if (entity["position"], entity["turn"]) != (in_hand.position, in_hand.turn):
        return None, in_hand  # It is noted already.
    if "Error" in outcome:
        cause = root_cause({"Error": outcome["Error"], "Cause": outcome.get("Cause", "")})
        return (in_hand.position, Outcome(state="FAILED", **cause)), None
    cursor = outcome["cursor"]
    elapsed = in_hand.elapsed_ms + round((at - in_hand.given_at) * 1000)
    if outcome["status"] == "done":
        busy = max(elapsed - cursor["tally"].get("waited_ms", 0), 1)
        counts = cursor["tally"] | {"busy_ms": busy}
        return (in_hand.position, Outcome(state="DONE", counts=counts)), None
    again = {"turn": in_hand.turn + 1, "given_at": at, "elapsed_ms": elapsed, "cursor": cursor}
    return None, in_hand.model_copy(update=again)


def noted(
    replication: Replication,
    batch: Batch,
    ended: tuple[int, Outcome] | None,
    current: Current | None,
) -> Output:
    """Store what follows, and say it."""
    at = format_time(now())
    if current is None:
        counts = summed(outcome.counts for outcome in batch.outcomes.values())
        closed = close_batch(batch, batch.outcomes, at, counts)
        return {"status": "finished" if closed else "taken_over"}
    goes_on = replication.state in GOES_ON
    if not record_outcome(batch, ended, current, at, put_off=not goes_on):
        return {"status": "taken_over"}
    if not goes_on:
        return {"status": "stopped"}
    entity = batch.entities[current.position]
    return {
        "status": "entity",
        "position": current.position,
        "turn": current.turn,
        "cursor": current.cursor,
        "customer_id": entity.customer_id,
        "entity_id": entity.entity_id,
        "period": replication.period,
        "dry_run": replication.dry_run,
        "execution_name": f"{batch.replication_id}-{batch.provider}-{batch.batch}"
        f"-{batch.attempt}-{current.position}-{current.turn}",
    }


def tell(position: int, outcome: Outcome, batch: Batch) -> None:
    """Count and log how an entity has ended."""
    entity = batch.entities[position]
    count("EntityReplicated" if outcome.state == "DONE" else "EntityFailed")
    if outcome.state == "FAILED":
        logger.warning(
            "entity not replicated",
            customer_id=entity.customer_id,
            entity_id=entity.entity_id,
            error=outcome.error,
        )
