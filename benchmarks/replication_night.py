"""Drive's quota of a day is used up half-way, and the next day is played to begin minutes later.

When half of what Drive is to get has arrived, or it gets late, the simulator counts the project's
requests of a day as Drive does, and refuses all but one with 403 `dailyLimitExceeded`. Ours waits
until Google's next day then, whose midnight is California's: Step Functions would wait for hours.
So California is moved. The functions that talk to storage find a time zone "America/Los_Angeles"
whose next midnight is some minutes after the beginning, by `PYTHONTZPATH`. All else is as it is,
and nobody wakes up whoever waits. Shortly before that midnight the simulator forgets the day's
quota.

For the designs before there is no morning: they run all over again until midnight, then they are
given up.
"""

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.replication_month import NAMES
from benchmarks.replication_watch import Watch
from local.cloud.client import Cloud
from local.cloud.deployment import client
from local.providers.client import Simulator

PROVIDER = "drive"
ZONE = "America/Los_Angeles"
SECONDS_OF_NIGHT = 90.0
TIMES_BOUND = 1.5
"""Midnight is so many seconds after so many times the bound: by then others have finished."""

LEAST_SECONDS = 70.0
"""So long before midnight the night falls at the latest: of less than a minute nobody is told."""

LIFTED_BEFORE = 10.0
"""Seconds before midnight the simulator's quota is lifted: nobody asks for anything then."""

_FUNCTIONS = ("ReplicationCreateFolders", "ReplicationUploadFolders")
_SYSTEMS_ZONES = "/usr/share/zoneinfo"
_SECONDS_OF_DAY = 86_400


@dataclass
class Night:
    """Falls when half of all folders and documents have arrived, and ends so many seconds after the
    beginning.
    """

    watch: Watch
    wanted: int
    seconds: float
    has_morning: bool = True
    arrived: int = 0
    fell_at: float | None = None

    @property
    def simulator(self) -> Simulator:
        return self.watch.simulators[PROVIDER]

    @property
    def left(self) -> int:
        return max(self.wanted - self.arrived, 0)

    def look(self) -> None:
        """Let it fall if it is time: when it gets late also before half is there."""
        if self.fell_at is not None:
            return
        self.arrived = sum(map(len, self.simulator.tree().values()))
        is_late = self.watch.seconds >= self.seconds - LEAST_SECONDS
        if self.arrived >= self.wanted / 2 or is_late:
            self.fell_at = self.watch.seconds
            day = {"scope": "day", "units": 1, "seconds": _SECONDS_OF_DAY}
            self.simulator.set_limits({"limits": [day]})

    def begin_next_day(self) -> None:
        self.simulator.set_limits({"limits": [{"scope": "day", "units": None}]})

    def notes(self) -> list[str]:
        """How it was, in words."""
        if self.fell_at is None:
            return [f"all was over before {NAMES[PROVIDER]}'s quota of the day was used up"]
        refused = self.simulator.stats()["throttled_by_scope"].get("day", 0)
        morning = (
            "for our functions California is moved, and its next day begins after"
            f" {self.seconds:.0f} s; requests refused in between: {refused}"
            if self.has_morning
            else f"no next day is played; requests refused from then on: {refused}"
        )
        notes = [
            f"played: {NAMES[PROVIDER]}'s quota of the day is used up after {self.fell_at:.0f} s,"
            f" with {self.arrived} of {self.wanted} folders and documents there; {morning}"
        ]
        if PROVIDER in self.watch.refusals:
            at, situation = self.watch.refusals[PROVIDER]
            notes.append(f"the API said after {at:.0f} s: {situation}")
        return notes


@contextmanager
def california_moved(cloud: Cloud, folder: Path, seconds: float) -> Iterator[None]:
    """While it lasts, Google's next day begins so many seconds after it has begun."""
    functions = client("lambda", cloud.endpoint)
    zones = folder / "zones"
    found = [
        one
        for page in functions.get_paginator("list_functions").paginate()
        for one in page["Functions"]
        if any(name in one["FunctionName"] for name in _FUNCTIONS)
    ]
    path = f"{zones}:{_SYSTEMS_ZONES}"
    for one in found:
        variables = one["Environment"]["Variables"] | {"PYTHONTZPATH": path}
        _set_variables(functions, one["FunctionName"], variables)
    write_zone(zones / ZONE, time.time() + seconds)
    try:
        yield
    finally:
        for one in found:
            _set_variables(functions, one["FunctionName"], one["Environment"]["Variables"])


def _set_variables(functions, name: str, variables: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)


def write_zone(path: Path, midnight: float) -> None:
    """A time zone in which a day begins at a moment; as a file of the form that RFC 8536 has."""
    offset = -(round(midnight) % _SECONDS_OF_DAY)
    data = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    data += struct.pack(">lBB", offset, 0, 0) + b"PLY\0"
    seconds = -offset
    rule = f"<PLY>{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + data + f"\n{rule}\n".encode())
