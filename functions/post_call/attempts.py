"""Starting a call's attempts: each is an execution named by the call and the attempt's number."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from post_call.execution import ExecutionInput, execution_name
from post_call.recording_object import RecordingObject
from shared.executions import start_once
from shared.observability import count, logger
from shared.times import format_time, now, parse_time

LEASE = timedelta(hours=7)
"""Longer than the machine's own timeout: whose lease has run out has ended for sure."""


def start_attempt(
    state_machine_arn: str,
    call_id: str,
    attempt: int,
    recording: RecordingObject,
    created_at: str,
) -> bool:
    """Start an execution; False when this attempt was started before."""
    given = execution_input(call_id, attempt, recording, created_at, now())
    if not start_once(state_machine_arn, execution_name(call_id, attempt), given):
        return False
    logger.info("call started", call_id=call_id, attempt=attempt)
    count("CallStarted")
    return True


def may_be_tried_again(call: Mapping[str, Any]) -> bool:
    """Whether a call's last attempt is over and came to nothing."""
    if call["state"] == "PROCESSING":
        return parse_time(call["lease_expires_at"]) < now()
    return bool(call["state"] == "FAILED")


def execution_input(
    call_id: str, attempt: int, recording: RecordingObject, created_at: str, started: datetime
) -> ExecutionInput:
    return {
        "call_id": call_id,
        "attempt": attempt,
        "recording": recording,
        "created_at": created_at,
        "started_at": format_time(started),
        "lease_expires_at": format_time(started + LEASE),
    }
