"""Failed communications that share a cause: how they failed, by which template, and where to."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("error_class", "error", "template", "destination")
"""What the failures of one cluster have in common."""

NO_TEMPLATE = "-"


@dataclass
class Cluster:
    """One cause: its columns' values, how many have failed of it, since when."""

    values: dict[str, str]
    count: int = 0
    redrivable: int = 0
    first_at: str = ""
    last_at: str = ""
    sample_ids: list[str] = field(default_factory=list)

    @property
    def template(self) -> str | None:
        return None if self.values["template"] == NO_TEMPLATE else self.values["template"]

    @property
    def cluster_id(self) -> str:
        text = json.dumps([self.values[name] for name in COLUMNS], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def clusters_of(failures: Iterable[Mapping[str, Any]], most_redrives: int) -> list[Cluster]:
    """Group failures, the largest cluster first. Each has the columns of the index `by_state`."""
    found: dict[tuple[str, ...], Cluster] = {}
    for failure in failures:
        values = {name: str(failure.get(name, NO_TEMPLATE)) for name in COLUMNS}
        cluster = found.setdefault(tuple(values.values()), Cluster(values))
        cluster.count += 1
        cluster.redrivable += int(failure["redrives"]) < most_redrives
        failed_at = str(failure.get("failed_at", ""))
        cluster.first_at = min(filter(None, (cluster.first_at, failed_at)), default="")
        cluster.last_at = max(cluster.last_at, failed_at)
        if len(cluster.sample_ids) < 3:
            cluster.sample_ids.append(str(failure["communication_id"]))
    return sorted(found.values(), key=lambda cluster: (-cluster.count, cluster.cluster_id))


def values_of(cluster_id: str) -> dict[str, str]:
    """The columns' values that a cluster's id stands for; raises ValueError for anything else."""
    try:
        padded = cluster_id + "=" * (-len(cluster_id) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (binascii.Error, RecursionError, ValueError) as error:
        raise ValueError("there is no such cluster") from error
    if (
        not isinstance(values, list)
        or len(values) != len(COLUMNS)
        or not all(isinstance(value, str) and value.isprintable() for value in values)
    ):
        raise ValueError("there is no such cluster")
    return dict(zip(COLUMNS, values, strict=True))


def belongs(failure: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    """Whether a failure is one of a cluster's."""
    return all(str(failure.get(name, NO_TEMPLATE)) == value for name, value in values.items())
