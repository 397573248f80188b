"""What AWS says about an invocation: its error documents and its log lines, as pure functions."""

import json
import math
import signal
from dataclasses import dataclass
from datetime import UTC, datetime

from aftercall_emulator.runtime_api import Exited, Failed, InitFailed, Outcome, Responded, TimedOut


@dataclass(frozen=True)
class Limits:
    """What the function was given."""

    timeout_seconds: int
    memory_mb: int
    max_response_bytes: int


@dataclass(frozen=True)
class Report:
    """One invocation, measured."""

    request_id: str
    version: str
    runtime: str
    outcome: Outcome
    duration_seconds: float
    init_seconds: float | None  # None when warm
    peak_memory_mb: int
    init_output: str
    output: str


def is_error(outcome: Outcome, limits: Limits) -> bool:
    """Whether AWS would call it a function error."""
    return not isinstance(outcome, Responded) or len(outcome.body) > limits.max_response_bytes


def payload(request_id: str, outcome: Outcome, limits: Limits) -> bytes:
    """The answer's body: the handler's own, or the error document of AWS."""
    match outcome:
        case Responded(body) if len(body) > limits.max_response_bytes:
            return _error(
                "Function.ResponseSizeTooLarge",
                "Response payload size exceeded maximum allowed payload size"
                f" ({limits.max_response_bytes} bytes).",
            )
        case Responded(body) | Failed(body) | InitFailed(body):
            return body
        case TimedOut():
            message = f"RequestId: {request_id} Error: {_timed_out(limits)}"
            return _error("Sandbox.Timedout", message)
        case Exited(returncode):
            return _error("Runtime.ExitError", _exited(request_id, returncode))
    raise TypeError(f"{outcome} is no end of an invocation")


def log(report: Report, limits: Limits) -> str:
    """Everything one invocation puts into its log stream, the platform's lines included."""
    request_id = report.request_id
    lines = [f"START RequestId: {request_id} Version: {report.version}\n", report.output]
    if report.init_seconds is not None:
        lines[:0] = [f"INIT_START Runtime Version: {report.runtime}\n", report.init_output]
    if isinstance(report.outcome, TimedOut):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        lines.append(f"{now}Z {request_id} {_timed_out(limits)}\n")
    if isinstance(report.outcome, Exited):
        lines.append(f"{_exited(request_id, report.outcome.returncode)}\nRuntime.ExitError\n")
    lines += [f"END RequestId: {request_id}\n", _report_line(report, limits)]
    return "".join(lines)


def _report_line(report: Report, limits: Limits) -> str:
    init_seconds = report.init_seconds or 0.0
    parts = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_seconds * 1000:.2f} ms",
        f"Billed Duration: {math.ceil((report.duration_seconds + init_seconds) * 1000)} ms",
        f"Memory Size: {limits.memory_mb} MB",
        f"Max Memory Used: {report.peak_memory_mb} MB",
    ]
    if report.init_seconds is not None:
        parts.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
    if isinstance(report.outcome, TimedOut):
        parts.append("Status: timeout")
    elif isinstance(report.outcome, Exited):
        parts.append("Status: error\tError Type: Runtime.ExitError")
    return "\t".join(parts) + "\n"


def _timed_out(limits: Limits) -> str:
    return f"Task timed out after {limits.timeout_seconds:.2f} seconds"


def _exited(request_id: str, returncode: int) -> str:
    if returncode == 0:
        reason = "Runtime exited without providing a reason"
    elif returncode > 0:
        reason = f"Runtime exited with error: exit status {returncode}"
    else:
        name = signal.strsignal(-returncode) or f"signal {-returncode}"
        reason = f"Runtime exited with error: signal: {name.lower()}"
    return f"RequestId: {request_id} Error: {reason}"


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()
