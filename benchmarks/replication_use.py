"""What a replication has used of AWS, as the emulator's logs and histories say, and its price."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.replication_model import (
    DOLLARS_PER_GB_SECOND,
    DOLLARS_PER_INVOCATION,
    DOLLARS_PER_READ,
    DOLLARS_PER_TRANSITION,
    DOLLARS_PER_WRITE,
)
from local.cloud.client import Cloud
from local.cloud.logs import function_logs
from local.cloud.settings import Instance

DOLLARS_PER_S3_WRITE = 0.005 / 1000
DOLLARS_PER_S3_READ = 0.0004 / 1000

_REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\S+).*?Billed Duration: (?P<milliseconds>\d+) ms"
    r"\s+Memory Size: (?P<megabytes>\d+) MB"
)
_REQUEST = re.compile(rb"AWS (dynamodb|s3)\.(\w+) => (\d+)")
_READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem"})
_S3_WRITES = frozenset({"PutObject", "ListObjectsV2"})
UNITS_OF_TRANSACTION = 4
"""A transaction is for two scopes of a quota, and each of its writes counts twice."""

UNITS_OF_BATCH = 25
NOT_COUNTED = "ReplicationApi"
"""What the benchmark asks to see how far it is is no part of the work."""


@dataclass
class Use:
    """`reads` and `writes` are units of DynamoDB, about: its items are small."""

    lambda_seconds: float = 0.0
    gb_seconds: float = 0.0
    invocations: int = 0
    reads: int = 0
    writes: int = 0
    s3_writes: int = 0
    s3_reads: int = 0
    transitions: int = 0
    executions: int = 0
    by_function: Counter[str] = field(default_factory=Counter)
    """Seconds."""

    errors: Counter[str] = field(default_factory=Counter)

    @property
    def dollars(self) -> float:
        return (
            self.gb_seconds * DOLLARS_PER_GB_SECOND
            + self.invocations * DOLLARS_PER_INVOCATION
            + self.reads * DOLLARS_PER_READ
            + self.writes * DOLLARS_PER_WRITE
            + self.s3_writes * DOLLARS_PER_S3_WRITE
            + self.s3_reads * DOLLARS_PER_S3_READ
            + self.transitions * DOLLARS_PER_TRANSITION
        )


class Meter:
    """Reads logs and histories from where they end when it is made."""

    def __init__(self, cloud: Cloud, instance: Instance, functions: str) -> None:
        """`functions` is what the names of the functions have in common."""
        self._cloud, self._instance, self._functions = cloud, instance, functions
        self._log_began = instance.log_file.stat().st_size
        self._known = {request for request, *_ in self._reports()}
        self._executions = set(self._executions_now()) if functions != "former" else set()

    def use(self, reads_of_looking: int) -> Use:
        """What has been used since, but for so many reads that were the benchmark's own."""
        use = Use(reads=-reads_of_looking)
        self._add_functions(use)
        self._add_requests(use)
        if self._functions != "former":
            self._add_executions(use)
        return use

    def _add_functions(self, use: Use) -> None:
        for request, name, milliseconds, megabytes in self._reports():
            if request in self._known or NOT_COUNTED in name:
                continue
            use.invocations += 1
            use.lambda_seconds += milliseconds / 1000
            use.gb_seconds += milliseconds / 1000 * megabytes / 1024
            use.by_function[name] += milliseconds / 1000  # type: ignore[assignment]

    def _reports(self) -> Iterator[tuple[str, str, int, int]]:
        name = ""
        for line in function_logs(self._cloud.endpoint, self._functions):
            if line.startswith("== "):
                name = line.removeprefix("== ").removeprefix("aftercall-").split("Function-")[0]
            elif found := _REPORT.search(line):
                yield found["id"], name, int(found["milliseconds"]), int(found["megabytes"])

    def _add_requests(self, use: Use) -> None:
        with self._instance.log_file.open("rb") as log:
            log.seek(self._log_began)
            for line in log:
                if found := _REQUEST.search(line):
                    self._add_request(use, found[1].decode(), found[2].decode())

    def _add_request(self, use: Use, service: str, action: str) -> None:
        if service == "s3":
            use.s3_writes += action in _S3_WRITES
            use.s3_reads += action not in _S3_WRITES
        elif action in _READS:
            use.reads += 1
        else:
            units = {"TransactWriteItems": UNITS_OF_TRANSACTION, "BatchWriteItem": UNITS_OF_BATCH}
            use.writes += units.get(action, 1)

    def _executions_now(self) -> Iterator[str]:
        states = self._cloud.stepfunctions
        for machine in states.list_state_machines()["stateMachines"]:
            if "Replication" in machine["name"]:
                pages = states.get_paginator("list_executions").paginate(
                    stateMachineArn=machine["stateMachineArn"]
                )
                yield from (one["executionArn"] for page in pages for one in page["executions"])

    def _add_executions(self, use: Use) -> None:
        for arn in set(self._executions_now()) - self._executions:
            use.executions += 1
            for event in self._events(arn):
                use.transitions += event["type"].endswith("StateEntered")
                for details in (value for key, value in event.items() if key.endswith("Details")):
                    if event["type"] in ("LambdaFunctionFailed", "TaskFailed", "TaskTimedOut"):
                        use.errors[details.get("error", "Unknown")] += 1

    def _events(self, arn: str) -> Iterator[dict[str, Any]]:
        pages = self._cloud.stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=arn, maxResults=1000
        )
        for page in pages:
            yield from page["events"]
