"""What an API answers when it cannot do as it was told: RFC 9457, `application/problem+json`.

A problem's type is `/problems/<code>`, a name that stays; nothing is served there. Its text is for
the caller, says nothing that they did not know, and is never logged.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import TransientError

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
MOST_ERRORS = 20
"""How many mistakes of one request are told: a body can hold very many."""

_QUOTING = frozenset({"assertion_error", "union_tag_invalid", "value_error"})
"""Kinds of validation errors whose text can repeat what was sent."""


class ProblemDetails(BaseModel):
    """A problem as it goes out; other members are its own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems/stale-version"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The request's id, which the service's log has too")


class Problem(Exception):
    """A request that is refused. `code` names the kind, `detail` tells this caller the case."""

    def __init__(self, status: int, code: str, detail: str, **extensions: Any) -> None:
        super().__init__(code)
        if clash := set(extensions) & set(ProblemDetails.model_fields):
            raise TypeError(f"every problem has these members itself: {sorted(clash)}")
        self.status = status
        self.code = code
        self.detail = detail
        self.extensions = extensions
        self.headers: dict[str, str] = {}

    def with_headers(self, headers: Mapping[str, str]) -> "Problem":
        self.headers |= headers
        return self

    def details(self, request_id: str) -> ProblemDetails:
        return ProblemDetails(
            type=f"/problems/{self.code}",
            title=self.code.replace("-", " ").capitalize(),
            status=self.status,
            detail=self.detail,
            instance=request_id,
            **self.extensions,
        )


def problem_of(error: Exception) -> Problem | None:
    """What an error is to the caller; None if it is a mistake of ours."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return invalid_request(error.errors())
        case TransientError():
            return unavailable()
    return None


def unavailable() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "temporarily-unavailable",
        "Something that this needs cannot answer now; the same request may succeed soon.",
    ).with_headers({"Retry-After": str(RETRY_AFTER_SECONDS)})


def unexpected() -> Problem:
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "This is a fault of the service and has been counted. To report it, give the instance.",
    )


def invalid_request(errors: Sequence[Any]) -> Problem:
    """Tell where a request is wrong, without repeating what stands there."""
    told = [{"loc": list(error["loc"]), "msg": _message(error)} for error in errors[:MOST_ERRORS]]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "The request does not have the form that this route takes.",
        errors=told,
    )


def _message(error: Mapping[str, Any]) -> str:
    return "Value is not acceptable" if error["type"] in _QUOTING else str(error["msg"])
