"""Runs each Lambda execution environment as a local process, without Docker.

LocalStack decides when an environment exists and which one serves an invocation; this executor
gives it a process for each invocation: a warm one of its function, whichever environment started
that, or else a new one (process_pool). So what goes wrong during initialisation is an answer to an
invocation, with its logs, as on AWS.
"""

import functools
import logging
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from localstack import config
from localstack.aws.api.lambda_ import PackageType, ServiceException, TooManyRequestsException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import (
    LambdaRuntimeException,
    RuntimeExecutor,
)

from aftercall_emulator.code_folders import CodeFolders
from aftercall_emulator.event_source_throttling import retry_throttled_event_sources
from aftercall_emulator.guardian import Guardian
from aftercall_emulator.invocation_report import Limits, Report, is_error, log, payload
from aftercall_emulator.lambda_error_names import name_errors_as_aws_does
from aftercall_emulator.lambda_process import LambdaProcess, Program
from aftercall_emulator.process_pool import AllBusyError, ProcessPool
from aftercall_emulator.runtime_api import Exited, Invocation, Ready
from aftercall_emulator.settings import EXECUTOR_NAME, LambdaSettings, read_settings

LOG = logging.getLogger(__name__)

# What LocalStack adds for its own runtime init, and what would be untrue here.
_NOT_FOR_FUNCTIONS = {
    "AWS_LAMBDA_FUNCTION_TIMEOUT",
    "EDGE_PORT",
    "LAMBDA_RUNTIME_DIR",
    "LOCALSTACK_FUNCTION_ACCOUNT_ID",
    "LOCALSTACK_HOSTNAME",
    "LOCALSTACK_INIT_LOG_LEVEL",
    "LOCALSTACK_MAX_PAYLOAD_SIZE",
    "LOCALSTACK_POST_INVOKE_WAIT_MS",
    "LOCALSTACK_RUNTIME_ENDPOINT",
    "LOCALSTACK_RUNTIME_ID",
    "LOCALSTACK_USER",
}
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class LambdaHost:
    """What all executors share."""

    settings: LambdaSettings
    pool: ProcessPool
    guardian: Guardian
    workspaces: Path
    code: CodeFolders


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """What LAMBDA_RUNTIME_EXECUTOR=process loads."""

    name = EXECUTOR_NAME

    def load(self) -> type[RuntimeExecutor]:
        """The executor class."""
        return ProcessExecutor


class ProcessExecutor(RuntimeExecutor):
    """One execution environment; LocalStack gives it one invocation at a time."""

    def __init__(
        self,
        id: str,  # noqa: A002 (LocalStack calls it so)
        function_version: FunctionVersion,
        host: LambdaHost | None = None,
    ) -> None:
        super().__init__(id, function_version)
        self._host = host or shared_host()
        self._environment: dict[str, str] = {}
        self._lock = threading.Lock()
        self._busy: LambdaProcess | None = None
        self._stopped = False

    @property
    def _function(self) -> str:
        """Environments of one version share it; a changed function has another."""
        version = self.function_version
        return f"{version.id.qualified_arn()} {version.config.revision_id}"

    def start(self, env_vars: dict[str, str]) -> None:
        """Remember the environment; a process starts with an invocation that finds none."""
        self._environment = function_environment(env_vars, self.function_version)

    def stop(self) -> None:
        """End the process; a running invocation is answered with ServiceException."""
        with self._lock:
            self._stopped = True
            process = self._busy
            idle = None if process else self._host.pool.take(self._function)
        if process is not None:
            process.kill()
        elif idle is not None:
            idle.end()
            self._host.pool.release(self._function)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation in a process of this function, starting one if there is none."""
        process = self._host.pool.take(self._function, patiently=True)
        cold = process is None
        if cold:
            process = self._start_process()
        with self._lock:
            self._busy = process
        try:
            return self._invoke(process, payload, cold)
        finally:
            self._put_back(process)

    def _invoke(
        self, process: LambdaProcess, request: dict[str, str], cold: bool
    ) -> InvocationResult:
        limits = self._limits()
        init_seconds, init_output, duration, outcome = None, "", 0.0, Ready()
        if cold:
            # A machine with few cores starts many environments at once: LocalStack's own bound
            # for a start, where it is longer than the function's.
            allowed = max(limits.timeout_seconds, config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT)
            outcome, init_seconds = process.initialise(allowed)
            init_output = process.output.take()
        if isinstance(outcome, Ready):
            outcome, duration = process.invoke(
                self._invocation(request, limits), limits.timeout_seconds
            )
        if self._stopped and isinstance(outcome, Exited):
            raise ServiceException(f"The environment was stopped while it ran: {self.id}")
        report = Report(
            request_id=request["invoke-id"],
            version=self.function_version.id.qualifier,
            runtime=self._host.settings.runtime,
            outcome=outcome,
            duration_seconds=duration,
            init_seconds=init_seconds,
            peak_memory_mb=process.peak_memory_mb,
            init_output=init_output,
            output=process.output.take(),
        )
        return InvocationResult(
            request_id=report.request_id,
            payload=payload(report.request_id, outcome, limits),
            is_error=is_error(outcome, limits),
            logs=log(report, limits),
        )

    def _invocation(self, request: dict[str, str], limits: Limits) -> Invocation:
        return Invocation(
            request_id=request["invoke-id"],
            function_arn=request["invoked-function-arn"],
            trace_id=request["trace-id"],
            deadline_ms=int((time.time() + limits.timeout_seconds) * 1000),
            payload=request["payload"].encode(),
        )

    def _start_process(self) -> LambdaProcess:
        try:
            self._host.pool.claim(self._function)
        except AllBusyError as error:
            raise TooManyRequestsException(
                "Rate Exceeded.", Reason="ConcurrentInvocationLimitExceeded", Type="User"
            ) from error
        program = Program(
            python=self._host.settings.python,
            handler=self.function_version.config.handler,
            code=self._host.code.of(self.function_version.config.code),
            environment=self._environment,
        )
        try:
            process = LambdaProcess(program, self._host.workspaces, self._host.guardian)
        except OSError:
            self._host.pool.release(self._function)
            raise
        LOG.info(
            "Cold start of %s: process %d", self.function_version.id.function_name, process.pid
        )
        return process

    def _put_back(self, process: LambdaProcess) -> None:
        with self._lock:
            self._busy = None
            reusable = process.alive and not self._stopped
            if reusable:
                self._host.pool.keep(self._function, process)
        if not reusable:
            process.end()
            self._host.pool.release(self._function)

    def _limits(self) -> Limits:
        return Limits(
            timeout_seconds=self.function_version.config.timeout,
            memory_mb=self.function_version.config.memory_size,
            max_response_bytes=config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES,
        )

    def get_address(self) -> str:
        """Where the process is."""
        return _LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """Where the process finds LocalStack; part of AWS_ENDPOINT_URL."""
        return _LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """Of no use here: each process has a Runtime API of its own."""
        return f"http://{_LOOPBACK}"

    def get_logs(self) -> str:
        """Nothing besides what each invocation has delivered."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unzip the code, or refuse what cannot run here; the reason appears in GetFunction."""
        host = shared_host()
        refuse_unsupported(function_version, host.settings)
        host.code.of(function_version.config.code)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing was made that LocalStack does not remove itself."""


def refuse_unsupported(function_version: FunctionVersion, settings: LambdaSettings) -> None:
    """Say clearly why a function cannot run as a process, instead of running it wrongly."""
    function = function_version.id.function_name
    if function_version.config.package_type == PackageType.Image:
        raise LambdaRuntimeException(f"{function}: functions of PackageType Image cannot run here")
    if function_version.config.layers:
        raise LambdaRuntimeException(f"{function}: layers are not applied here, package them")
    if function_version.config.runtime != settings.runtime:
        raise LambdaRuntimeException(
            f"{function}: its runtime is {function_version.config.runtime},"
            f" here is {settings.runtime}"
        )


def function_environment(
    env_vars: dict[str, str], function_version: FunctionVersion
) -> dict[str, str]:
    """What AWS would set, out of what LocalStack sets, and what the function declares."""
    declared = function_version.config.environment or {}
    environment = {
        name: str(value) for name, value in env_vars.items() if name not in _NOT_FOR_FUNCTIONS
    }
    environment |= {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function_version.config.runtime}",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        **declared,
    }
    if not environment.get("AWS_ENDPOINT_URL"):
        # Empty means AWS to botocore, and never that here: `sam local invoke` wants the variable
        # declared in the template, where it is empty.
        port = config.GATEWAY_LISTEN[0].port
        environment["AWS_ENDPOINT_URL"] = f"http://{_LOOPBACK}:{port}"
    return environment


_first_use = threading.Lock()


def shared_host() -> LambdaHost:
    """The one host of this emulator, made at its first use."""
    with _first_use:
        return _make_host()


@functools.cache
def _make_host() -> LambdaHost:
    name_errors_as_aws_does()
    retry_throttled_event_sources()
    settings = read_settings(os.environ)
    workspaces = Path(tempfile.gettempdir()) / "lambda"
    return LambdaHost(
        settings=settings,
        pool=ProcessPool(settings.max_processes),
        guardian=Guardian(),
        workspaces=workspaces,
        code=CodeFolders(workspaces / "code"),
    )
