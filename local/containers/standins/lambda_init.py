#!/usr/bin/python3
"""Stands in for the program with which LocalStack runs a function in a container.

LocalStack starts it as /var/rapid/init, waits until it says that the function is ready, posts each
invocation to it, and is told the log and the answer. The function runs as in the embedded emulator.
"""

import json
import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, "/var/rapid")

from aftercall_emulator.guardian import Guardian
from aftercall_emulator.invocation_report import Limits, Report, is_error, log, payload
from aftercall_emulator.lambda_process import LambdaProcess, Program
from aftercall_emulator.runtime_api import Invocation, Ready

PORT = 9563
LOCALSTACK = os.environ["LOCALSTACK_RUNTIME_ENDPOINT"]
ENVIRONMENT_ID = os.environ["LOCALSTACK_RUNTIME_ID"]
STARTUP_SECONDS = 120
LIMITS = Limits(
    timeout_seconds=int(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"]),
    memory_mb=int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
    max_response_bytes=int(os.environ["LOCALSTACK_MAX_PAYLOAD_SIZE"]),
)


class Function:
    """The function's process, a new one after it has died."""

    def __init__(self) -> None:
        self._guardian = Guardian()
        self._process = self._start()

    def _start(self) -> LambdaProcess:
        program = Program(
            python=Path("/usr/bin/python3"),
            handler=os.environ["_HANDLER"],
            code=Path(os.environ["LAMBDA_TASK_ROOT"]),
            environment={**os.environ, "PYTHONPATH": os.environ["LAMBDA_RUNTIME_DIR"]},
        )
        return LambdaProcess(program, Path("/tmp/lambda"), self._guardian)  # noqa: S108

    def initialise(self) -> bytes | None:
        """None once it is ready, else the error document."""
        outcome, _ = self._process.initialise(STARTUP_SECONDS)
        return None if isinstance(outcome, Ready) else payload("init", outcome, LIMITS)

    def invoke(self, request: dict[str, str]) -> None:
        """Run one invocation and tell LocalStack what came of it."""
        if not self._process.alive:
            self._process = self._start()
            self.initialise()
        invocation = Invocation(
            request_id=request["invoke-id"],
            function_arn=request["invoked-function-arn"],
            trace_id=request["trace-id"],
            deadline_ms=int((time.time() + LIMITS.timeout_seconds) * 1000),
            payload=request["payload"].encode(),
        )
        outcome, seconds = self._process.invoke(invocation, LIMITS.timeout_seconds)
        report = Report(
            request_id=invocation.request_id,
            version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            runtime="python3.13",
            outcome=outcome,
            duration_seconds=seconds,
            init_seconds=None,
            peak_memory_mb=self._process.peak_memory_mb,
            init_output="",
            output=self._process.output.take(),
        )
        path = f"/invocations/{invocation.request_id}"
        tell(f"{path}/logs", json.dumps({"logs": log(report, LIMITS)}).encode())
        answer = payload(invocation.request_id, outcome, LIMITS)
        tell(f"{path}/error" if is_error(outcome, LIMITS) else f"{path}/response", answer)


class Handler(BaseHTTPRequestHandler):
    """Takes one invocation at a time, as LocalStack sends them."""

    function: Function

    def do_POST(self) -> None:
        request: dict[str, str] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response_only(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.function.invoke(request)

    def log_message(self, *_: Any) -> None:
        pass


def tell(path: str, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310
        LOCALSTACK + path, body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310


def main() -> None:
    Handler.function = Function()
    server = HTTPServer(("0.0.0.0", PORT), Handler)  # noqa: S104
    error = Handler.function.initialise()
    if error is not None:
        tell(f"/status/{ENVIRONMENT_ID}/error", error)
        sys.exit(1)
    tell(f"/status/{ENVIRONMENT_ID}/ready", b"{}")
    server.serve_forever()


if __name__ == "__main__":
    main()
