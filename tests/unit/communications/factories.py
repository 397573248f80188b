"""Communications for tests, where only the values that matter are named."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from communications.rules.communication import Communication, Entry
from communications.rules.lifecycle import Limits

NOW = datetime(2026, 3, 2, 9, 16, 4, tzinfo=UTC)
ID = "5f0c7d2e9b6a4c1d8e3f70a1b2c3d4e5"
"""The communication of the events in events/communications."""
RECIPIENT = "john.smith@example.com"
PHONE = "+12025550101"
BODY = "We have found your missing parcel."
LIMITS = Limits(tries=3, base_seconds=30, dead_letter_seconds=3600)
FAILURE = {
    "state": "FAILED",
    "error_class": "transient",
    "error": "ServiceUnavailable",
    "cause": "any cause",
    "failed_at": "2026-03-02T09:20:00Z",
    "attempts": 5,
}
"""What a failed communication has."""

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def later(**interval: float) -> datetime:
    return NOW + timedelta(**interval)


def any_communication(**changed: Any) -> Communication:
    """An e-mail with a text of its own that waits in the queue."""
    return Communication.model_validate(
        {
            "communication_id": ID,
            "channel": "email",
            "recipient": RECIPIENT,
            "subject": "Your parcel",
            "body": BODY,
            "trace_id": "any-trace",
            "request_digest": "any-digest",
            "created_by": "sarah.k",
            "created_at": "2026-03-02T09:16:04Z",
            "state": "QUEUED",
            "not_before": "2026-03-02T09:16:04Z",
            "due_at": "2026-03-02T09:31:04Z",
            "dead_letters_left": 2,
            "history": [Entry(at="2026-03-02T09:16:04Z", by="sarah.k", event="composed")],
        }
        | changed
    )


def any_sms(**changed: Any) -> Communication:
    return any_communication(**{"channel": "sms", "recipient": PHONE, "subject": None} | changed)


def any_sending(**changed: Any) -> Communication:
    """One that a worker has claimed for its first attempt."""
    values = {"state": "SENDING", "attempts": 1, "version": 2, "claimed_by": "message-1"}
    return any_communication(**values | {"due_at": "2026-03-02T09:17:04Z"} | changed)


def any_failed(**changed: Any) -> Communication:
    return any_communication(**FAILURE | changed)


def any_unknown(**changed: Any) -> Communication:
    values = {"state": "UNKNOWN", "error_class": "unknown", "error": "ReadTimeoutError"}
    return any_failed(**values | {"attempts": 1} | changed)


def any_sent(**changed: Any) -> Communication:
    values = {"state": "SENT", "sent": 1, "attempts": 1, "provider_message_id": "any-message"}
    return any_communication(**values | changed)
