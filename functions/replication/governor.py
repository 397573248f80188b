"""The one place that grants requests to a provider, for however many workers there are.

Each scope of a provider's limits is one item of the quotas table, under the provider and
`<scope>#<id>`, whose state `rules/quota.py` computes. What a grant always changes, the end of the
time line and the sum, stands beside the state, and is added to as long as the state is the one that
this process has seen last: a grant is one write, and nobody is in anybody's way. Where nothing is
booked any more the time line goes on from now. Every other change holds for the version that was
read only. Whoever is refused goes on with the item that comes back.

What can go wrong:

- the reply to a write is lost: so is its grant. Nobody gets units twice;
- DynamoDB is throttled, or others are always faster: TransientError, and nothing was granted;
- clocks differ: a worker whose clock is ahead goes early by as much, which the burst and the
  distance to the provider's limit have to bear; on a scope that is idle it leaves out as many
  seconds. Cuts are told apart by number, and a throttle counts towards a cut until its cooldown is
  over, which takes two seconds at least: so a skew of two seconds makes no second cut;
- a worker is killed: what it was granted is not used, and its lease ends.
"""

import json
import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from replication.rules import quota
from replication.rules.quota import Grant, Limit, Quota
from replication.storage.interface import Operation
from shared.clients import dynamodb, error_code, transient_failures
from shared.errors import TransientError
from shared.writes import CANCELLED, refused

QUOTAS_TABLE_NAME = os.environ["QUOTAS_TABLE_NAME"]

_MOST_TRIES = 24
_LONGEST_PAUSE = 0.2
_COUNTED = {"tat", "granted", "version"}
"""What stands beside the state."""

type Attributes = dict[str, Any]
type Change = Callable[[Quota, Limit, float], Quota]


@dataclass(frozen=True)
class Scope:
    """One of a provider's limits, and whose it is: such as the server of this name."""

    limit: Limit
    id: str

    @property
    def key(self) -> str:
        return f"{self.limit.scope}#{self.id}"


def scopes_of(limits: Sequence[Limit], ids: Mapping[str, str]) -> tuple[Scope, ...]:
    """The scopes that a customer's requests count in, by the id of each level."""
    return tuple(Scope(limit, ids[limit.scope]) for limit in limits)


class Leave(BaseModel):
    """Leave for some calls: the first may go at `not_before`, each other one `interval` later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: int
    not_before: float
    interval: float
    grants: dict[str, Grant]
    """By the scope's key."""

    tightest: str | None
    """The scope that the first call has to wait for; None where nothing is limited."""


@dataclass(frozen=True)
class _Known:
    """A scope's item as this process has seen it last; no item where `state` is None."""

    quota: Quota
    state: str | None


_known: dict[tuple[str, str], _Known] = {}


class Governor:
    """Grants a customer's requests to a provider; `scopes` are in order, the narrowest last."""

    def __init__(
        self, provider: str, scopes: Sequence[Scope], clock: Callable[[], float] = time.time
    ) -> None:
        self.provider = provider
        self.one_writer = tuple(scope for scope in scopes if scope.limit.one_writer)
        self._scopes = {scope.key: scope for scope in scopes}
        self._clock = clock

    def price(self, operation: Operation) -> tuple[float, ...]:
        """What a call costs in each scope: leave for one operation is good for any of its price."""
        return tuple(scope.limit.cost(operation) for scope in self._scopes.values())

    def take(self, operation: Operation, calls: int) -> Leave:
        """Be granted so many calls, or fewer. Raises TransientError where there is no getting on.

        Scopes in which the operation costs nothing are left out.
        """
        paid = [scope for scope, _ in self._paid(operation)]
        if not paid:
            return Leave(
                calls=calls, not_before=self._clock(), interval=0.0, grants={}, tightest=None
            )
        if len(paid) == 1:
            scope = paid[0]
            cost = scope.limit.cost(operation)
            return _leave(operation, {scope.key: self._take_one(scope, calls * cost, cost)}, paid)
        return _leave(operation, self._take_all(paid, operation, calls), paid)

    def give_back(self, leave: Leave, operation: Operation, calls: int) -> None:
        """Give back calls that will not be made, where that helps anybody: see `given_back`."""
        for key, given in leave.grants.items():
            scope = self._scopes[key]
            known = self._recall(scope)
            units = calls * scope.limit.cost(operation)
            after = quota.given_back(known.quota, given, units)
            if after.tat != known.quota.tat:
                # Where this is refused somebody has been granted something since.
                self._write(scope, known, after)

    def pace(self, operation: Operation) -> float:
        """Calls per second that all scopes allow, as far as this process knows."""
        return min(
            (self._rate(scope) / cost for scope, cost in self._paid(operation)), default=math.inf
        )

    def knows(self, leave: Leave) -> bool:
        """Whether leave is for scopes of this governor; the limits may be others by now."""
        return leave.grants.keys() <= self._scopes.keys()

    def look(self) -> None:
        """Learn what others have been told by the provider."""
        for scope in self._scopes.values():
            self._read(scope)

    def holds(self, leave: Leave, at: float) -> bool:
        """Whether a call may go at its time still, as far as this process knows."""
        known = {key: self._recall(self._scopes[key]).quota for key in leave.grants}
        return all(quota.holds(known[key], given, at) for key, given in leave.grants.items())

    def report_throttle(
        self,
        leave: Leave | None,
        called_at: float,
        retry_after: float | None,
        level: str | None = None,
    ) -> float:
        """The provider has refused a call that was begun then; until when nothing may go now.

        Where it does not say on which level there was too much, the scope that the call had to
        wait for is the likeliest, else the narrowest.
        """
        scopes = [*self._scopes.values()]
        told = [scope for scope in scopes if scope.limit.scope == level]
        tightest = leave.tightest if leave is not None else None
        scope = told[0] if told else self._scopes[tightest] if tightest else scopes[-1]
        after = self._change(
            scope,
            lambda before, limit, now: quota.throttled(before, limit, now, called_at, retry_after),
        )
        return after.cooldown_until

    def report_headers(self, remaining: float, reset_seconds: float) -> None:
        """The provider has said what is left; it speaks of the narrowest scope."""
        scope = [*self._scopes.values()][-1]

        def change(before: Quota, limit: Limit, now: float) -> Quota:
            return quota.advised(before, limit, now, remaining, reset_seconds)

        known = self._recall(scope).quota
        if change(known, scope.limit, self._clock()) is not known:
            self._change(scope, change)

    # --- grants

    def _take_one(self, scope: Scope, units: float, each: float) -> Grant:
        known, now = _known.get((self.provider, scope.key)), self._clock()
        if known is None or known.quota.tat < now or not quota.only_books(known.quota, now):
            known = self._read(scope)  # It is cheaper than a write that is refused.
        for attempt in range(_MOST_TRIES):
            given = self._book(scope, known, units, each)
            if given is not None:
                return given
            if attempt:
                _pause(attempt)
            known = self._recall(scope)
        raise _contended()

    def _book(self, scope: Scope, known: _Known, units: float, each: float) -> Grant | None:
        """One write; None, and more is known, where that is refused."""
        now = self._clock()
        if known.state is not None and quota.only_books(known.quota, now):
            before = self._add(scope, known, units, max(now, known.quota.cooldown_until))
            if before is None:
                return None
            after, given = quota.grant(before, scope.limit, now, units, each)
            _known[self.provider, scope.key] = _Known(_next(before, after), known.state)
            return given
        after, given = quota.grant(known.quota, scope.limit, now, units, each)
        return given if self._write(scope, known, after) else None

    def _add(self, scope: Scope, known: _Known, units: float, begins: float) -> Quota | None:
        """Book behind all that is booked, at `begins` at the earliest; what it was before.

        None where the state is another one by now, or `begins` lies on the other side of the end.
        """
        seconds = units / known.quota.rate
        idle = known.quota.tat < begins
        ends = ":ends" if idle else "tat + :seconds"
        values: Attributes = {
            ":state": {"S": known.state},
            ":begins": _number(begins),
            **({":ends": _number(begins + seconds)} if idle else {":seconds": _number(seconds)}),
            ":units": _number(units),
            ":one": {"N": "1"},
        }
        done, item = _attempt(
            lambda: dynamodb().update_item(
                TableName=QUOTAS_TABLE_NAME,
                Key=self._key(scope),
                UpdateExpression=f"SET tat = {ends}, granted = granted + :units,"
                " version = version + :one",
                ConditionExpression=f"#state = :state AND tat {'<' if idle else '>='} :begins",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        )
        before = self._remember(scope, item) if item else self._read(scope)
        return before.quota if done else None

    def _take_all(
        self, paid: Sequence[Scope], operation: Operation, calls: int
    ) -> dict[str, Grant]:
        """Book in several scopes, in all or none."""
        for attempt in range(_MOST_TRIES):
            known = {scope.key: self._read(scope) for scope in paid}
            if any(one.quota.scout_due for one in known.values()):
                calls = 1
            now = self._clock()
            grants: dict[str, Grant] = {}
            writes = []
            for scope in paid:
                before, cost = known[scope.key], scope.limit.cost(operation)
                after, grants[scope.key] = quota.grant(
                    before.quota, scope.limit, now, calls * cost, cost
                )
                writes.append((scope, before, after))
            if self._write_all(writes):
                return grants
            _pause(attempt)
        raise _contended()

    def _paid(self, operation: Operation) -> list[tuple[Scope, float]]:
        """The scopes in which a call costs something, and how many units."""
        priced = ((scope, scope.limit.cost(operation)) for scope in self._scopes.values())
        return [(scope, cost) for scope, cost in priced if cost]

    def _rate(self, scope: Scope) -> float:
        known = _known.get((self.provider, scope.key))
        return known.quota.rate if known else scope.limit.ceiling

    # --- items

    def _change(self, scope: Scope, change: Change) -> Quota:
        """Change a scope's state; what it is then."""
        known = self._read(scope)
        for attempt in range(_MOST_TRIES):
            after = change(known.quota, scope.limit, self._clock())
            if after is known.quota or self._write(scope, known, after):
                return after
            _pause(attempt)
            known = self._recall(scope)
        raise _contended()

    def _write(self, scope: Scope, known: _Known, after: Quota) -> bool:
        """Store a state in place of the known one; False, and the right one is known, if it is
        another's by now.
        """
        after = _next(known.quota, after)
        item = self._item(scope, after)
        done, found = _attempt(
            lambda: dynamodb().put_item(
                TableName=QUOTAS_TABLE_NAME,
                Item=item,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_if_still(known),
            )
        )
        if done:
            self._remember(scope, item)
        elif found:
            self._remember(scope, found)
        else:
            self._read(scope)
        return done

    def _write_all(self, writes: Sequence[tuple[Scope, _Known, Quota]]) -> bool:
        """Store all states or none."""
        items = {
            scope.key: self._item(scope, _next(known.quota, after))
            for scope, known, after in writes
        }
        puts = [
            {
                "Put": {
                    "TableName": QUOTAS_TABLE_NAME,
                    "Item": items[scope.key],
                    **_if_still(known),
                }
            }
            for scope, known, _ in writes
        ]
        try:
            if refused(puts):
                return False
        except TransientError as error:
            if error.code != CANCELLED:
                raise
            return False
        for scope, _, _ in writes:
            self._remember(scope, items[scope.key])
        return True

    def _recall(self, scope: Scope) -> _Known:
        return _known.get((self.provider, scope.key)) or self._read(scope)

    def _read(self, scope: Scope) -> _Known:
        with transient_failures():
            reply = dynamodb().get_item(
                TableName=QUOTAS_TABLE_NAME, Key=self._key(scope), ConsistentRead=True
            )
        item = reply.get("Item")
        if item:
            return self._remember(scope, item)
        known = _Known(quota.fresh(scope.limit, self._clock()), None)
        _known[self.provider, scope.key] = known
        return known

    def _remember(self, scope: Scope, item: Mapping[str, Any]) -> _Known:
        known = _Known(_quota(item), item["state"]["S"])
        _known[self.provider, scope.key] = known
        return known

    def _item(self, scope: Scope, state: Quota) -> Attributes:
        return self._key(scope) | {
            "tat": _number(state.tat),
            "granted": _number(state.granted),
            "version": {"N": str(state.version)},
            "state": {"S": state.model_dump_json(exclude=_COUNTED)},
        }

    def _key(self, scope: Scope) -> Attributes:
        return {"provider": {"S": self.provider}, "scope": {"S": scope.key}}


def read_quotas(provider: str) -> dict[str, Quota]:
    """The state of each scope of a provider in which something was granted, by its key."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=QUOTAS_TABLE_NAME,
            KeyConditionExpression="provider = :provider",
            ExpressionAttributeValues={":provider": {"S": provider}},
            ConsistentRead=True,
        )
    )
    with transient_failures():
        items = [item for page in pages for item in page["Items"]]
    return {item["scope"]["S"]: _quota(item) for item in items if "state" in item}


def _leave(operation: Operation, grants: dict[str, Grant], paid: Sequence[Scope]) -> Leave:
    """The latest scope says when the first call goes, the slowest how far apart they are."""
    costs = {scope.key: scope.limit.cost(operation) for scope in paid}
    tightest = max(reversed(grants), key=lambda key: grants[key].not_before)
    return Leave(
        calls=min(round(given.units / costs[key]) for key, given in grants.items()),
        not_before=grants[tightest].not_before,
        interval=max(given.interval * costs[key] for key, given in grants.items()),
        grants=grants,
        tightest=tightest,
    )


def _next(before: Quota, after: Quota) -> Quota:
    return after.model_copy(update={"version": before.version + 1})


def _if_still(known: _Known) -> Any:
    if known.state is None:
        return {"ConditionExpression": "attribute_not_exists(provider)"}
    return {
        "ConditionExpression": "version = :version",
        "ExpressionAttributeValues": {":version": {"N": str(known.quota.version)}},
    }


def _attempt(write: Callable[[], Mapping[str, Any]]) -> tuple[bool, Mapping[str, Any] | None]:
    """Do a write; whether its condition held, and the item as it was before or is instead."""
    try:
        with transient_failures():
            return True, write().get("Attributes")
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        reply: Any = error.response
        return False, reply.get("Item")


def _quota(item: Mapping[str, Any]) -> Quota:
    counted = {name: float(item[name]["N"]) for name in ("tat", "granted")}
    version = int(item["version"]["N"])
    return Quota.model_validate(json.loads(item["state"]["S"]) | counted | {"version": version})


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(0.004 * 2**attempt, _LONGEST_PAUSE)))  # noqa: S311


def _contended() -> TransientError:
    return TransientError("QuotaContended", "others keep changing the same quota")


def _number(value: float) -> Attributes:
    return {"N": f"{value:.6f}"}
