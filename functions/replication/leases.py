"""Leave to write where only one may at a time, for some seconds.

A lease lies in the quotas table, under the provider and `lease#<namespace>`. It ends by itself, so
a worker that is killed keeps nobody out for long. Each lease has a higher number than the one
before it, its fence: whoever comes late, when another one has it, is told apart by it even under
the same name. A provider knows nothing of fences: who writes renews long before the end, by more
than clocks may differ.
"""

import os
from typing import Any

from shared.clients import dynamodb, transient_failures
from shared.writes import conditionally

QUOTAS_TABLE_NAME = os.environ["QUOTAS_TABLE_NAME"]


def acquire(provider: str, namespace: str, holder: str, seconds: float, now: float) -> int | None:
    """Become the only writer; the lease's fence, or None where another one is.

    Who has it may acquire it again, because a reply was lost: with another fence.
    """
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=QUOTAS_TABLE_NAME,
            Key=_key(provider, namespace),
            UpdateExpression="SET holder = :holder, expires_at = :until ADD fence :one",
            ConditionExpression="attribute_not_exists(holder) OR expires_at <= :now"
            " OR holder = :holder",
            ExpressionAttributeValues={
                ":holder": {"S": holder},
                ":until": _number(now + seconds),
                ":now": _number(now),
                ":one": {"N": "1"},
            },
            ReturnValues="UPDATED_NEW",
        )
    )
    return None if reply is None else int(reply["Attributes"]["fence"]["N"])


def renew(
    provider: str, namespace: str, holder: str, fence: int, seconds: float, now: float
) -> bool:
    """Stay the only writer; False where another one is by now, or nobody is."""
    values = {":until": _number(now + seconds)}
    return _as_holder(provider, namespace, holder, fence, "SET expires_at = :until", values)


def release(provider: str, namespace: str, holder: str, fence: int) -> bool:
    """Let others write; False where it is not one's own any more."""
    return _as_holder(provider, namespace, holder, fence, "REMOVE holder, expires_at", {})


def ends_at(provider: str, namespace: str) -> float | None:
    """When the lease ends if nobody renews it; None where nobody has it."""
    with transient_failures():
        reply = dynamodb().get_item(
            TableName=QUOTAS_TABLE_NAME, Key=_key(provider, namespace), ConsistentRead=True
        )
    expires_at = reply.get("Item", {}).get("expires_at")
    return float(expires_at["N"]) if expires_at else None


def _as_holder(
    provider: str,
    namespace: str,
    holder: str,
    fence: int,
    expression: str,
    values: dict[str, Any],
) -> bool:
    own = {":holder": {"S": holder}, ":fence": {"N": str(fence)}}
    reply = conditionally(
        lambda: dynamodb().update_item(
            TableName=QUOTAS_TABLE_NAME,
            Key=_key(provider, namespace),
            UpdateExpression=expression,
            ConditionExpression="holder = :holder AND fence = :fence",
            ExpressionAttributeValues=own | values,
        )
    )
    return reply is not None


def _key(provider: str, namespace: str) -> dict[str, Any]:
    return {"provider": {"S": provider}, "scope": {"S": f"lease#{namespace}"}}


def _number(value: float) -> dict[str, Any]:
    return {"N": f"{value:.6f}"}
