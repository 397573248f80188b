"""Faults of the laptop cloud, for tests and demonstrations: what its services shall get wrong.

The emulator's plugin `faults` says what a rule is. Whoever sets rules takes them away again.
"""

from typing import Any

import requests

from local.cloud.settings import CloudError

_PATH = "/_aftercall/faults"
_SECONDS = 30


def set_faults(endpoint: str, rules: list[dict[str, Any]]) -> None:
    """Put these rules in place of all others; raises CloudError where one is invalid."""
    reply = requests.put(f"{endpoint}{_PATH}", json={"rules": rules}, timeout=_SECONDS)
    if reply.status_code == requests.codes.bad_request:
        raise CloudError(reply.json()["error"])
    reply.raise_for_status()


def clear_faults(endpoint: str) -> None:
    """Take all rules away."""
    requests.delete(f"{endpoint}{_PATH}", timeout=_SECONDS).raise_for_status()


def hits(endpoint: str) -> list[int]:
    """How often each rule has hit, in the rules' order."""
    reply = requests.get(f"{endpoint}{_PATH}", timeout=_SECONDS)
    reply.raise_for_status()
    return [rule["hits"] for rule in reply.json()["rules"]]
