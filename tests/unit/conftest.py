"""What every unit test runs in: no network, nothing of the host, and the template's environment."""

import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.moto_api._internal.models import moto_api_backend

from .template import REGION, REPOSITORY, Template, client, template

_INHERITED = ("AWS_", "_X_AMZN", "LAMBDA_", "POWERTOOLS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_NO_HOST = {
    "AWS_ACCESS_KEY_ID": "nobodys-key",
    "AWS_SECRET_ACCESS_KEY": "nobodys-secret",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "POWERTOOLS_TRACE_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def _nothing_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(_INHERITED):
            monkeypatch.delenv(name)
    for name, value in _NO_HOST.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that opens a connection fails, whatever the code makes of the error."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refuse(real: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(self: socket.socket, address: Any) -> Any:
            if self.family == socket.AF_UNIX:
                return real(self, address)
            pytest.fail(f"a unit test tried to open a network connection to {address}")

        return guarded

    monkeypatch.setattr(socket.socket, "connect", refuse(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", refuse(connect_ex))


@dataclass(frozen=True)
class Context:
    """What a handler gets of its invocation."""

    function_name: str = "any-function"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:any-function"
    aws_request_id: str = "any-request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def context() -> Context:
    return Context()


class Cloud:
    """The template's resources in moto, by their logical ids, and clients to look at them."""

    def __init__(self, declared: Template) -> None:
        self.name = declared.name
        self.arn = declared.arn
        self.ref = declared.ref
        self.s3 = client("s3")
        self.sqs = client("sqs")
        self.dynamodb = client("dynamodb")
        self.stepfunctions = client("stepfunctions")

    def put_json(self, pointer: dict[str, str], document: Any) -> dict[str, str]:
        self.s3.put_object(
            Bucket=pointer["bucket"], Key=pointer["key"], Body=json.dumps(document).encode()
        )
        return pointer

    def read_json(self, pointer: dict[str, str]) -> Any:
        reply = self.s3.get_object(Bucket=pointer["bucket"], Key=pointer["key"])
        return json.loads(reply["Body"].read())

    def keys(self, bucket_id: str) -> list[str]:
        reply = self.s3.list_objects_v2(Bucket=self.name(bucket_id))
        return [entry["Key"] for entry in reply.get("Contents", [])]

    def watch_bus(self) -> Callable[[], list[dict[str, Any]]]:
        """Gather what is published from now on: a queue behind a rule for everything."""
        queue_url = self.sqs.create_queue(QueueName="everything-published")["QueueUrl"]
        events, bus = client("events"), self.name("EventBus")
        events.put_rule(Name="everything", EventBusName=bus, EventPattern='{"version": ["0"]}')
        events.put_targets(
            Rule="everything",
            EventBusName=bus,
            Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:everything-published"}],
        )

        def published() -> list[dict[str, Any]]:
            reply = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
            return [json.loads(message["Body"]) for message in reply.get("Messages", [])]

        return published


@pytest.fixture(scope="session")
def _moto() -> Iterator[None]:
    """One mock for all tests: clients, which take long to make, are kept and stay mocked."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in _NO_HOST.items():
            monkeypatch.setenv(name, value)
        with mock_aws():
            yield


@pytest.fixture
def wanted() -> Container[str] | None:
    """The logical ids of what `cloud` has; None is everything that the template declares."""
    return None


@pytest.fixture
def cloud(_nothing_of_the_host: None, _moto: None, wanted: Container[str] | None) -> Cloud:
    """An empty cloud with the template's resources."""
    moto_api_backend.reset()
    template().create_resources(wanted)
    return Cloud(template())


@pytest.fixture
def step(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a handler's module under the environment that the template gives its function."""

    def load(module: str, **changed: str) -> ModuleType:
        for name, value in (template().environment_of(module) | changed).items():
            monkeypatch.setenv(name, value)
        _forget_modules()
        loaded = importlib.import_module(module)
        observability = importlib.import_module("shared.observability")
        observability.logger.registered_handler.stream = _Stdout()
        return loaded

    yield load
    _forget_modules()
    if observability := sys.modules.get("shared.observability"):
        observability.metrics.provider.clear_metrics()


@pytest.fixture
def observability(step: Callable[[str], ModuleType]) -> ModuleType:
    """`shared.observability` as a function has it."""
    step("post_call.score_sentiment")
    return importlib.import_module("shared.observability")


@pytest.fixture
def event_of() -> Callable[[str], Any]:
    """The event of a function, `events/<domain>/<file>.json`; each call gives a fresh one."""

    def read(module: str) -> Any:
        path = REPOSITORY / "events" / f"{module.replace('.', '/')}.json"
        return json.loads(path.read_text())

    return read


@pytest.fixture
def intercept(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something right before or after the nth AWS call of a kind; it may raise.

    `before` is what happens meanwhile, or an error instead of the call; `after`, when it raises,
    is a reply lost on its way back.
    """

    def use(
        operation: str,
        *,
        before: Callable[[], Any] = lambda: None,
        after: Callable[[], Any] = lambda: None,
        nth: int = 1,
    ) -> None:
        real, calls = BaseClient._make_api_call, iter(range(1, sys.maxsize))

        def call(client: BaseClient, name: str, arguments: dict[str, Any]) -> Any:
            chosen = name == operation and next(calls) == nth
            if chosen:
                before()
            reply = real(client, name, arguments)
            if chosen:
                after()
            return reply

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    return use


_SHARED_WITH_SETTINGS = ("shared.identity", "shared.rest", "shared.service_token")


def _forget_modules() -> None:
    """Steps and what lies beside them read the environment at import. Rules and audio do not."""
    for name in _SHARED_WITH_SETTINGS:
        sys.modules.pop(name, None)
    domains = {path.name for path in (REPOSITORY / "functions").iterdir()} - {"shared"}
    for name in list(sys.modules):
        domain, _, rest = name.partition(".")
        if domain in domains and rest and "." not in rest:
            module = sys.modules[name]
            if getattr(module, "__file__", None):  # Packages of rules stay.
                del sys.modules[name]


class _Stdout:
    """The standard output of the moment. Powertools keeps the first; capsys has one a test."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()
