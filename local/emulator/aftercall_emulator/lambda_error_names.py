"""A Task whose Resource is a function's ARN fails with the names that AWS gives Lambda's errors.

LocalStack calls every refusal of Lambda (a throttle, a stopped environment) "Exception" there, so
that no Retry for Lambda.TooManyRequestsException meets it. Its `arn:aws:states:::lambda:invoke`
has the right names, and they are taken from it.
"""

from typing import Any

from botocore.exceptions import ClientError
from localstack.aws.api.stepfunctions import HistoryEventType, LambdaFunctionFailedEventDetails
from localstack.services.stepfunctions.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEvent,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task import (
    state_task_lambda,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (  # noqa: E501
    state_task_service_lambda,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.event.event_detail import EventDetails
from localstack.utils.patch import patch


def name_errors_as_aws_does() -> None:
    """To be called when Lambda is first used; at the emulator's start it would make it slower."""

    @patch(state_task_lambda.StateTaskLambda._from_error)
    def _from_error(fn: Any, task: Any, env: Environment, ex: Exception) -> FailureEvent:
        if not isinstance(ex, ClientError):
            return fn(task, env, ex)
        names = state_task_service_lambda.StateTaskServiceLambda
        error, cause = names._error_cause_from_client_error(ex)
        details = LambdaFunctionFailedEventDetails(error=error, cause=cause)
        return FailureEvent(
            env=env,
            error_name=CustomErrorName(error),
            event_type=HistoryEventType.LambdaFunctionFailed,
            event_details=EventDetails(lambdaFunctionFailedEventDetails=details),
        )
