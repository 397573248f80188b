"""Executions of state machines that have ended, as a rule on their status tells of them."""

from typing import TYPE_CHECKING

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
