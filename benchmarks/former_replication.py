"""The former design as it was described: Lambda functions that run Lambda functions, all customers
at once, no pacing, and a task that is repeated as a whole.

It runs on the same emulator and the same simulators as Aftercall, with Aftercall's own storage
clients: only the design differs. What it is given besides, so that it is no straw man:

- connections that a warm function keeps, as Aftercall's own steps have them;
- few functions at once, for which the instance has processes. On AWS it would have up to a
  thousand, and be refused far more often;
- an orchestrator that goes on in another one before its time is up, and knows what is done;
- a task that is tried again looks into folders first, and sends nothing that is there;
- each run begins at once when the one before is through: nobody has to notice and start it.
"""

import io
import time
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.replication_watch import Watch
from local.cloud.client import Cloud
from local.cloud.deployment import client
from replication.rules.periods import Period

TABLE = "former-entities"
ORCHESTRATOR = "former-orchestrate"
TASK = "former-replicate-entity"
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Settings:
    """`lambda_seconds` stands for Lambda's 15 minutes, because a benchmark's month is short.
    `request_tries` is how often a refused request is sent before the task fails. After so many runs
    or seconds the month is given up.
    """

    lambda_seconds: int
    request_tries: int
    most_runs: int
    most_seconds: float
    at_once: int


@dataclass
class Former:
    """The design, deployed; it begins with nothing done each time that it is."""

    cloud: Cloud
    settings: Settings

    def deploy(self) -> None:
        functions, tables = client("lambda", self.cloud.endpoint), self.cloud.dynamodb
        if TABLE in tables.list_tables()["TableNames"]:
            tables.delete_table(TableName=TABLE)
        tables.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        )
        theirs = next(
            one
            for page in functions.get_paginator("list_functions").paginate()
            for one in page["Functions"]
            if "ReplicationUploadFolders" in one["FunctionName"]
        )
        archive = with_handlers(functions.get_function(FunctionName=theirs["FunctionName"]))
        for name in (ORCHESTRATOR, TASK):
            self._delete(functions, name)
            functions.create_function(
                FunctionName=name,
                Runtime=theirs["Runtime"],
                Role=theirs["Role"],
                Handler=f"former.{name.removeprefix('former-').replace('-', '_')}.handler",
                Code={"ZipFile": archive},
                Timeout=self.settings.lambda_seconds,
                MemorySize=1024 if name == TASK else 512,
                Architectures=theirs["Architectures"],
                Environment={"Variables": self._environment(theirs)},
            )
            functions.get_waiter("function_active_v2").wait(FunctionName=name)
        functions.put_function_event_invoke_config(
            FunctionName=ORCHESTRATOR, MaximumRetryAttempts=0
        )

    def _delete(self, functions: Any, name: str) -> None:
        try:
            functions.delete_function(FunctionName=name)
        except functions.exceptions.ResourceNotFoundException:
            return

    def _environment(self, theirs: dict[str, Any]) -> dict[str, str]:
        return theirs["Environment"]["Variables"] | {
            "FORMER_TABLE_NAME": TABLE,
            "TASK_FUNCTION": TASK,
            "AT_ONCE": str(self.settings.at_once),
            "REQUEST_TRIES": str(self.settings.request_tries),
        }

    def run(
        self, period: Period, entities: int, watch: Watch, say: Callable[[str], None]
    ) -> "Outcome":
        """Run all again and again until all is there, or it is given up."""
        outcome, settings = Outcome(), self.settings
        while outcome.done < entities and outcome.runs < settings.most_runs:
            if watch.seconds > settings.most_seconds:
                break
            outcome.runs += 1
            self._run(period, outcome, watch, say)
        return outcome

    def _run(
        self, period: Period, outcome: "Outcome", watch: Watch, say: Callable[[str], None]
    ) -> None:
        functions = client("lambda", self.cloud.endpoint)
        payload = f'{{"run": {outcome.runs}, "period": "{period}", "left": null}}'
        functions.invoke(FunctionName=ORCHESTRATOR, InvocationType="Event", Payload=payload)
        began, said = time.time(), 0.0
        while True:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            outcome.done, run = self._look(outcome.runs)
            outcome.looks += 1
            watch.done.append((watch.seconds, outcome.done))
            if time.time() - said > 10:
                said = time.time()
                say(f"run {outcome.runs}: {outcome.done} entities done")
            if "ended" in run:
                break
            # The chain broke off: its function was killed, or its time was up. Somebody sees that.
            if time.time() - run.get("began", began) > self.settings.lambda_seconds + 5:
                outcome.broken += 1
                break
        for name, number in run.items():
            if name.startswith("error "):
                outcome.errors[name.removeprefix("error ")] += int(number)
        outcome.tries += int(run.get("tries", 0))
        outcome.failed += int(run.get("failed", 0))

    def _look(self, run: int) -> tuple[int, dict[str, float]]:
        """How many entities are done, and what is known of a run."""
        pages = self.cloud.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        items = [item for page in pages for item in page["Items"]]
        of_run = next((item for item in items if item["name"]["S"] == f"run {run}"), {})
        known = {name: float(value["N"]) for name, value in of_run.items() if "N" in value}
        return sum("state" in item for item in items), known


@dataclass
class Outcome:
    """`failed` are tasks that failed three times, `errors` all failed tries by their error."""

    runs: int = 0
    broken: int = 0
    done: int = 0
    tries: int = 0
    failed: int = 0
    looks: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def with_handlers(function: dict[str, Any]) -> bytes:
    """Aftercall's own archive, as it is deployed, with the former functions beside its code."""
    with urllib.request.urlopen(function["Code"]["Location"]) as reply:
        archive = io.BytesIO(reply.read())
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted((Path(__file__).parent / "former").glob("*.py")):
            zipped.write(path, f"former/{path.name}")
    return archive.getvalue()
