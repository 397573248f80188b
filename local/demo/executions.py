"""How far an execution is, as its history tells it."""

from local.cloud.client import Cloud


def states_entered(cloud: Cloud, execution_arn: str) -> list[str]:
    """The states that an execution has entered so far, in order; none of one not started yet."""
    pages = cloud.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn
    )
    try:
        events = [event for page in pages for event in page["events"]]
    except cloud.stepfunctions.exceptions.ExecutionDoesNotExist:
        return []
    return [
        e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e
    ]


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of a machine's execution of this name."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
