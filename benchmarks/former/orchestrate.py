"""The former design's orchestrator: a function that has another one run for every entity.

It starts all customers' entities at once, as many at a time as there may be functions, waits for
each, and tries a failed one again after a moment. Before its own time is up, it has itself run for
what is left: a chain. What has failed too often is counted; nobody does anything about it but run
everything again that is not done.
"""

import json
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from replication.rules.paths import folder_names
from shared.clients import dynamodb
from shared.customers import whole_customers

CUSTOMERS_TABLE_NAME = os.environ["CUSTOMERS_TABLE_NAME"]
FORMER_TABLE_NAME = os.environ["FORMER_TABLE_NAME"]
TASK_FUNCTION = os.environ["TASK_FUNCTION"]
AT_ONCE = int(os.environ["AT_ONCE"])
TRIES = 3
BACKOFF_SECONDS = 1.0
"""Before the second attempt; twice that before the third."""

RESERVED = 0.3
"""The part of its time in which the orchestrator starts nothing new."""

functions = boto3.client(
    "lambda",
    config=Config(
        read_timeout=910, max_pool_connections=AT_ONCE, retries={"total_max_attempts": 5}
    ),
)


def handler(event: dict[str, Any], context: Any) -> None:
    """`event` is {run, period, left}; `left` is None in the first of a run's chain."""
    remaining = context.get_remaining_time_in_millis() / 1000
    ends = time.time() + (1 - RESERVED) * remaining
    tasks = event["left"] or entities_not_done()
    random.shuffle(tasks)
    note(event["run"], Counter(links=1), began=time.time())
    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = list(threads.map(lambda task: performed(task, event["period"], ends), tasks))
    counts: Counter[str] = Counter()
    for _, errors in outcomes:
        counts.update(errors)
    pairs = zip(tasks, outcomes, strict=True)
    left = [task for task, (came_of_it, _) in pairs if came_of_it == "later"]
    counts["failed"] = sum(came_of_it == "failed" for came_of_it, _ in outcomes)
    if left:
        note(event["run"], counts)
        functions.invoke(
            FunctionName=context.function_name,
            InvocationType="Event",
            Payload=json.dumps(event | {"left": left}),
        )
        return
    note(event["run"], counts, ended=time.time())


def entities_not_done() -> list[dict[str, str]]:
    done = set()
    for page in dynamodb().get_paginator("scan").paginate(TableName=FORMER_TABLE_NAME):
        done |= {item["name"]["S"] for item in page["Items"]}
    tasks, start = [], None
    while True:
        page = whole_customers(CUSTOMERS_TABLE_NAME, start)
        for customer, entities in page.customers:
            names = folder_names([(one.entity_id, one.name) for one in entities])
            tasks += [
                {
                    "customer_id": customer.customer_id,
                    "entity_id": entity.entity_id,
                    "folder": names[entity.entity_id],
                }
                for entity in entities
                if f"{customer.customer_id}/{entity.entity_id}" not in done
            ]
        start = page.next
        if start is None:
            return tasks


def performed(task: dict[str, str], period: str, ends: float) -> tuple[str, Counter[str]]:
    """What has come of a task: done, failed, or to be done later; and its errors."""
    errors: Counter[str] = Counter()
    for attempt in range(TRIES):
        if time.time() >= ends:
            return "later", errors
        if attempt:
            time.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1))
        payload = task | {"period": period, "attempt": attempt}
        reply = functions.invoke(FunctionName=TASK_FUNCTION, Payload=json.dumps(payload))
        document = json.loads(reply["Payload"].read())
        errors["tries"] += 1
        if not reply.get("FunctionError"):
            return "done", errors
        errors["error " + document.get("errorType", "Unknown")] += 1
    return "failed", errors


def note(run: int, counts: Counter[str], **times: float) -> None:
    """Add to what is known of a run."""
    values = {f":{number}": {"N": str(value)} for number, value in enumerate(counts.values())}
    names = {f"#{number}": name for number, name in enumerate(counts)}
    expression = "ADD " + ", ".join(f"#{number} :{number}" for number in range(len(counts)))
    if times:
        values |= {f":{name}": {"N": str(at)} for name, at in times.items()}
        names |= {f"#{name}": name for name in times}
        expression += " SET " + ", ".join(f"#{name} = :{name}" for name in times)
    dynamodb().update_item(
        TableName=FORMER_TABLE_NAME,
        Key={"name": {"S": f"run {run}"}},
        UpdateExpression=expression,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
