"""A storm of tickets worked on by many at once while functions are killed: whether all are closed,
how fast, and what a ticket costs.
"""

import argparse
from collections import Counter

from benchmarks.cloud import deployed_cloud
from benchmarks.invocations import lambda_milliseconds, print_milliseconds
from local.cloud.settings import Instance
from tests.ticket_histories import SECONDS_TO_STORE, most_at_once
from tests.ticket_storm import CAPACITY, TicketStorm
from tests.tickets import Tickets

INSTANCE = Instance("bench", max_processes=32)
"""As many processes as on a laptop of eight processors. With fewer than twenty people's requests
need, every other invocation starts its function anew, and nothing else is measured.
"""
DOMAIN = "Tickets"
SECONDS_BETWEEN_LOOKS = 3.0
"""Looking costs the emulator time, too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--representatives", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--kills", type=int, default=5, help="how many (default: 5)")
    arguments = parser.parse_args()
    with deployed_cloud(INSTANCE) as cloud:
        before = lambda_milliseconds(cloud, DOMAIN)
        storm = TicketStorm(
            *(Tickets(cloud, INSTANCE), arguments.tickets, arguments.representatives),
            kills=arguments.kills,
            watch=lambda at, line: print(f"{at:6.0f} s  {line}"),
            seconds_between_looks=SECONDS_BETWEEN_LOOKS,
            return_seconds=20,
        )
        storm.run()
        faults = list(storm.faults())
        print_storm(storm)
        print_milliseconds(cloud, DOMAIN, before, storm.number, "ticket")
        print(f"not as it must be        {len(faults)}")
        for fault in faults[:20]:
            print(f"  {fault}")
    raise SystemExit(1 if faults else 0)


def print_storm(storm: TicketStorm) -> None:
    fates = Counter(case.fate for case in storm.cases.values())
    events = Counter(one["event"] for entries in storm.histories.values() for one in entries)
    transitions = [transitions_of(storm, one["executionArn"]) for one in storm.executions]
    answers, most = storm.answers, most_at_once(storm.holdings, SECONDS_TO_STORE)
    print(f"tickets                  {storm.number}: {dict(fates)}")
    print(
        f"representatives          {storm.representatives} with room for {CAPACITY}; "
        f"at most {max(most.values())} at once"
    )
    print(f"functions killed         {dict(storm.killed)}")
    for event, number in events.most_common():
        print(f"  {event:22} {number:6}")
    print(f"opened in                {storm.seconds_to_open:.0f} s")
    print(
        f"closed in                {storm.seconds:.0f} s, "
        f"{storm.number / storm.seconds:.2f} tickets a second"
    )
    print(f"everybody told after     {storm.seconds_to_send:.0f} s")
    print(f"executions               {len(transitions)}, all ended")
    print(
        f"state transitions        {sum(transitions) / storm.number:.1f} a ticket, "
        f"{max(transitions)} at most"
    )
    print(
        f"answers                  {answers.total()}, {answers[409] / answers.total():.1%} of them "
        f"409; {storm.repeated} requests repeated"
    )


def transitions_of(storm: TicketStorm, execution_arn: str) -> int:
    pages = storm.tickets.cloud.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn
    )
    return sum(event["type"].endswith("StateEntered") for page in pages for event in page["events"])


if __name__ == "__main__":
    main()
