"""AWS clients, and what their failures mean to a workflow.

The endpoint comes from AWS_ENDPOINT_URL, which botocore reads by itself: no code asks where it
runs. Credentials and region come from the execution environment.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 - a refused or slow connection; botocore has no other name
    HTTPClientError,
    IncompleteReadError,
)

from shared.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ses import SESClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

# One quick retry inside the step; waiting longer is the machine's work, where it costs nothing.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 2},
)

# A message to a person is never sent again because a reply was lost: it may have gone out.
_ONCE = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},
)

_TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "KmsThrottled",
        "KmsThrottlingException",
        "InternalServerError",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


@cache
def dynamodb() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=_CONFIG)


@cache
def events() -> "EventBridgeClient":
    return boto3.client("events", config=_CONFIG)


@cache
def s3() -> "S3Client":
    return boto3.client("s3", config=_CONFIG)


@cache
def s3_links() -> "S3Client":
    """For links to objects that somebody else follows.

    Left to itself botocore signs them by an old method, or for the global host, which recent
    buckets and other regions refuse; with the bucket in the path it names the region's own.
    """
    style: Any = {"addressing_style": "path"}
    return boto3.client("s3", config=Config(signature_version="s3v4", s3=style))


@cache
def ses() -> "SESClient":
    """For e-mails to people; it never repeats a call by itself."""
    return boto3.client("ses", config=_ONCE)


@cache
def sms() -> "SNSClient":
    """For SMS to people; it never repeats a call by itself."""
    return boto3.client("sns", config=_ONCE)


@cache
def sns() -> "SNSClient":
    """For topics."""
    return boto3.client("sns", config=_CONFIG)


@cache
def secretsmanager() -> "SecretsManagerClient":
    return boto3.client("secretsmanager", config=_CONFIG)


@cache
def sqs() -> "SQSClient":
    return boto3.client("sqs", config=_CONFIG)


@cache
def stepfunctions() -> "SFNClient":
    return boto3.client("stepfunctions", config=_CONFIG)


@contextmanager
def transient_failures() -> Iterator[None]:
    """Turn AWS failures that pass (throttles, 5xx, broken connections) into TransientError.

    Everything else, a missing key or a denied action, goes through unchanged.
    """
    try:
        yield
    except ClientError as error:
        if is_transient(error):
            raise TransientError(error_code(error), error.operation_name) from error
        raise
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise TransientError(type(error).__name__, "the connection to AWS failed") from error


def error_code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "Unknown")


def is_transient(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error_code(error) in _TRANSIENT_CODES
