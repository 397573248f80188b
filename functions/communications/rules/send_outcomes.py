"""What a provider's answer to a send means, for the message and for the next one.

The question that decides is whether the message can have gone out. A refusal (any 4xx, or a 503,
by which AWS says that it took nothing on) proves that it did not; so does a connection that never
came about. Every other end without a reply proves nothing: https://docs.aws.amazon.com/ses/latest/
APIReference/CommonErrors.html calls InternalFailure an unknown error.
"""

from dataclasses import dataclass

THROTTLES = frozenset(
    {
        "LimitExceeded",
        "LimitExceededException",
        "RequestLimitExceeded",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
PASSING = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
"""Refusals that pass by themselves."""


@dataclass(frozen=True)
class Accepted:
    """The provider took the message on."""

    provider_message_id: str


@dataclass(frozen=True)
class TryAgain:
    """It was not sent; later it may be."""

    error: str
    cause: str


@dataclass(frozen=True)
class Throttled:
    """It was not sent because too much is; that is not its own fault."""

    error: str
    cause: str


@dataclass(frozen=True)
class Failed:
    """It was not sent and as it stands never will be."""

    error: str
    cause: str


@dataclass(frozen=True)
class ReplyLost:
    """It may have been sent."""

    error: str
    cause: str


type Outcome = Accepted | TryAgain | Throttled | Failed | ReplyLost


def refusal(code: str, status: int, message: str) -> Outcome:
    """What an AWS error reply means; `status` is HTTP's."""
    if code in THROTTLES or status == 429:
        return Throttled(code, message)
    if code in PASSING or status == 503:
        return TryAgain(code, message)
    if status >= 500:
        return ReplyLost(code, message)
    return Failed(code, message)
