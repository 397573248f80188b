"""The laptop cloud: an emulator of AWS, inside this project without Docker, or in containers."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local.cloud import (
    calls,
    deployment,
    emulator,
    engines,
    invocation,
    issuer,
    logs,
    mailbox,
    sam_local,
)
from local.cloud.client import Cloud
from local.cloud.settings import ENGINES, INTERRUPTED, CloudError, Instance, instance_on

VOLATILE = "All state is in memory: a stop or a crash loses it, and `make deploy` begins anew."


def main() -> int:
    arguments = parse()
    instance = instance_on(arguments.engine, Instance(arguments.instance))
    try:
        command: Callable[[Instance, argparse.Namespace], int] = COMMANDS[arguments.command]
        return command(instance, arguments)
    except CloudError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say(INTERRUPTED)
        return 130


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="embedded", help="what plays AWS")
    parser.add_argument("--instance", default="dev", help="which embedded one (default: dev)")
    commands = parser.add_subparsers(dest="command", required=True)
    begin = commands.add_parser("start", help="start the emulator and wait until it answers")
    begin.add_argument("--port", type=int, help="port on 127.0.0.1 (default: 4566, or a free one)")
    commands.add_parser(
        "deploy", help="sam build and sam deploy into it; an embedded one is started"
    )
    commands.add_parser("status", help="what runs, where, and what is deployed")
    commands.add_parser("stop", help="stop it and everything it started")
    commands.add_parser("reset", help="stop it, forget all state, start and deploy again")
    show = commands.add_parser("logs", help="logs of the functions, or of the emulator itself")
    show.add_argument("--function", default="", help="only functions whose name contains this")
    show.add_argument("--emulator", action="store_true", help="the emulator's own log")
    call = commands.add_parser("call", help="read one call: its record and its redacted document")
    call.add_argument("call_id", help="the call's id, or how it begins")
    again = commands.add_parser("redrive", help="start a failed call again")
    again.add_argument("call_id", help="the call's id, or how it begins")
    run = commands.add_parser("invoke", help="run one deployed function on its sample event")
    run.add_argument("function", help="its logical id, such as PostCallFetchRecordingFunction")
    run.add_argument("--event", type=Path, help="another event than events/<domain>/<step>.json")
    alone = commands.add_parser("sam-invoke", help="run one in a container of Lambda's own image")
    alone.add_argument("function", help="its logical id")
    alone.add_argument("--event", type=Path, help="another event than events/<domain>/<step>.json")
    api = commands.add_parser("sam-api", help="serve the REST API with containers of that image")
    api.add_argument("--port", type=positive, default=3000, help="on 127.0.0.1 (default: 3000)")
    post = commands.add_parser("mailbox", help="the e-mails and SMS that went out, newest last")
    post.add_argument("--to", default="", help="only to this address or number, or a part of it")
    token = commands.add_parser("token", help="a token for the REST API, signed by this cloud")
    token.add_argument(
        "--role", action="append", required=True, choices=issuer.ROLES, help="may come repeatedly"
    )
    token.add_argument("--subject", default="developer", help="whom it names (default: developer)")
    token.add_argument("--minutes", type=positive, default=60, help="how long it is valid")
    return parser.parse_args()


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return int(text)


def start(instance: Instance, arguments: argparse.Namespace) -> int:
    endpoint = engines.start(instance, arguments.port, say)
    say(f"ready at {endpoint}. {VOLATILE}")
    return 0


def deploy(instance: Instance, arguments: argparse.Namespace) -> int:
    begin = time.monotonic()
    endpoint = engines.ready(instance, say)
    outputs = deployment.deploy(instance, endpoint, say)
    say(f"deployed in {time.monotonic() - begin:.0f} s:")
    for name, value in sorted(outputs.items()):
        say(f"  {name:34} {value}")
    return 0


def status(instance: Instance, arguments: argparse.Namespace) -> int:
    endpoint = engines.endpoint_of(instance)
    if endpoint is None:
        say("the laptop cloud does not run; `make up` starts it.")
        return 1
    say(f"runs at {endpoint}")
    services = emulator.health(endpoint) or {}
    say("services in use: " + ", ".join(n for n, state in services.items() if state == "running"))
    if instance.outputs_file.exists():
        for name, value in sorted(deployment.stack_outputs(endpoint).items()):
            say(f"  {name:34} {value}")
    else:
        say("nothing is deployed; `make deploy` does it.")
    return 0


def stop(instance: Instance, arguments: argparse.Namespace) -> int:
    stopped = engines.stop(instance, say)
    say("stopped." if stopped else "the laptop cloud did not run.")
    return 0


def reset(instance: Instance, arguments: argparse.Namespace) -> int:
    engines.stop(instance, say)
    engines.start(instance, None, say)
    return deploy(instance, arguments)


def show_logs(instance: Instance, arguments: argparse.Namespace) -> int:
    if arguments.emulator:
        sys.stdout.write(engines.log_of(instance))
        return 0
    endpoint = engines.endpoint_of(instance)
    if endpoint is None:
        raise CloudError("the laptop cloud does not run; `make up` starts it.")
    for line in logs.function_logs(endpoint, arguments.function):
        say(line)
    return 0


def read_call(instance: Instance, arguments: argparse.Namespace) -> int:
    for line in calls.describe(running_cloud(instance), arguments.call_id):
        say(line)
    return 0


def invoke(instance: Instance, arguments: argparse.Namespace) -> int:
    cloud = running_cloud(instance)
    answer = invocation.invoke_with_sample(cloud, arguments.function, arguments.event)
    say(answer.log)
    say(answer.payload)
    return 1 if answer.failed else 0


def sam_invoke(instance: Instance, arguments: argparse.Namespace) -> int:
    cloud = containers_cloud(instance)
    sam_local.invoke(cloud, instance, arguments.function, arguments.event)


def sam_api(instance: Instance, arguments: argparse.Namespace) -> int:
    sam_local.start_api(containers_cloud(instance), instance, arguments.port)


def redrive(instance: Instance, arguments: argparse.Namespace) -> int:
    cloud = running_cloud(instance)
    event = json.dumps({"call_id": calls.find(cloud, arguments.call_id)["call_id"]})
    answer = invocation.invoke(cloud, "PostCallRedriveCallFunction", event)
    if answer.failed:
        raise CloudError(json.loads(answer.payload)["errorMessage"])
    say(f"attempt {json.loads(answer.payload)['attempt']} started; `make call` shows how it goes.")
    return 0


def read_mailbox(instance: Instance, arguments: argparse.Namespace) -> int:
    endpoint = engines.endpoint_of(instance)
    if endpoint is None:
        raise CloudError("the laptop cloud does not run; `make up` starts it.")
    for line in mailbox.describe(endpoint, arguments.to):
        say(line)
    return 0


def print_token(instance: Instance, arguments: argparse.Namespace) -> int:
    if engines.endpoint_of(instance) is None:
        raise CloudError("the laptop cloud does not run; `make up` starts it.")
    say(issuer.issue_token(instance, arguments.subject, arguments.role, 60 * arguments.minutes))
    return 0


def running_cloud(instance: Instance) -> Cloud:
    """The laptop cloud with what is deployed in it."""
    endpoint = engines.endpoint_of(instance)
    if endpoint is None or not instance.outputs_file.exists():
        raise CloudError("nothing is deployed; `make deploy` does it.")
    return Cloud(endpoint, deployment.stack_outputs(endpoint))


def containers_cloud(instance: Instance) -> Cloud:
    """The same, where functions in containers reach it."""
    if instance.service is None:
        raise CloudError(
            "a container does not reach 127.0.0.1 of this machine: choose ENV=localstack or"
            " ENV=container."
        )
    return running_cloud(instance)


COMMANDS: dict[str, Callable[[Instance, argparse.Namespace], int]] = {
    "start": start,
    "deploy": deploy,
    "status": status,
    "stop": stop,
    "reset": reset,
    "logs": show_logs,
    "call": read_call,
    "invoke": invoke,
    "sam-invoke": sam_invoke,
    "sam-api": sam_api,
    "redrive": redrive,
    "mailbox": read_mailbox,
    "token": print_token,
}


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make logs | head` is no error.
    sys.exit(main())
