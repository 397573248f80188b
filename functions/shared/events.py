"""The events by which domains talk, and nothing else passes between them.

Each goes to the application's bus with source `aftercall.<domain>` and a detail of this shape;
consumers are idempotent by `event_id`. An event carries ids and pointers, never a customer's words;
only `CommunicationRequested` has the few values that its template's text needs.
"""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.clients import events, transient_failures
from shared.errors import TransientError


class Detail[Data: BaseModel](BaseModel):
    """The envelope that every event's detail is."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    event_id: str = Field(min_length=1, max_length=200)
    trace_id: str = Field(min_length=1, max_length=200)
    subject_id: str = Field(min_length=1, max_length=200)
    occurred_at: str
    version: Literal["1"] = "1"
    data: Data


class CallAnalysed(BaseModel):
    """A call's analysis is stored; `analysis` points at the redacted document."""

    call_id: str
    analysis_bucket: str
    analysis_key: str


class CallFailed(BaseModel):
    """A call could not be processed; the calls table has the reason."""

    call_id: str
    error: str


class FollowUpRequested(BaseModel):
    """A call's customer needs somebody to come back to them."""

    call_id: str
    analysis_bucket: str
    analysis_key: str
    reasons: list[str]


class CommunicationRequested(BaseModel):
    """A customer, or one of us, is to be told something: by a template, with its fields' values.

    A customer is named by `customer_id` alone; `recipient` is for people who are no customers.
    """

    channel: Literal["email", "sms"]
    template: str
    fields: dict[str, str]
    customer_id: str | None = None
    recipient: str | None = None


class RedriveRequested(BaseModel):
    """A person wants failed communications sent again; the redrives table says which."""

    run_id: str


class ReplicationFinished(BaseModel):
    """Every entity of a replication has ended, well or not; the replications table has more."""

    replication_id: str
    period: str
    dry_run: bool
    entities: int
    failed: int
    conflicts: int
    without_storage: int
    summary: str
    """The same for a person: a rule's template can put no numbers into a text everywhere."""


def publish(bus_name: str, domain: str, detail: Detail[Any]) -> None:
    """Put one event on the bus; its type is the class name of its data."""
    with transient_failures():
        reply = events().put_events(
            Entries=[
                {
                    "EventBusName": bus_name,
                    "Source": f"aftercall.{domain}",
                    "DetailType": type(detail.data).__name__,
                    "Detail": json.dumps(detail.model_dump()),
                }
            ]
        )
    if reply["FailedEntryCount"]:
        raise TransientError(
            reply["Entries"][0].get("ErrorCode", "Unknown"), "the bus did not take the event"
        )
