"""Runs one deployed function on its sample event."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from local.cloud.deployment import client
from local.cloud.settings import ROOT, STACK_NAME, CloudError


@dataclass(frozen=True)
class Answer:
    """What a function answered; `payload` is JSON, an error's too."""

    payload: str
    log: str
    failed: bool


def invoke_with_sample(cloud: Cloud, logical_id: str, event: Path | None) -> Answer:
    """Invoke a function with an event, its resources' sample names made the deployed ones."""
    names = physical_names(cloud)
    if logical_id not in names:
        functions = sorted(name for name in names if name.endswith("Function"))
        raise CloudError(
            "\n  ".join([f"no function {logical_id} is deployed; there are", *functions])
        )
    awslambda = client("lambda", cloud.endpoint)
    handler = awslambda.get_function_configuration(FunctionName=names[logical_id])["Handler"]
    text = (event or sample_event(handler)).read_text()
    return invoke(cloud, logical_id, with_physical_names(text, names))


def invoke(cloud: Cloud, logical_id: str, event: str) -> Answer:
    """Invoke a function with an event, given as JSON, and wait for its answer."""
    reply = client("lambda", cloud.endpoint).invoke(
        FunctionName=physical_names(cloud)[logical_id], Payload=event.encode(), LogType="Tail"
    )
    return Answer(
        payload=json.dumps(json.load(reply["Payload"]), indent=2, ensure_ascii=False),
        log=base64.b64decode(reply["LogResult"]).decode(),
        failed="FunctionError" in reply,
    )


def physical_names(cloud: Cloud) -> dict[str, str]:
    """Logical id -> physical name of everything that is deployed."""
    try:
        pages = client("cloudformation", cloud.endpoint).describe_stack_resources(
            StackName=STACK_NAME
        )
    except ClientError as error:
        raise CloudError(f"the stack cannot be read: {error}") from error
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in pages["StackResources"]}


def sample_event(handler: str) -> Path:
    """`post_call.fetch_recording.handler` has its event in events/post_call."""
    domain, step, _ = handler.split(".")
    return ROOT / "events" / domain / f"{step}.json"


def with_physical_names(text: str, names: dict[str, str]) -> str:
    """Sample events name a resource `<stack>-<logical id>`, a bucket in small letters."""
    for logical_id, physical_name in sorted(names.items(), key=lambda item: -len(item[0])):
        sample = f"{STACK_NAME}-{logical_id}"
        text = text.replace(f'"{sample}"', f'"{physical_name}"')
        text = text.replace(f'"{sample.lower()}"', f'"{physical_name}"')
    return text
