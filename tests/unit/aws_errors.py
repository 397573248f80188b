"""Failures of AWS, to be raised in place of a reply."""

from collections.abc import Callable
from typing import NoReturn

from botocore.exceptions import ClientError, ConnectionClosedError


def aws_error(code: str, *, status: int = 400, operation: str = "AnyOperation") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "any message"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        operation,
    )


def fails_with(code: str, *, status: int = 400) -> Callable[[], NoReturn]:
    return raises(aws_error(code, status=status))


def raises(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def reply_is_lost() -> NoReturn:
    raise ConnectionClosedError(endpoint_url="https://any.example")
