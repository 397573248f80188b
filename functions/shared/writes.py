"""Writes to DynamoDB that hold only under a condition, alone and in a transaction."""

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from shared.clients import dynamodb, error_code, transient_failures
from shared.errors import TransientError

CANCELLED = "TransactionCanceled"
"""The code of a TransientError that says that a transaction may go through the next time."""

_PASSING = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})
"""Why a transaction may be cancelled today and go through tomorrow."""


def conditionally[Reply](write: Callable[[], Reply]) -> Reply | None:
    """Do a write; its reply, or None where its condition does not hold."""
    try:
        with transient_failures():
            return write()
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return None
        raise


def refused(parts: Sequence[Any]) -> list[int]:
    """Do all parts of a transaction, or none; the numbers of those whose conditions did not hold.

    Raises TransientError where it was cancelled for another reason, and that passes.
    """
    try:
        with transient_failures():
            dynamodb().transact_write_items(TransactItems=parts)
    except ClientError as error:
        if error_code(error) != "TransactionCanceledException":
            raise
        reasons = [str(reason.get("Code")) for reason in error.response["CancellationReasons"]]
        failed = [n for n, code in enumerate(reasons) if code == "ConditionalCheckFailed"]
        if not failed and _PASSING & set(reasons):
            raise TransientError(CANCELLED, ", ".join(sorted(set(reasons)))) from error
        if not failed:
            raise
        return failed
    return []
