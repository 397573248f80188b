"""Requests to S3 with a customer's keys: each paid for, sent once, and what its reply means."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from replication.storage.interface import Meter, Operation, Throttled
from replication.storage.replies import heed, retry_after
from shared.clients import error_code
from shared.errors import AmbiguousError, StorageRefused, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)
_TRANSIENT = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "InvalidDigest",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "XAmzContentSHA256Mismatch",
    }
)
"""What passes, or is due to us or the way; those with a status of 5xx need no name here."""

_ANY_REGION = "us-east-1"
"""What speaks S3 elsewhere takes this, unless the account says otherwise."""

_CREDENTIALS = ("CredentialsRefused", "the key is not known or may not do this here: it needs"
                " s3:ListBucket, s3:GetObject, s3:PutObject and s3:AbortMultipartUpload; correct"
                " the account's secret or the key's policy")  # fmt: skip
_ELSEWHERE = ("RegionWrong", "the bucket is in another region: write it into the account's region")
BUCKET_MISSING = (
    "BucketMissing",
    "there is no such bucket: make it or correct the account's location",
)
_FULL = ("StorageFull", "the account has no space left: free some, or raise its quota")
_REFUSALS = {
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "EntityTooLarge": ("FileTooLarge", "the storage takes no file of this size"),
    "IllegalLocationConstraintException": _ELSEWHERE,
    "InvalidBucketName": BUCKET_MISSING,
    "InvalidObjectState": ("FileArchived", "what is there is archived: restore it or rename it"),
    "KeyTooLongError": ("NameIllegal", "the storage takes no name of this length: shorten it"),
    "NoSuchBucket": BUCKET_MISSING,
    "NotImplemented": ("NotSupported", "the storage does not know all of S3 that is needed"),
    "PermanentRedirect": _ELSEWHERE,
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioInvalidObjectName": ("NameIllegal", "the storage takes no such name: rename it"),
    "XMinioStorageFull": _FULL,
}


class PreconditionFailed(Exception):
    """What the request would have replaced is not what it expected."""


class NotThere(Exception):
    """No such object, or no such upload."""


class Connection:
    """A client for one account, kept for reuse, and who pays for what is sent with it."""

    def __init__(
        self, credentials: Mapping[str, str], *, endpoint: str | None, region: str | None
    ) -> None:
        self.client: S3Client = boto3.client(
            "s3",
            aws_access_key_id=credentials["access_key_id"],
            aws_secret_access_key=credentials["secret_access_key"],
            aws_session_token=credentials.get("session_token"),
            endpoint_url=endpoint,
            region_name=region or (_ANY_REGION if endpoint else None),
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if endpoint else "auto"},
            ),
        )
        self._pay: Callable[[], None] = lambda: None
        # Whatever botocore sends by itself, to find a bucket's region for example, is paid too.
        self.client.meta.events.register_first("before-send.s3", lambda **_: self._pay())

    def close(self) -> None:
        self.client.close()

    @contextmanager
    def asking(self, meter: Meter, operation: Operation, *, in_doubt: bool) -> Iterator[None]:
        """Calls of the client in here are paid for; errors say what a reply means, or its loss.

        `in_doubt`: whether nobody knows what is at the customer's key where a reply is lost.
        """
        self._pay = lambda: meter.spend(operation)
        try:
            yield
        except ClientError as error:
            heed(meter, _headers(error.response))
            raise _meaning(error) from None
        except (BotoCoreError, HTTPError) as error:
            raise _no_reply(error, in_doubt) from None


def heed_reply(meter: Meter, reply: Mapping[str, Any]) -> None:
    """Hand on what a reply says of the quota."""
    heed(meter, _headers(reply))


def _headers(reply: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _meaning(error: ClientError) -> Exception:
    """What an error means; its text is not repeated, as it may name the object or the key."""
    metadata = error.response.get("ResponseMetadata", {})
    code, status = error_code(error), metadata.get("HTTPStatusCode", 0)
    safe = code if re.fullmatch(r"[A-Za-z0-9]{1,60}", code) else f"HTTP{status}"
    if code in _THROTTLES or status in (429, 503):
        return Throttled(safe, retry_after(_headers(error.response)))
    if code in _TRANSIENT or (status >= 500 and code not in _REFUSALS):
        return TransientError(safe, "the storage cannot answer now")
    if code in _REFUSALS:
        return StorageRefused(*_REFUSALS[code])
    if status == 412:
        return PreconditionFailed()
    return _by_status(status, safe)


def _by_status(status: int, code: str) -> Exception:
    if status == 404:
        return NotThere()
    if status == 409:
        return TransientError(code, "somebody else is at the same place just now")
    if status in (401, 403) or code in ("ExpiredToken", "InvalidToken"):
        return StorageRefused(*_CREDENTIALS)
    if 300 <= status < 400:
        return StorageRefused(*_ELSEWHERE)
    return StorageRefused(code, f"the storage refused the request with HTTP {status}")


def _no_reply(error: Exception, in_doubt: bool) -> Exception:
    """What it means that a request failed without a reply."""
    unsent = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
    name = type(error).__name__
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StorageRefused(
            "CertificateRefused", "the server's certificate is not valid: have it renewed"
        )
    if not in_doubt or isinstance(error, unsent):
        return TransientError(name, "the connection to the storage failed")
    return AmbiguousError("ReplyLost: the connection to the storage ended before its reply")
