"""Executions of state machines: starting them once, and what is known of them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from shared.clients import stepfunctions, transient_failures

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef


class ExecutionEnded(BaseModel):
    """The part of `Step Functions Execution Status Change` that matters here."""

    model_config = ConfigDict(hide_input_in_errors=True)  # Errors are logged; keys hold names.

    execution_arn: str = Field(validation_alias=AliasPath("detail", "executionArn"))
    name: str = Field(validation_alias=AliasPath("detail", "name"))
    status: str = Field(validation_alias=AliasPath("detail", "status"))


def describe(execution_arn: str) -> "DescribeExecutionOutputTypeDef":
    """What Step Functions knows of an execution; its `input` is JSON, an `error` may be missing."""
    with transient_failures():
        return stepfunctions().describe_execution(executionArn=execution_arn)


def start_once(state_machine_arn: str, name: str, given: Mapping[str, Any]) -> bool:
    """Start an execution; False where there is one of this name, running or ended."""
    try:
        with transient_failures():
            stepfunctions().start_execution(
                stateMachineArn=state_machine_arn, name=name, input=json.dumps(given)
            )
    except stepfunctions().exceptions.ExecutionAlreadyExists:
        return False
    return True


def status_of(state_machine_arn: str, name: str) -> str | None:
    """How an execution stands; None where there is none of this name."""
    arn = f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
    try:
        return describe(arn)["status"]
    except stepfunctions().exceptions.ExecutionDoesNotExist:
        return None
