"""The HTTP API of communications: composing them, and handling what was not sent.

Every route names the roles that may use it; shared.rest verifies the caller before anything else.
"""

import hashlib
import re
import uuid
from datetime import datetime
from itertools import islice
from os import environ
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime

from communications.api_models import (
    Accepted,
    Clusters,
    ClusterView,
    CommunicationId,
    CommunicationView,
    DiscardRequest,
    FailedView,
    RedriveRequest,
    RedriveSummary,
    RedriveView,
    ReleaseRequest,
    ResolveRequest,
    RetryRequest,
    RunId,
    SuppressionRequest,
    SuppressionView,
    communication_view,
    redrive_view,
)
from communications.communications_table import every, page_of
from communications.compose import CommunicationInvalid, Draft, IdTaken, compose
from communications.handling import MOST_REDRIVES, discard, known, redrive, resolve, retry
from communications.redrives_table import (
    create_run,
    get_batches,
    get_run,
    page_of_runs,
    report_of_batches,
)
from communications.rules.clusters import clusters_of, values_of
from communications.rules.communication import Channel, Communication, ErrorClass
from communications.suppressions_table import page_of_suppressions, release, suppress
from shared.customers import Id
from shared.events import Detail, RedriveRequested, publish
from shared.identity import Role
from shared.observability import step
from shared.rest import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    Problem,
    RestApi,
    decode_cursor,
)
from shared.times import format_time, now

EVENT_BUS_NAME = environ["EVENT_BUS_NAME"]
FIRST_YEAR = 1970
MOST_COUNTED = 10_000
"""Failures that are read to find clusters."""

ALL: frozenset[Role] = frozenset({"representative", "supervisor", "operator", "service"})
HANDLE: frozenset[Role] = frozenset({"supervisor", "operator"})
OPERATE: frozenset[Role] = frozenset({"operator"})
SERVICE: frozenset[Role] = frozenset({"service"})

api = RestApi(
    "/communications",
    title="Aftercall communications",
    version="1",
    description="E-mails and SMS to customers: composing them, and handling what was not sent.",
)


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.handle(event, context)


# --- one communication


@api.post("/communications", roles=ALL, summary="Compose and queue a communication", status=202)
def compose_communication(draft: Draft) -> Accepted:
    """With an Idempotency-Key, the same request again gives the same communication."""
    key = api.idempotency_key()
    caller = api.caller.subject
    communication_id = derived_id(caller, key) if key else uuid.uuid4().hex
    try:
        communication = compose(draft, communication_id, caller)
    except CommunicationInvalid as error:
        raise Problem(422, "invalid-communication", f"{error}.") from error
    except IdTaken as error:
        raise Problem(409, "idempotency-key-taken", str(error)) from error
    api.set_header("Location", f"communications/{communication.communication_id}")
    return accepted(communication)


@api.get("/communications/<communication_id>", roles=ALL, summary="Read one, with its history")
def read_communication(communication_id: CommunicationId) -> CommunicationView:
    communication = known(communication_id)
    api.set_version(communication.version)
    return communication_view(communication)


@api.post(
    "/communications/<communication_id>/retry",
    roles=HANDLE | SERVICE,
    summary="Send a failed one again, perhaps to a corrected address",
    status=202,
)
def retry_communication(communication_id: CommunicationId, request: RetryRequest) -> Accepted:
    by, version = api.caller.subject, api.if_match()
    if request.run_id is None:
        return accepted(retry(communication_id, by, version, request.recipient))
    if request.recipient is not None or "service" not in api.caller.roles:
        raise Problem(403, "forbidden", "Only the system itself redrives, and changes no address.")
    return accepted(redrive(communication_id, by, version, request.run_id))


@api.post(
    "/communications/<communication_id>/discard", roles=HANDLE, summary="Give one up, with a reason"
)
def discard_communication(
    communication_id: CommunicationId, request: DiscardRequest
) -> CommunicationView:
    return shown(discard(communication_id, api.caller.subject, api.if_match(), request.reason))


@api.post(
    "/communications/<communication_id>/resolve",
    roles=HANDLE,
    summary="Say what became of one whose reply was lost",
)
def resolve_communication(
    communication_id: CommunicationId, request: ResolveRequest
) -> CommunicationView:
    was_sent = request.outcome == "sent"
    return shown(
        resolve(communication_id, api.caller.subject, api.if_match(), was_sent, request.evidence)
    )


# --- what was not sent


@api.get("/communications/failed", roles=HANDLE | SERVICE, summary="List what was not sent")
def list_failed(
    state: Annotated[str, Query(pattern="^(FAILED|UNKNOWN)$")] = "FAILED",
    channel: Annotated[Channel | None, Query()] = None,
    error_class: Annotated[ErrorClass | None, Query()] = None,
    customer_id: Annotated[Id | None, Query()] = None,
    template: Annotated[str | None, Query(max_length=64)] = None,
    created_from: Annotated[AwareDatetime | None, Query()] = None,
    created_to: Annotated[AwareDatetime | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[FailedView]:
    """The latest first. `UNKNOWN` lists those whose reply was lost."""
    first, last = period(created_from, created_to)
    filters = {
        "channel": channel,
        "error_class": error_class,
        "customer_id": customer_id,
        "template": template,
    }
    found, following = page_of(
        "UNKNOWN" if state == "UNKNOWN" else "FAILED",
        created_from=first,
        created_to=last,
        equal={name: value for name, value in filters.items() if value is not None},
        limit=limit,
        start=start_of(cursor, state, first, last),
    )
    position = following and {
        "communication_id": following["communication_id"]["S"],
        "open_at": following["open_at"]["S"],
    }
    return api.page([FailedView.model_validate(one) for one in found], position)


def period(first: datetime | None, last: datetime | None) -> tuple[str, str]:
    """The bounds as the index has times; where there are none, text around all of them."""
    try:
        bounds = format_time(first) if first else "0", format_time(last) if last else "9"
        if any(moment and moment.year < FIRST_YEAR for moment in (first, last)):
            raise ValueError("years before that are not written so that they sort")
    except (OverflowError, ValueError) as error:
        raise Problem(422, "invalid-request", "A time is out of all bounds.") from error
    if bounds[0] > bounds[1]:
        raise Problem(422, "invalid-request", "created_from is later than created_to.")
    return bounds


def start_of(cursor: str | None, state: str, first: str, last: str) -> dict[str, Any] | None:
    """Where a page begins in the index, which takes no place outside of what is asked for."""
    if cursor is None:
        return None
    position = decode_cursor(cursor, {"communication_id", "open_at"})
    if not first <= position["open_at"] <= last or not position["communication_id"]:
        raise Problem(400, "invalid-cursor", "The cursor is of another list.")
    return {name: {"S": value} for name, value in {**position, "open_state": state}.items()}


@api.get("/communications/failed/clusters", roles=HANDLE, summary="Group failures by cause")
def list_clusters() -> Clusters:
    failures = list(islice(every("FAILED", equal={}, latest_first=True), MOST_COUNTED))
    clusters = [
        ClusterView(
            cluster_id=cluster.cluster_id,
            error_class=cluster.values["error_class"],
            error=cluster.values["error"],
            template=cluster.template,
            destination=cluster.values["destination"],
            count=cluster.count,
            redrivable=cluster.redrivable,
            first_at=cluster.first_at,
            last_at=cluster.last_at,
            sample_ids=cluster.sample_ids,
        )
        for cluster in clusters_of(failures, MOST_REDRIVES)
    ]
    return Clusters(clusters=clusters, counted=len(failures), complete=len(failures) < MOST_COUNTED)


# --- redrives


@api.post("/communications/redrives", roles=OPERATE, summary="Redrive failures", status=202)
def request_redrive(request: RedriveRequest) -> RedriveSummary:
    """With an Idempotency-Key, the same request again gives the same run."""
    key = api.idempotency_key()
    run_id = derived_id(api.caller.subject, key) if key else uuid.uuid4().hex
    run: dict[str, Any] = {
        "started_at": format_time(now()),
        "started_by": api.caller.subject,
        "selection": selection_of(request),
        "canary": request.canary,
        "state": "REQUESTED",
    }
    if not create_run(run_id, run):
        run = same_run(run_id, run)
    publish(
        EVENT_BUS_NAME,
        "communications",
        Detail(
            event_id=f"{run_id}-RedriveRequested",
            trace_id=run_id,
            subject_id=run_id,
            occurred_at=run["started_at"],
            data=RedriveRequested(run_id=run_id),
        ),
    )
    api.set_header("Location", f"redrives/{run_id}")
    return RedriveSummary.model_validate({"run_id": run_id, **run})


def same_run(run_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The run that the key led to before, if it is what is asked for now."""
    found = get_run(run_id)
    if found is None or any(found[name] != asked[name] for name in ("selection", "canary")):
        raise Problem(409, "idempotency-key-taken", "This key was used for another redrive.")
    return found


def selection_of(request: RedriveRequest) -> dict[str, str]:
    """The values that the failures must have."""
    named = request.model_dump(exclude={"cluster_id", "canary"}, exclude_none=True)
    if request.cluster_id is None:
        return named
    if named:
        raise Problem(422, "invalid-request", "Give either a cluster_id or other filters.")
    try:
        return values_of(request.cluster_id)
    except ValueError as error:
        raise Problem(422, "unknown-cluster", "There is no cluster with this id.") from error


@api.get("/communications/redrives", roles=HANDLE, summary="List redrives")
def list_redrives(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[RedriveSummary]:
    """The latest first."""
    found, following = page_of_runs(limit, start_of_runs(cursor))
    position = following and {
        "run_id": following["run_id"]["S"],
        "started_at": following["started_at"]["S"],
    }
    return api.page([RedriveSummary.model_validate(run) for run in found], position)


def start_of_runs(cursor: str | None) -> dict[str, Any] | None:
    if cursor is None:
        return None
    position = decode_cursor(cursor, {"run_id", "started_at"})
    if not all(position.values()):
        raise Problem(400, "invalid-cursor", "The cursor is of another list.")
    return {
        name: {"S": value} for name, value in {**position, "item": "run", "kind": "run"}.items()
    }


@api.get("/communications/redrives/<run_id>", roles=HANDLE, summary="Read one redrive")
def read_redrive(run_id: RunId) -> RedriveView:
    run = get_run(run_id)
    if run is None:
        raise Problem(404, "unknown-redrive", "There is no redrive with this id.")
    batches = get_batches(run_id)
    return redrive_view(run, batches, report_of_batches(batches))


# --- suppressed recipients


@api.get("/communications/suppressions", roles=HANDLE, summary="List suppressed recipients")
def list_suppressions(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[SuppressionView]:
    start = decode_cursor(cursor, {"address_id"})["address_id"] if cursor else None
    if start is not None and not re.fullmatch("[0-9a-f]{64}", start):
        raise Problem(400, "invalid-cursor", "The cursor is of another list.")
    found, following = page_of_suppressions(limit, start)
    position = {"address_id": following} if following else None
    return api.page([SuppressionView.model_validate(one) for one in found], position)


@api.post("/communications/suppressions", roles=HANDLE, summary="Suppress a recipient", status=201)
def add_suppression(request: SuppressionRequest) -> SuppressionView:
    """Nothing is sent to this address any more."""
    at = format_time(now())
    suppress(request.address, request.reason, api.caller.subject, at)
    return SuppressionView(
        address=request.address, reason=request.reason, by=api.caller.subject, at=at
    )


@api.post(
    "/communications/suppressions/release",
    roles=OPERATE,
    summary="Send to a recipient again",
    status=204,
)
def release_suppression(request: ReleaseRequest) -> None:
    """The address goes in the body: what is in a URL ends up in logs. Amazon SES keeps a list of
    its own, of what bounced or complained; there the address has to be removed as well.
    """
    if not release(request.address):
        raise Problem(404, "unknown-suppression", "This address is not suppressed.")


def derived_id(caller: str, key: str) -> str:
    """The id that a caller's key always leads to."""
    return hashlib.sha256(f"{len(caller)} {caller} {key}".encode()).hexdigest()[:32]


def accepted(communication: Communication) -> Accepted:
    api.set_version(communication.version)
    return Accepted.model_validate(communication.model_dump(include=set(Accepted.model_fields)))


def shown(communication: Communication) -> CommunicationView:
    api.set_version(communication.version)
    return communication_view(communication)
