"""The one place that grants requests to a provider, for however many workers there are.

Each scope of a provider's limits is one item of the quotas table, `<level>#<id>` under the
provider, whose state `rules/quota.py` computes. A change is a read and one write that holds for the
version that was read; on a conflict the item that comes back is taken, and it tries again. A grant
in several scopes is one transaction. If the reply to a write is lost, its grant is lost: nobody
gets units twice. Workers' clocks may differ by as much as they like, within a burst.

Where only one may write at a time there are leases: they end by themselves, and each has a higher
fence than the one before it, by which whoever comes late is told apart.
"""

import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from replication.rules.limits import Limit
from replication.rules.quota import Grant, Quota, advised, fresh, given_back, grant, throttled
from replication.storage.interface import Operation
from shared.clients import dynamodb, error_code, transient_failures
from shared.errors import TransientError
from shared.writes import CANCELLED, conditionally, refused

QUOTAS_TABLE_NAME = os.environ["QUOTAS_TABLE_NAME"]

_MOST_CONFLICTS = 20
_LONGEST_PAUSE = 0.2

type Change = Callable[[Quota, Limit, float], Quota]


@dataclass(frozen=True)
class Scope:
    """A scope of a provider's limits, and which one of them: such as the server of this name."""

    limit: Limit
    id: str

    @property
    def key(self) -> str:
        return f"{self.limit.scope}#{self.id}"


class Governor:
    """Grants requests in the scopes that a customer's requests count against."""

    def __init__(
        self, provider: str, scopes: Sequence[Scope], clock: Callable[[], float] = time.time
    ) -> None:
        self._provider = provider
        self._scopes = scopes
        self._clock = clock

    def cost_of(self, operation: Operation) -> tuple[float, ...]:
        """What a request costs in each scope: what costs the same can be granted together."""
        return tuple(scope.limit.cost(operation) for scope in self._scopes)

    def take(self, operation: Operation, calls: int) -> Grant:
        """Grant so many requests: the units of the grant are requests.

        Raises TransientError where others change the same scopes all the time.
        """
        paid = [scope for scope in self._scopes if scope.limit.cost(operation) > 0]
        grants: list[Grant] = []

        def granted(before: Quota, limit: Limit, now: float) -> Quota:
            after, own = grant(before, limit, now, calls * limit.cost(operation))
            grants.append(Grant(own.not_before, own.interval * limit.cost(operation), calls))
            return after

        self._change(paid, granted, grants.clear)
        return Grant(
            max((one.not_before for one in grants), default=self._clock()),
            max((one.interval for one in grants), default=0.0),
            calls,
        )

    def give_back(self, operation: Operation, calls: float) -> None:
        """Requests that were granted and are not made."""
        paid = [scope for scope in self._scopes if scope.limit.cost(operation) > 0]
        self._change(
            paid, lambda before, limit, _: given_back(before, calls * limit.cost(operation))
        )

    def report_throttle(self, called_at: float, retry_after: float | None) -> float:
        """The provider has refused a request; until when there is a cooldown now.

        It does not say in which scope: all that the request counts in are cut.
        """
        self._change(
            self._scopes,
            lambda before, limit, now: throttled(before, limit, now, called_at, retry_after),
        )
        return self.cooldown_until()

    def report_remaining(self, remaining: float, reset_seconds: float) -> None:
        """The provider has said how much is left; it means the customer's own scope, the last."""
        self._change(
            self._scopes[-1:],
            lambda before, limit, now: advised(before, limit, now, remaining, reset_seconds),
        )

    def cooldown_until(self) -> float:
        """Before that time nobody may send a request; eventually consistent."""
        found = [self._read(scope, consistent=False) for scope in self._scopes]
        return max((quota.cooldown_until for quota in found if quota is not None), default=0.0)

    # --- leases

    def acquire(self, scope: Scope, holder: str, seconds: float) -> int | None:
        """Become the only writer of a scope for some time; the fence, or None where another is."""
        now = self._clock()
        reply = conditionally(
            lambda: dynamodb().update_item(
                TableName=QUOTAS_TABLE_NAME,
                Key=self._lease(scope),
                UpdateExpression="SET holder = :holder, expires_at = :until ADD fence :one",
                ConditionExpression="attribute_not_exists(holder) OR expires_at < :now"
                " OR holder = :holder",
                ExpressionAttributeValues={
                    ":holder": {"S": holder},
                    ":until": {"N": f"{now + seconds:.3f}"},
                    ":now": {"N": f"{now:.3f}"},
                    ":one": {"N": "1"},
                },
                ReturnValues="UPDATED_NEW",
            )
        )
        return None if reply is None else int(reply["Attributes"]["fence"]["N"])

    def renew(self, scope: Scope, holder: str, fence: int, seconds: float) -> bool:
        """Stay the only writer; False where it is another's by now."""
        until = {"N": f"{self._clock() + seconds:.3f}"}
        return self._own(scope, holder, fence, "SET expires_at = :until", {":until": until})

    def release(self, scope: Scope, holder: str, fence: int) -> bool:
        """Let others write; False where another does already."""
        return self._own(scope, holder, fence, "REMOVE holder, expires_at", {})

    def lease_ends(self, scope: Scope) -> float:
        """When whoever is the writer will not be any more, unless they renew."""
        with transient_failures():
            reply = dynamodb().get_item(TableName=QUOTAS_TABLE_NAME, Key=self._lease(scope))
        return float(reply.get("Item", {}).get("expires_at", {}).get("N", 0))

    def _own(
        self, scope: Scope, holder: str, fence: int, expression: str, values: dict[str, Any]
    ) -> bool:
        own = {":holder": {"S": holder}, ":fence": {"N": str(fence)}}
        reply = conditionally(
            lambda: dynamodb().update_item(
                TableName=QUOTAS_TABLE_NAME,
                Key=self._lease(scope),
                UpdateExpression=expression,
                ConditionExpression="holder = :holder AND fence = :fence",
                ExpressionAttributeValues=own | values,
            )
        )
        return reply is not None

    def _lease(self, scope: Scope) -> dict[str, Any]:
        return _key(self._provider, f"lease#{scope.key}")

    # --- changing quotas

    def _change(
        self,
        scopes: Sequence[Scope],
        change: Change,
        begin_again: Callable[[], None] = lambda: None,
    ) -> None:
        """Change some scopes together, on what they are by then."""
        if not scopes:
            return
        before: list[Quota | None] = [self._read(scope) for scope in scopes]
        for conflicts in range(_MOST_CONFLICTS):
            begin_again()
            now = self._clock()
            puts = []
            for scope, found in zip(scopes, before, strict=True):
                after = change(found or fresh(scope.limit, now), scope.limit, now)
                puts.append(self._put(scope, found, after))
            conflict = _written(puts)
            if conflict is None:
                return
            before = [
                known or self._read(scope) for known, scope in zip(conflict, scopes, strict=True)
            ]
            pause = min(0.005 * 2**conflicts, _LONGEST_PAUSE)
            time.sleep(random.uniform(0, pause))  # noqa: S311 - only to part them
        raise TransientError("QuotaContended", "others keep changing the same quota")

    def _read(self, scope: Scope, *, consistent: bool = True) -> Quota | None:
        with transient_failures():
            reply = dynamodb().get_item(
                TableName=QUOTAS_TABLE_NAME,
                Key=_key(self._provider, scope.key),
                ConsistentRead=consistent,
            )
        return _quota(reply.get("Item"))

    def _put(self, scope: Scope, before: Quota | None, after: Quota) -> dict[str, Any]:
        put: dict[str, Any] = {
            "TableName": QUOTAS_TABLE_NAME,
            "Item": _key(self._provider, scope.key)
            | {"version": {"N": str(after.version)}, "state": {"S": json.dumps(asdict(after))}},
            "ConditionExpression": "attribute_not_exists(provider)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if before is not None:
            put["ConditionExpression"] = "version = :version"
            put["ExpressionAttributeValues"] = {":version": {"N": str(before.version)}}
        return put


def read_quotas(provider: str) -> Mapping[str, Quota]:
    """The state of every scope of a provider that was ever asked for anything, by its key."""
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=QUOTAS_TABLE_NAME,
            KeyConditionExpression="provider = :provider",
            ExpressionAttributeValues={":provider": {"S": provider}},
        )
    )
    with transient_failures():
        items = [item for page in pages for item in page["Items"]]
    found = {item["scope"]["S"]: _quota(item) for item in items}
    return {scope: quota for scope, quota in found.items() if quota is not None}


def _written(puts: list[dict[str, Any]]) -> list[Quota | None] | None:
    """Write all or nothing; None where it is done, else the items as they are, where known."""
    if len(puts) > 1:
        try:
            unmet = refused([{"Put": put} for put in puts])
        except TransientError as error:
            if error.code != CANCELLED:
                raise
            unmet = list(range(len(puts)))
        return [None] * len(puts) if unmet else None
    try:
        with transient_failures():
            dynamodb().put_item(**puts[0])
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        response: dict[str, Any] = dict(error.response)
        return [_quota(response.get("Item"))]
    return None


def _quota(item: Mapping[str, Any] | None) -> Quota | None:
    """The state in an item; None of a lease, and where there is none."""
    if item is None or "state" not in item:
        return None
    return Quota(**json.loads(item["state"]["S"]))


def _key(provider: str, scope: str) -> dict[str, Any]:
    return {"provider": {"S": provider}, "scope": {"S": scope}}
