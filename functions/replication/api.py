"""The HTTP API of replications: asking for a period, seeing how far it is, and steering it.

Every route names the roles that may use it; shared.rest verifies the caller before anything else.
Nothing here waits for a provider: a replication is stored, and executions work on it.
"""

import re
import uuid
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from replication.api_models import (
    CustomerProgress,
    EntityDetail,
    EntityView,
    Problems,
    ProviderProgress,
    ReplicationId,
    ReplicationRequest,
    ReplicationSummary,
    ReplicationView,
    Report,
    customer_progress,
    failure_causes,
    provider_progress,
    replication_view,
    shown_entities,
    throttled_share,
)
from replication.problems import read_problems
from replication.replications_table import (
    batches_of,
    change_state,
    get_replication,
    open_batches,
    page_of_batches,
    page_of_replications,
    services_of,
)
from replication.requesting import request_replication
from replication.rules.replication import Replication, State, summed
from replication.running import begin_plan, begin_run
from shared.customers import Id
from shared.identity import Role
from shared.observability import count, step
from shared.rest import DEFAULT_LIMIT, Cursor, Limit, Page, Problem, RestApi, decode_cursor

READ: frozenset[Role] = frozenset({"supervisor", "operator", "service"})
ASK: frozenset[Role] = frozenset({"operator", "service"})
STEER: frozenset[Role] = frozenset({"operator"})

api = RestApi(
    "/replications",
    title="Aftercall replications",
    version="1",
    description="A new period for customers' entities, in the customers' own cloud storage.",
)


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.handle(event, context)


@api.post("/replications", roles=ASK, summary="Ask for a period", status=202)
def create_replication(request: ReplicationRequest) -> ReplicationView:
    """The same period and entities again are the same replication, whatever has come of it. A dry
    run may be repeated; with an Idempotency-Key the same request again is the same dry run.
    """
    rehearsal = None
    if request.dry_run:
        key = api.idempotency_key()
        rehearsal = f"{api.caller.subject} {key}" if key else uuid.uuid4().hex
    replication = request_replication(
        request.period, request.entities, api.caller.subject, rehearsal=rehearsal
    )
    api.set_header("Location", f"replications/{replication.replication_id}")
    return shown(replication)


@api.get("/replications", roles=READ, summary="List replications")
def list_replications(
    limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[ReplicationSummary]:
    """The latest first."""
    start = None
    if cursor is not None:
        position = position_in(
            cursor, replication_id=r"[0-9a-z-]{9,40}", requested_at=r"[0-9TZ:-]{20}"
        )
        start = position | {"item": "replication", "kind": "replication"}
    found, following = page_of_replications(
        limit, start and {name: {"S": value} for name, value in start.items()}
    )
    position_after = following and {
        name: following[name]["S"] for name in ("replication_id", "requested_at")
    }
    return api.page([ReplicationSummary.model_validate(one) for one in found], position_after)


@api.get("/replications/<replication_id>", roles=READ, summary="Read how far one is")
def read_replication(replication_id: ReplicationId) -> ReplicationView:
    return shown(known(replication_id))


@api.get(
    "/replications/<replication_id>/customers", roles=READ, summary="Read how far each customer is"
)
def list_customers(
    replication_id: ReplicationId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[CustomerProgress]:
    """By customer. It reads every batch, a kilobyte each."""
    known(replication_id)
    after = ("", "")
    if cursor is not None:
        position = position_in(cursor, customer_id="[A-Za-z0-9._-]{1,64}", provider="[a-z0-9]+")
        after = (position["customer_id"], position["provider"])
    progress = customer_progress(list(batches_of(replication_id)))
    left = [one for one in progress if (one.customer_id, one.provider) > after]
    page = left[:limit]
    position_after = None
    if len(left) > limit:
        position_after = {"customer_id": page[-1].customer_id, "provider": page[-1].provider}
    return api.page(page, position_after)


@api.get("/replications/<replication_id>/entities", roles=READ, summary="List entities")
def list_entities(
    replication_id: ReplicationId,
    state: Annotated[Literal["WAITING", "DONE", "FAILED"] | None, Query()] = None,
    customer_id: Annotated[Id | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[EntityView]:
    """In the order in which they are taken. A page may be short, or empty, with more to come."""
    known(replication_id)
    first, after = "", -1
    if cursor is not None:
        position = position_in(cursor, item=r"batch#[a-z0-9]+#\d{7}", position=r"-1|\d{1,4}")
        first, after = position["item"], int(position["position"])
    found: list[EntityView] = []
    batches, following = page_of_batches(replication_id, first)
    for item, batch in batches:
        for view, number in shown_entities(batch, after):
            if state in (None, view.state) and customer_id in (None, view.customer_id):
                found.append(view)
            if len(found) == limit:
                return api.page(found, {"item": item, "position": str(number)})
        after = -1
    return api.page(found, {"item": following, "position": "-1"} if following else None)


@api.get(
    "/replications/<replication_id>/entities/<customer_id>/<entity_id>",
    roles=READ,
    summary="Read one entity, and what is in its way",
)
def read_entity(replication_id: ReplicationId, customer_id: Id, entity_id: Id) -> EntityDetail:
    """It reads every batch."""
    known(replication_id)
    for batch in batches_of(replication_id):
        for view, _ in shown_entities(batch, -1):
            if (view.customer_id, view.entity_id) == (customer_id, entity_id):
                problems = read_problems(
                    replication_id, customer_id, entity_id, batch.provider, batch.batch
                )
                return EntityDetail(**view.model_dump(), problems=Problems.model_validate(problems))
    raise Problem(404, "unknown-entity", "This replication has no such entity.")


@api.get("/replications/<replication_id>/report", roles=READ, summary="Read what has come of one")
def read_report(replication_id: ReplicationId) -> Report:
    """It reads every batch."""
    view = shown(known(replication_id))
    counts = summed(one.counts for one in view.providers)
    return Report(
        replication=view,
        counts=counts,
        throttled_share=throttled_share(counts),
        failures=failure_causes(list(batches_of(replication_id))),
    )


@api.post("/replications/<replication_id>/pause", roles=STEER, summary="Let it rest")
def pause_replication(replication_id: ReplicationId) -> ReplicationView:
    """Workers stop where they are, within seconds, and go on there when it is resumed."""
    return moved(replication_id, ["PLANNING", "RUNNING"], "PAUSED")


@api.post("/replications/<replication_id>/cancel", roles=STEER, summary="Give it up")
def cancel_replication(replication_id: ReplicationId) -> ReplicationView:
    """What is made stays. It can be taken up again by `resume`."""
    return moved(replication_id, ["PLANNING", "RUNNING", "PAUSED"], "CANCELLED")


@api.post("/replications/<replication_id>/resume", roles=STEER, summary="Let it go on")
def resume_replication(replication_id: ReplicationId) -> ReplicationView:
    """A paused or a cancelled one goes on where it stopped."""
    before = known(replication_id)
    services = services_of(replication_id)
    # A retry that is still being planned is not over with the services that were there before.
    planned = before.planned and any(service.plan == before.plan for service in services)
    moved(replication_id, ["PAUSED", "CANCELLED"], "RUNNING" if planned else "PLANNING")
    if not planned:
        begin_plan(before)
    for service in services:
        if service.state == "STOPPED":
            begin_run(service)
    return shown(known(replication_id))


@api.post("/replications/<replication_id>/retry", roles=STEER, summary="Try failed entities again")
def retry_replication(replication_id: ReplicationId) -> ReplicationView:
    """Of one that has ended, or that could not be planned."""
    before = known(replication_id)
    if before.state in ("FINISHED", "FAILED"):
        # Whoever else retries it at the same time asks for the same plan.
        change_state(
            replication_id, [before.state], "PLANNING", of_plan=before.plan, plan=before.plan + 1
        )
    replication = known(replication_id)
    if replication.state != "PLANNING":
        raise not_possible(replication)
    begin_plan(replication)
    count("ReplicationRetried")
    return shown(replication)


# --- what the routes have in common


def moved(replication_id: str, before: list[State], after: State) -> ReplicationView:
    """Change the state; nothing changes where it is so already."""
    replication = known(replication_id)
    if replication.state != after and not change_state(replication_id, before, after):
        raise not_possible(known(replication_id))
    return shown(known(replication_id))


def not_possible(replication: Replication) -> Problem:
    return Problem(409, "not-possible", f"The replication is {replication.state}.")


def known(replication_id: str) -> Replication:
    replication = get_replication(replication_id)
    if replication is None:
        raise Problem(404, "unknown-replication", "There is no replication with this id.")
    return replication


def shown(replication: Replication) -> ReplicationView:
    return replication_view(replication, progress_of(replication.replication_id))


def progress_of(replication_id: str) -> list[ProviderProgress]:
    return [
        provider_progress(service, open_batches(replication_id, service.provider))
        for service in services_of(replication_id)
    ]


def position_in(cursor: str, **patterns: str) -> dict[str, str]:
    """What a cursor says, each part in the form that it has in this list."""
    position = decode_cursor(cursor, set(patterns))
    if not all(re.fullmatch(patterns[name], text, re.ASCII) for name, text in position.items()):
        raise Problem(400, "invalid-cursor", "The cursor is of another list.")
    return position
