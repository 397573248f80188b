"""Write on the call what failed, where and why, as the last thing before its execution fails.

Every Catch of the machine leads here. The call's record is changed only if this execution still
owns it; the real error and cause go back to the machine, which ends with them.
"""

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.calls_table import attempt_columns, record_failed_call
from post_call.recording_object import RecordingObject
from shared.failures import Failure, RootCause, root_cause
from shared.observability import logger, step
from shared.times import format_time, now


class Input(TypedDict):
    call_id: str
    attempt: int
    execution_arn: str
    recording: RecordingObject
    created_at: str
    failed: dict[str, Failure]


@step
def handler(event: Input, context: LambdaContext) -> RootCause:
    failed_state, failure = first_failure(event["failed"])
    output = root_cause(failure)
    recorded = record_failed_call(
        event["call_id"],
        event["execution_arn"],
        {
            **output,
            "failed_state": failed_state,
            "failed_at": format_time(now()),
            **attempt_columns(event["attempt"], event["recording"], event["created_at"]),
        },
        unless_recorded=False,
    )
    logger.error("call failed", error=output["error"], failed_state=failed_state, recorded=recorded)
    return output


def first_failure(failed: dict[str, Failure]) -> tuple[str, Failure]:
    """The state that failed. When quarantining failed as well, the reason for it is the failure."""
    states = [state for state in failed if state != "quarantine_recording"] or list(failed)
    return states[0], failed[states[0]]
