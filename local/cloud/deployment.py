"""Build and deploy the real template with the real SAM CLI, and read what came of it."""

import fcntl
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
from botocore.exceptions import ClientError

from local.cloud import containers
from local.cloud.issuer import service_credentials
from local.cloud.settings import (
    CREDENTIALS,
    PROJECT_BIN,
    ROOT,
    STACK_NAME,
    CloudError,
    Instance,
    issuer_url,
)


def processor() -> str:
    """This machine's, as Lambda calls it."""
    return {"aarch64": "arm64"}.get(platform.machine(), "x86_64")


PARAMETERS = {
    # Fewer than the processes that may live at once, so that a call's own steps find room.
    "MaxConcurrentCalls": "4",
    "ChunkConcurrency": str(max(2, os.cpu_count() or 1)),
    "LogRetentionDays": "1",
    "Architecture": processor(),
    "SenderEmail": "service@aftercall.example",
    # Nobody wants to wait for half an hour to see a message fail for good.
    "SendTries": "3",
    "RetryBaseSeconds": "1",
    "DeadLetterSeconds": "5",
    "DeadLetters": "1",
    "RedriveSchedule": "rate(1 hour)",
    # Whoever retries waits for the API, which needs a process, too.
    "RedriveConcurrency": "1",
    "MostRedriveBatches": "4",
    "RedrivePulseSeconds": "1",
    "RedrivePatienceSeconds": "120",
    # Each worker has one function run at a time.
    "ReplicationWorkers": "4",
    "PulseSeconds": "2",
    "WorkerPatienceSeconds": "15",
    "ReplicationSchedule": "off",
}
"""What the laptop wants otherwise than production; the template stays the same."""

IN_CONTAINERS = {
    # A function may be a container, which takes a busy laptop many seconds to start.
    "RedrivePatienceSeconds": "900",
    "WorkerPatienceSeconds": "120",
}
"""What is different again where the engine is in containers."""

ARCHIVES_BUCKET = "aftercall-deployments"
"""Where SAM puts the functions' archives; samconfig.toml names it too."""

Progress = Callable[[str], None]


def deploy(instance: Instance, endpoint: str, progress: Progress) -> dict[str, str]:
    """Build what changed, deploy it, and return the stack's outputs."""
    patience = IN_CONTAINERS if instance.service else {}
    parameters = PARAMETERS | patience | own_address(instance)
    overrides = [f'{name}="{value}"' for name, value in parameters.items()]
    with _build_folder(progress):
        progress("building the functions (sam build) ...")
        _sam(["build", "--parameter-overrides", *overrides], endpoint, progress)
        progress("deploying the template (sam deploy) ...")
        client("s3", endpoint).create_bucket(Bucket=ARCHIVES_BUCKET)
        try:
            _sam(["deploy", "--parameter-overrides", *overrides], endpoint, progress)
        except CloudError as error:
            raise CloudError("\n".join([str(error), *failed_resources(endpoint)])) from error
    outputs = stack_outputs(endpoint)
    introduce(instance, endpoint, outputs)
    instance.outputs_file.write_text(json.dumps(outputs, indent=2))
    return outputs


def own_address(instance: Instance) -> dict[str, str]:
    """The parameters that say where functions find the emulator, and the issuer in it."""
    endpoint = instance.functions_endpoint
    issuer = issuer_url(endpoint)
    return {
        "EmulatorEndpoint": endpoint,
        "PlainHttpHosts": instance.service.plain_http_hosts if instance.service else "",
        "TokenIssuer": issuer,
        "TokenJwksUrl": f"{issuer}/jwks.json",
        "TokenUrl": f"{issuer}/token",
    }


def introduce(instance: Instance, endpoint: str, outputs: dict[str, str]) -> None:
    """What a person does by hand on AWS: verify the sender, and give the system its credentials."""
    if instance.service is not None:
        containers.fetch_issuer_file(instance)
    client("ses", endpoint).verify_email_identity(EmailAddress=outputs["SenderEmail"])
    client("secretsmanager", endpoint).put_secret_value(
        SecretId=outputs["ServiceClientSecretName"],
        SecretString=json.dumps(service_credentials(instance)),
    )


@contextmanager
def _build_folder(progress: Progress) -> Iterator[None]:
    """SAM's folder for ourselves: all instances build and deploy from the same one."""
    with (ROOT / ".local" / "deploy.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another deployment ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stack_outputs(endpoint: str) -> dict[str, str]:
    """The deployed stack's outputs, with URLs as this machine reaches them."""
    stack = client("cloudformation", endpoint).describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    return {
        output["OutputKey"]: output["OutputValue"].replace(parameters["EmulatorEndpoint"], endpoint)
        for output in stack.get("Outputs", [])
    }


def failed_resources(endpoint: str) -> list[str]:
    """Which resources failed, and why, in plain lines."""
    try:
        events = client("cloudformation", endpoint).describe_stack_events(StackName=STACK_NAME)
    except ClientError as error:
        return [f"(the stack's events cannot be read: {error})"]
    return [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in events["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]


def client(service: str, endpoint: str):  # type: ignore[no-untyped-def]
    """A boto3 client of the laptop cloud."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def sam_environment(endpoint: str) -> dict[str, str]:
    """SAM's environment: the project's interpreter first on PATH, the laptop cloud as AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return (
        kept
        | CREDENTIALS
        | {
            "PATH": f"{PROJECT_BIN}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.3",  # SAM spares the real CloudFormation; this one is ours.
            "SAM_CLI_BETA_BUILD_PERFORMANCE": "1",
            "SAM_CLI_BETA_PACKAGE_PERFORMANCE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
    )


def _sam(arguments: list[str], endpoint: str, progress: Progress) -> None:
    command = [str(PROJECT_BIN / "sam"), *arguments, "--config-env", "local"]
    begin = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=sam_environment(endpoint),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        said = list(_shown(process.stdout, progress))
    if process.returncode:
        raise CloudError("\n".join([f"sam {arguments[0]} failed:", *said[-25:]]))
    progress(f"  sam {arguments[0]}: {time.monotonic() - begin:.0f} s")


def _shown(lines: Iterator[str], progress: Progress) -> Iterator[str]:
    """Pass SAM's lines on, showing those that tell of progress."""
    for line in lines:
        text = line.rstrip()
        if text.startswith(("Building codeuri", "CREATE_FAILED", "UPDATE_FAILED")):
            progress(f"  {text}")
        yield text
