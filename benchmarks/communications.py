"""A storm of messages with failures of every kind, then a redrive of many: what arrives, how fast,
and what a redriven message costs.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.cloud import deployed_cloud
from benchmarks.invocations import lambda_milliseconds, print_milliseconds
from local.cloud.client import Cloud
from local.cloud.faults import clear_faults, set_faults
from local.cloud.settings import Instance
from tests.communications import FAULTS, Communications, any_customer_id, any_email
from tests.storm import THREADS, Storm

INSTANCE = Instance("bench")
SECONDS_AT_MOST = 3600.0
DOMAIN = "Communications"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--redrives", type=int, default=400, help="how many (default: 400)")
    arguments = parser.parse_args()
    with deployed_cloud(INSTANCE) as cloud:
        communications = Communications(cloud, INSTANCE)
        set_faults(cloud.endpoint, FAULTS)
        faults = measure_storm(communications, arguments.messages)
        measure_redrive(communications, arguments.redrives)
    raise SystemExit(1 if faults else 0)


# --- the storm


def measure_storm(communications: Communications, number: int) -> list[str]:
    """Run a storm and print what came of it; everything that is not as it must be."""
    if not number:
        return []
    before = lambda_milliseconds(communications.cloud, DOMAIN)
    storm = Storm(communications, number, watch=lambda at, line: print(f"{at:6.0f} s  {line}"))
    storm.run()
    faults = list(storm.faults())
    records = storm.records()
    ends = Counter((one["channel"], one["state"], one.get("error", "")) for one in records)
    fates = Counter(message.fate for message in storm.messages)
    print(
        f"messages                 {number}: {dict(fates)}; {storm.duplicates} twice in the queue"
    )
    for (channel, state, error), count in sorted(ends.items()):
        print(f"  {channel:5} {state:8} {error:20} {count:6}")
    lost = sum(
        any(entry.get("error") == "WorkerLost" for entry in one["history"]) for one in records
    )
    print(f"workers killed           {storm.killed}; in the middle of {lost} messages")
    print(f"sends                    {sum(int(one['attempts']) for one in records)}")
    print(f"composed in              {storm.seconds_to_compose:.0f} s by {THREADS} threads")
    print(f"nothing in flight after  {storm.seconds:.0f} s, {number / storm.seconds:.1f} a second")
    print_milliseconds(communications.cloud, DOMAIN, before, number, "message")
    print(f"not as it must be        {len(faults)}")
    for fault in faults[:20]:
        print(f"  {fault}")
    return faults


# --- the redrive


def measure_redrive(communications: Communications, number: int) -> None:
    """Fail many messages for good, mend the cause, redrive all in as many runs as it takes."""
    if not number:
        return
    customer_id = any_customer_id()
    compose_failures(communications, customer_id, number)
    clear_faults(communications.cloud.endpoint)
    before = lambda_milliseconds(communications.cloud, DOMAIN)
    begin = time.monotonic()
    counts: Counter[str] = Counter()
    histories: list[list[dict[str, Any]]] = []
    runs = 0
    while counts.total() < number:
        run_id = communications.redrive(error_class="permanent", customer_id=customer_id)
        run = communications.run_ended(run_id, SECONDS_AT_MOST)
        if not run["communications"]:
            break
        runs += 1
        counts.update(run["counts"])
        histories += histories_of(communications.cloud, run_id)
        print(f"  {time.monotonic() - begin:5.0f} s  run {runs}: {run['counts']} {run['causes']}")
    seconds = time.monotonic() - begin
    transitions = sum(event["type"].endswith("StateEntered") for h in histories for event in h)
    print(f"redriven                 {counts.total()} in {runs} runs: {dict(counts)}")
    print(
        f"executions               {len(histories)}, of {max(map(len, histories))} events at most"
    )
    print(f"state transitions        {transitions / number:.2f} a message")
    print(f"redriven in              {seconds:.0f} s, {number / seconds:.1f} a second")
    print_milliseconds(communications.cloud, DOMAIN, before, number, "message")


def compose_failures(communications: Communications, customer_id: str, number: int) -> None:
    """Compose messages that the provider refuses, and wait until all have failed."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(number):
            pool.submit(communications.compose, any_email("refused"), customer_id=customer_id)
    while not communications.quiet():
        time.sleep(1)


def histories_of(cloud: Cloud, run_id: str) -> Iterator[list[dict[str, Any]]]:
    """The history of each execution of a run's batches."""
    arn = cloud.outputs["CommunicationsRedriveStateMachineArn"]
    pages = cloud.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn)
    for execution in (found for page in pages for found in page["executions"]):
        if execution["name"].startswith(run_id):
            histories = cloud.stepfunctions.get_paginator("get_execution_history").paginate(
                executionArn=execution["executionArn"]
            )
            yield [event for page in histories for event in page["events"]]


if __name__ == "__main__":
    main()
