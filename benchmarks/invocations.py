"""What functions took, as their log lines say."""

import re
from collections import Counter

from local.cloud.client import Cloud
from local.cloud.logs import function_logs

_REPORT = re.compile(r"REPORT RequestId: \S+\s+Duration: (?P<milliseconds>[\d.]+) ms")


def lambda_milliseconds(cloud: Cloud, domain: str) -> Counter[str]:
    """How long each function of a domain has run so far."""
    took: Counter[str] = Counter()
    name = ""
    for line in function_logs(cloud.endpoint, domain):
        if line.startswith("== "):
            name = line.removeprefix("== ").split("-")[1]
        elif report := _REPORT.search(line):
            took[name] += float(report["milliseconds"])  # type: ignore[assignment]
    return took


def print_milliseconds(
    cloud: Cloud, domain: str, before: Counter[str], number: int, what: str
) -> None:
    """How long each function has run since, for each of so many tickets, or whatever they are."""
    took = lambda_milliseconds(cloud, domain)
    took.subtract(before)
    print(f"Lambda                   {took.total() / number:.0f} ms a {what}")
    for name, milliseconds in took.most_common():
        if milliseconds:
            print(f"  {name:32} {milliseconds / number:6.1f}")
