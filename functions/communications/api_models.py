"""What goes over the API of communications: bodies of requests, and what is shown.

The texts of messages are shown only to who reads one communication, not in lists.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from communications.redrives_table import RunState
from communications.rules.communication import (
    Channel,
    Communication,
    Entry,
    ErrorClass,
    SuppressionReason,
)
from shared.addresses import EMail, Phone

type Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
type Recipient = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)
]
type RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
type CommunicationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,64}$")]


_EITHER: TypeAdapter[str] = TypeAdapter(EMail | Phone)


def _address(text: str) -> str:
    """An e-mail address or a phone number, as communications have them."""
    try:
        return _EITHER.validate_python(text)
    except ValidationError as error:
        raise ValueError("must be an e-mail address or a phone number like +12025550101") from error


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RetryRequest(Request):
    """`recipient` corrects the address first. `run_id` is for redrives."""

    recipient: Recipient | None = None
    run_id: RunId | None = None


class DiscardRequest(Request):
    reason: Text


class ResolveRequest(Request):
    """What became of a message whose reply was lost, and how one knows."""

    outcome: Literal["sent", "not_sent"]
    evidence: Text


type Address = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_address)]


class SuppressionRequest(Request):
    address: Address
    reason: SuppressionReason = "unsubscribe"


class ReleaseRequest(Request):
    address: Address


class RedriveRequest(Request):
    """Which of the failed are sent again: those of a cluster, or those that fit; without either,
    all that another try can heal. A canary sends one, then ten, then the rest.
    """

    cluster_id: Annotated[str, StringConstraints(max_length=1000)] | None = None
    channel: Channel | None = None
    error_class: ErrorClass | None = None
    template: Annotated[str, StringConstraints(max_length=64)] | None = None
    customer_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    canary: bool = False


class CommunicationView(BaseModel):
    """One communication with all that happened to it. `version` is also its ETag."""

    communication_id: str
    channel: Channel
    recipient: str
    customer_id: str | None
    template: str | None
    fields: dict[str, str]
    subject: str | None
    body: str | None
    trace_id: str
    created_by: str
    created_at: str
    state: str
    sent: int
    version: int
    attempts: int
    redrives: int
    not_before: str | None = Field(description="When it is sent or queued again, where it waits.")
    provider_message_id: str | None
    error_class: ErrorClass | None
    error: str | None
    cause: str | None
    failed_at: str | None
    history: list[Entry]


class FailedView(BaseModel):
    """One of the failed, or of those with an unknown end, as lists show it."""

    communication_id: str
    channel: Channel
    recipient: str
    customer_id: str | None = None
    template: str | None = None
    state: str
    error_class: ErrorClass
    error: str
    cause: str
    created_at: str
    failed_at: str
    attempts: int
    redrives: int
    version: int


class Accepted(BaseModel):
    """A communication that will be sent, or sent again."""

    communication_id: str
    state: str
    version: int


class ClusterView(BaseModel):
    """Failures that share a cause: by error, template, and where to (an e-mail's domain, how a
    phone number begins). `redrivable` of them are below the limit of redrives.
    """

    cluster_id: str
    error_class: str
    error: str
    template: str | None
    destination: str
    count: int
    redrivable: int
    first_at: str
    last_at: str
    sample_ids: list[str]


class Clusters(BaseModel):
    """The largest first; `complete` is false where there are more failures than were counted."""

    clusters: list[ClusterView]
    counted: int
    complete: bool


class SuppressionView(BaseModel):
    address: str
    reason: SuppressionReason
    by: str
    at: str


class RedriveView(BaseModel):
    """A run: who started it, when, on what, and what came of it so far."""

    run_id: str
    state: RunState
    started_at: str
    started_by: str
    canary: bool
    selection: dict[str, str]
    communications: int
    counts: dict[str, int]
    causes: dict[str, int]
    outcome: str | None
    error: str | None


class RedriveSummary(BaseModel):
    """A run as lists show it."""

    run_id: str
    state: RunState
    started_at: str
    started_by: str
    canary: bool
    communications: int | None = None


def communication_view(communication: Communication) -> CommunicationView:
    waits = {"QUEUED": communication.not_before, "DEAD_LETTER": communication.due_at}
    return CommunicationView(
        **communication.model_dump(
            include=set(CommunicationView.model_fields) - {"not_before", "history"}
        ),
        not_before=waits.get(communication.state),
        history=list(communication.history),
    )


def redrive_view(
    run: Mapping[str, Any], batches: list[dict[str, Any]], report: Mapping[str, Any]
) -> RedriveView:
    """The run as its item and its batches tell it together."""
    return RedriveView(
        run_id=run["run_id"],
        state=run["state"],
        started_at=run["started_at"],
        started_by=run["started_by"],
        canary=run["canary"],
        selection=run["selection"],
        communications=sum(len(batch["communications"]) for batch in batches),
        counts=report["counts"],
        causes=report["causes"],
        outcome=run.get("outcome"),
        error=run.get("error") or next((b["error"] for b in batches if "error" in b), None),
    )
