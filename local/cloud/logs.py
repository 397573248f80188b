"""The functions' logs, as CloudWatch Logs keeps them."""

from collections.abc import Iterator
from datetime import UTC, datetime

from local.cloud.deployment import client

_PREFIX = "/aws/lambda/"


def function_logs(endpoint: str, name_contains: str) -> Iterator[str]:
    """Every log line of the functions whose name contains a text, oldest first in each."""
    cloudwatch = client("logs", endpoint)
    groups = cloudwatch.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_PREFIX)
    for group in (group for page in groups for group in page["logGroups"]):
        name = group["logGroupName"]
        if name_contains.lower() not in name.lower():
            continue
        yield f"== {name.removeprefix(_PREFIX)}"
        pages = cloudwatch.get_paginator("filter_log_events").paginate(logGroupName=name)
        for event in (event for page in pages for event in page["events"]):
            moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            yield f"{moment:%H:%M:%S} {event['message'].rstrip()}"
