"""What a provider's answer to a send means, for the message and for the next one.

The question that decides is whether the message can have gone out. A refusal in the provider's own
words proves that it did not: any 4xx, and the errors that say that nothing was taken on. So does a
connection that never came about. Every other end proves nothing, a bare 503 of something on the
way least of all: https://docs.aws.amazon.com/ses/latest/APIReference/CommonErrors.html.
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
        "AccountSendingPausedException",
        "ConfigurationSetSendingPausedException",
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
    if code in PASSING:
        return TryAgain(code, message)
    if status >= 500:
        return ReplyLost(code, message)
    return Failed(code, message)
