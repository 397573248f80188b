"""Start a failed call again, because a person says so: the cause is mended, the recording is there.

Invoked by an operator with a call's id. What is being processed or was analysed is left alone, so
that asking twice does no harm.
"""

import json
from os import environ
from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.attempts import may_be_tried_again, start_attempt
from post_call.calls_table import get_call
from post_call.execution import ExecutionInput
from shared.clients import stepfunctions, transient_failures
from shared.errors import CallNotFailed
from shared.observability import step

STATE_MACHINE_ARN = environ["POST_CALL_STATE_MACHINE_ARN"]


class Input(TypedDict):
    call_id: str


class Output(TypedDict):
    call_id: str
    attempt: int


@step
def handler(event: Input, context: LambdaContext) -> Output:
    call_id = event["call_id"]
    call = get_call(call_id)
    if call is None:
        raise CallNotFailed("There is no call with this id.")
    if not may_be_tried_again(call):
        raise CallNotFailed(f"The call is {call['state']}: only a failed one can be started again.")
    attempt = int(call["attempt"]) + 1
    last = input_of(call["execution_arn"])
    if not start_attempt(
        STATE_MACHINE_ARN, call_id, attempt, last["recording"], last["created_at"]
    ):
        raise CallNotFailed(f"Attempt {attempt} of this call was started already.")
    return {"call_id": call_id, "attempt": attempt}


def input_of(execution_arn: str) -> ExecutionInput:
    """What the last attempt was given; Step Functions keeps it for 90 days."""
    with transient_failures():
        execution = stepfunctions().describe_execution(executionArn=execution_arn)
    given: ExecutionInput = json.loads(execution["input"])
    return given
