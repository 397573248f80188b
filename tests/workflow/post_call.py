"""What tests give the machine `post_call`, and its variants."""

from datetime import UTC, datetime, timedelta
from typing import Any

from post_call.execution import ExecutionInput
from shared.times import format_time
from tests.cloud import Recording, any_call_id
from tests.workflow.machines import Variant


def name_unknown_engine(definition: dict[str, Any]) -> None:
    """What the parameter SpeechEngine would do with a value that nobody has built yet."""
    definition["States"]["Prepare Call"]["Parameters"]["speech_engine"] = "none"


def time_out_soon(definition: dict[str, Any]) -> None:
    definition["TimeoutSeconds"] = 5


VARIANTS = {
    "other_engine": Variant("post_call", name_unknown_engine),
    "impatient": Variant("post_call", time_out_soon),
}


def call_input(
    recording: Recording | None = None,
    *,
    call_id: str = "",
    started: datetime | None = None,
    lease: timedelta = timedelta(hours=7),
    **changes: Any,
) -> ExecutionInput:
    """What on_recording_created gives an execution."""
    started = started or datetime.now(UTC)
    recording = recording or Recording("recordings", "recordings/any.wav", "any", 1000, "any")
    given: Any = {
        "call_id": call_id or recording.call_id,
        "attempt": 1,
        "recording": recording.object | changes,
        "created_at": format_time(started),
        "started_at": format_time(started),
        "lease_expires_at": format_time(started + lease),
    }
    return given  # type: ignore[no-any-return]


def mocked_input(**values: Any) -> ExecutionInput:
    """The input of a call that has no recording."""
    return call_input(call_id=any_call_id(), **values)
