"""Faults on demand: a provider that refuses, answers late, or does its work and is never heard.

`PUT /_simulator/faults` with `{"rules": [...]}` replaces all rules, GET shows them with how often
each has hit, DELETE removes them. The first rule that matches and is not used up applies. Faults
live in memory and end with the process.
"""

import random
import threading
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from local.providers.limiter import Call


class Fault(BaseModel):
    """What shall go wrong, for which requests, and how often.

    `status`: nothing is done, and that is the answer. `lose_reply`: it is done, then the connection
    is reset before the first byte of the answer. `refuse`: the connection is reset and nothing is
    done. `delay`: it is done `seconds` later. `truncate`: only the first `keep_bytes` of the body
    are stored, then the connection is reset.

    `path` is a pattern for the path within the account (`*` goes over slashes): of S3 with the
    bucket in front, of Nextcloud's chunks `/uploads/<upload>/<number>`, of Dropbox's sessions
    `/uploads/<session>`, of Box's parts `/uploads/<session>/<first byte>`. `times` counts for all
    requests together, with `each_path` for each path apart; `share` hits by chance, and the same
    in each run. Requests for tokens are only hit by rules for the kind `token`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["status", "lose_reply", "refuse", "delay", "truncate"]
    method: str | None = None
    kind: str | None = None
    account: str | None = None
    path: str = "*"
    times: int | None = Field(default=None, ge=1)
    each_path: bool = False
    share: float = Field(default=1, gt=0, le=1)
    status: int = Field(default=500, ge=400, le=599)
    body: str = ""
    headers: dict[str, str] = {}
    seconds: float = Field(default=0, ge=0)
    keep_bytes: int = Field(default=0, ge=0)

    def matches(self, method: str, call: Call) -> bool:
        kinds = ("token",) if call.kind == "token" else (None, call.kind)
        return (
            self.method in (None, method)
            and self.kind in kinds
            and self.account in (None, call.account)
            and fnmatchcase(call.path, self.path)
        )


class Faults:
    """The rules in force. Threads may share it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.replace([])

    def replace(self, rules: list[Any]) -> None:
        """Put rules in place of all others; raises pydantic's ValidationError for a wrong one."""
        faults = [Fault.model_validate(rule) for rule in rules]
        with self._mutex:
            self._faults = faults
            self._hits: Counter[tuple[int, str]] = Counter()
            self._chance = random.Random(1)  # noqa: S311 - hides nothing

    def hit(self, method: str, call: Call) -> Fault | None:
        """The fault of this request, which is then counted."""
        with self._mutex:
            for index, fault in enumerate(self._faults):
                key = (index, call.path if fault.each_path else "")
                if not fault.matches(method, call):
                    continue
                if fault.times is not None and self._hits[key] >= fault.times:
                    continue
                if self._chance.random() < fault.share:
                    self._hits[key] += 1
                    return fault
        return None

    def shown(self) -> list[dict[str, Any]]:
        with self._mutex:
            hits: Counter[int] = Counter()
            for (index, _), times in self._hits.items():
                hits[index] += times
            return [
                {**fault.model_dump(exclude_defaults=True), "hits": hits[index]}
                for index, fault in enumerate(self._faults)
            ]
