"""What happens to providers and functions in the middle of a measured replication."""

import random
from typing import Any

from benchmarks.replication_month import Month, limits_at
from local.cloud.settings import Instance
from local.providers.client import Simulator
from tests.processes import function_processes, handler_of, kill

STORM_SECONDS = 20.0
SECONDS_BETWEEN_KILLS = 8.0
SECONDS_OF_TOKENS = 65.0
"""Where two in a row are refused within a minute, all others are taken to be."""

STORMS: dict[str, dict[str, Any]] = {
    "webdav": {"action": "status", "status": 429, "headers": {"Retry-After": "2"}},
    "s3": {"action": "status", "status": 503, "body": "<Error><Code>SlowDown</Code></Error>"},
    "dropbox": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "2", "Content-Type": "text/plain"},
        "body": "Too many requests",
    },
    "drive": {
        "action": "status",
        "status": 403,
        "headers": {"Content-Type": "application/json"},
        "body": '{"error": {"code": 403, "errors": [{"domain": "usageLimits",'
        ' "reason": "rateLimitExceeded"}]}}',
    },
    "graph": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "2", "Content-Type": "application/json"},
        "body": '{"error": {"code": "activityLimitReached"}}',
    },
    "box": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "2", "Content-Type": "application/json"},
        "body": '{"type": "error", "status": 429, "code": "rate_limit_exceeded"}',
    },
}


def break_out(simulators: dict[str, Simulator]) -> None:
    for provider, simulator in simulators.items():
        simulator.set_faults(STORMS[provider])


def calm_down(simulators: dict[str, Simulator]) -> None:
    for simulator in simulators.values():
        simulator.clear_faults()


def halve(simulators: dict[str, Simulator], rates: dict[str, dict[str, float]]) -> None:
    for provider, simulator in simulators.items():
        halves = {scope: rate / 2 for scope, rate in rates[provider].items()}
        simulator.set_limits({"limits": limits_at(provider, halves)})


def expire(simulators: dict[str, Simulator], month: Month) -> None:
    """Make all access tokens too old, of those providers that have any."""
    for customer_id, provider in month.customers.items():
        if provider not in ("webdav", "s3"):
            simulators[provider].expire_tokens(customer_id)


def kill_one(instance: Instance, functions: str, chance: random.Random) -> None:
    """Any function's but the API's: whoever looks how far it is would be told of the crash."""
    living = [
        pid
        for pid in function_processes(instance, functions)
        if not handler_of(pid).endswith(".api.handler")
    ]
    if living:
        kill([chance.choice(living)])
