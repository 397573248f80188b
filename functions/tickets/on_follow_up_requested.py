"""Open a ticket for a call whose customer needs somebody to come back to them.

The event has ids and pointers; the machine reads the analysis. The same call never opens two.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from shared.events import Detail, FollowUpRequested
from shared.observability import step
from tickets.opening import open_ticket
from tickets.rules.call_findings import priority_of
from tickets.rules.queue import GENERAL
from tickets.rules.ticket import Call, Source


class Requested(BaseModel):
    """The event as EventBridge hands it over."""

    detail: Detail[FollowUpRequested]


@step
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    detail = Requested.model_validate(event).detail
    call = Call(
        analysis_bucket=detail.data.analysis_bucket,
        analysis_key=detail.data.analysis_key,
        reasons=tuple(detail.data.reasons),
    )
    open_ticket(
        Source(kind="call", id=detail.data.call_id),
        "post_call",
        {
            "trace_id": detail.trace_id,
            "subject": "Call a customer back",
            "priority": priority_of(call.reasons),
            "queue": GENERAL.name,
            "call": call.model_dump(mode="json"),
        },
    )
