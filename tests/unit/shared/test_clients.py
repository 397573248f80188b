"""Which failures of AWS pass."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from shared import clients
from shared.clients import error_code, is_transient, transient_failures
from shared.errors import TransientError
from tests.unit.aws_errors import aws_error

ENDPOINT = {"endpoint_url": "https://any.example"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("Throttling", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("RequestLimitExceeded", 400),
        ("TransactionConflictException", 400),
        ("RequestTimeout", 400),
        ("SlowDown", 503),
        ("503", 503),
        ("AnyNewCode", 500),
    ],
)
def test_throttles_and_server_errors_pass(code, status):
    with pytest.raises(TransientError, match=f"^{code}: GetItem$") as raised, transient_failures():
        raise aws_error(code, status=status, operation="GetItem")

    assert type(raised.value) is TransientError
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("NoSuchKey", 404),
        ("ValidationException", 400),
        ("ConditionalCheckFailedException", 400),
        ("ExecutionAlreadyExists", 400),
        ("PreconditionFailed", 412),
    ],
)
def test_everything_else_goes_through_unchanged(code, status):
    error = aws_error(code, status=status)

    with pytest.raises(ClientError) as raised, transient_failures():
        raise error

    assert raised.value is error
    assert error_code(error) == code


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosedError(**ENDPOINT),
        ConnectTimeoutError(**ENDPOINT),
        EndpointConnectionError(**ENDPOINT, error="refused"),
        ReadTimeoutError(**ENDPOINT),
        ResponseStreamingError(error="reset"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_broken_connections_pass(error):
    with pytest.raises(TransientError, match=f"^{type(error).__name__}: "), transient_failures():
        raise error


@pytest.mark.parametrize(
    "error",
    [NoCredentialsError(), ParamValidationError(report="any"), ValueError("any")],
    ids=lambda error: type(error).__name__,
)
def test_mistakes_do_not_pass(error):
    with pytest.raises(type(error)) as raised, transient_failures():
        raise error

    assert raised.value is error


def test_an_error_without_code_or_status_is_permanent():
    error = ClientError({}, "GetItem")

    assert (error_code(error), is_transient(error)) == ("Unknown", False)


def test_a_client_is_made_once_and_tries_twice(cloud):
    assert clients.s3() is clients.s3()
    assert clients.s3().meta.config.retries["total_max_attempts"] == 2
