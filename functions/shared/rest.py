"""The pattern of every HTTP API: who may call which route, and what everybody gets as an answer.

    api = RestApi("/visits", title="Visits", version="1", description="...")

    @api.get("/visits/<visit_id>", roles={"representative"}, summary="Read one visit")
    def read_visit(visit_id: Id) -> VisitView: ...

    @step
    def handler(event, context):
        return api.handle(event, context)

A request is judged in this order: token (401), size (413), path and method (404, 405), role (403),
body (415, 400), parameters and body against the route's types (422), then the route itself. Whoever
has no token learns nothing of what exists.
"""

import base64
import json
import re
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack
from urllib.parse import quote, unquote, urlencode

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.conditions import checked_idempotency_key, entity_tag, version_of
from shared.identity import (
    ROLES,
    Caller,
    IdentityProviderUnavailable,
    Role,
    Unauthenticated,
    authenticate,
)
from shared.observability import business_ids, count, logger
from shared.paging import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from shared.problems import (
    CONTENT_TYPE,
    Problem,
    ProblemDetails,
    problem_of,
    unavailable,
    unexpected,
)

LARGEST_BODY = 256 * 1024
_SECURITY_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

type _Headers = dict[str, list[str]]


class RouteOptions(TypedDict, total=False):
    """What a route is declared with besides its path."""

    roles: Required[Collection[Role]]
    summary: Required[str]
    description: str
    status: int


@dataclass(frozen=True)
class _Route:
    method: str
    segments: tuple[str, ...]
    roles: frozenset[Role] | None
    """None: whoever has a token."""

    def takes(self, path: Sequence[str]) -> bool:
        return len(path) == len(self.segments) and all(
            given != "" if _is_parameter(own) else given == own
            for own, given in zip(self.segments, path, strict=True)
        )


@dataclass
class _Request:
    """The request in hand, and what its route adds to the answer."""

    headers: dict[str, str]
    query: dict[str, list[str]]
    caller: Caller
    answer_headers: _Headers = field(default_factory=dict)


class _Resolver(APIGatewayRestResolver):
    """Powertools' resolver, whose path parameters arrive decoded: `%2F` is a part of one."""

    def _convert_matches_into_route_keys(self, match: re.Match[str]) -> dict[str, str]:
        return {name: unquote(value) for name, value in match.groupdict().items()}


class RestApi:
    """A domain's routes below its path prefix, and `<prefix>/openapi.json`, which tells of them."""

    def __init__(self, prefix: str, *, title: str, version: str, description: str) -> None:
        if not re.fullmatch(r"(/[a-z0-9-]+)+", prefix):
            raise ValueError(f"a path prefix is like /visits, not {prefix!r}")
        self.prefix = prefix
        self._about = {"title": title, "version": version, "description": description}
        self._routes: list[_Route] = []
        self._request: _Request | None = None
        self._resolver = _Resolver(
            debug=False,
            enable_validation=True,
            response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
        )
        self._resolver.exception_handler(Exception)(_let_through)
        self._add_route("GET", f"{prefix}/openapi.json", None, self._describe, "This document")

    def get[F: Callable[..., Any]](
        self, path: str, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        return self._declare("GET", path, **options)

    def post[F: Callable[..., Any]](
        self, path: str, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        return self._declare("POST", path, **options)

    def put[F: Callable[..., Any]](
        self, path: str, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        return self._declare("PUT", path, **options)

    def patch[F: Callable[..., Any]](
        self, path: str, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        return self._declare("PATCH", path, **options)

    def delete[F: Callable[..., Any]](
        self, path: str, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        return self._declare("DELETE", path, **options)

    def handle(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one event of API Gateway's Lambda proxy; never raises."""
        try:
            return self._answer(event, context)
        except Exception as error:  # noqa: BLE001 - the edge: whatever happens, there is an answer
            return _problem_answer(_told(error), context.aws_request_id)
        finally:
            self._request = None

    # --- inside a route

    @property
    def caller(self) -> Caller:
        return self._current().caller

    def header(self, name: str) -> str | None:
        """The value of a request's header, whatever its case."""
        return self._current().headers.get(name.lower())

    def if_match(self) -> int | None:
        """The version that the caller has seen, if they say so."""
        return version_of(self.header("If-Match"))

    def idempotency_key(self) -> str | None:
        """What makes a second request the same as the first, if the caller says so."""
        return checked_idempotency_key(self.header("Idempotency-Key"))

    def set_header(self, name: str, value: str) -> None:
        """Add a header to the answer, if it is none of a problem."""
        self._current().answer_headers[name] = [value]

    def set_version(self, version: int) -> None:
        """Tell the caller the version of what they get: the ETag that If-Match takes."""
        self.set_header("ETag", entity_tag(version))

    def page[Item](self, items: list[Item], position: Mapping[str, str] | None) -> Page[Item]:
        """Make a page; `position` is where the next one begins, None on the last."""
        if position is None:
            return Page(items=items)
        cursor = encode_cursor(position)
        query = self._current().query | {"cursor": [cursor]}
        self.set_header("Link", f'<?{urlencode(query, doseq=True)}>; rel="next"')
        return Page(items=items, next=cursor)

    # --- declaring routes

    def _declare[F: Callable[..., Any]](
        self,
        method: str,
        path: str,
        *,
        roles: Collection[Role],
        summary: str,
        description: str = "",
        status: int = HTTPStatus.OK,
    ) -> Callable[[F], F]:
        if not roles or not set(roles) <= ROLES:
            raise ValueError(f"{method} {path} needs roles from {sorted(ROLES)}")

        def register(route: F) -> F:
            self._add_route(method, path, frozenset(roles), route, summary, description, status)
            return route

        return register

    def _add_route(
        self,
        method: str,
        path: str,
        roles: frozenset[Role] | None,
        route: Callable[..., Any],
        summary: str,
        description: str = "",
        status: int = HTTPStatus.OK,
    ) -> None:
        if path != self.prefix and not path.startswith(f"{self.prefix}/"):
            raise ValueError(f"{method} {path} is outside {self.prefix}")
        self._routes.append(_Route(method, tuple(path.split("/")), roles))
        self._routes.sort(key=lambda added: any(map(_is_parameter, added.segments)))
        who = f"Roles: {', '.join(sorted(roles))}." if roles else "Roles: any."
        self._resolver.route(
            path,
            method,
            summary=summary,
            description=f"{description}\n\n{who}".strip(),
            operation_id=route.__name__.strip("_"),
            status_code=status,
        )(_with_business_ids(route))

    # --- answering

    def _answer(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        headers = _single_values(event, "headers", "multiValueHeaders")
        caller = _caller_of(headers)
        body = _body_of(event)
        path = _segments_of(event["path"])
        _permit(self._route_for(event["httpMethod"], path), caller)
        lowered = {name.lower(): value for name, value in headers.items()}
        _check_body(body, lowered.get("content-type"))
        query = _multiple_values(event, "queryStringParameters", "multiValueQueryStringParameters")
        self._request = _Request(lowered, query, caller)
        canonical = "/".join(quote(segment, safe="") for segment in path)
        reply = self._resolver.resolve(
            _canonical_event(event["httpMethod"], canonical, lowered, query, body), context
        )
        return _with_headers(reply, self._request.answer_headers)

    def _route_for(self, method: str, path: Sequence[str]) -> _Route:
        candidates = [route for route in self._routes if route.takes(path)]
        if not candidates:
            raise Problem(404, "unknown-path", "There is nothing at this path.")
        for route in candidates:
            if route.method == method:
                return route
        methods = ", ".join(sorted({route.method for route in candidates}))
        raise Problem(405, "unknown-method", f"This path takes {methods}.").with_headers(
            {"Allow": methods}
        )

    def _describe(self) -> dict[str, Any]:
        from shared.api_description import describe  # Slow to make, and rarely asked for.

        up = "/".join([".."] * self.prefix.count("/"))
        return describe(self._resolver, server=up, **self._about)

    def _current(self) -> _Request:
        if self._request is None:
            raise LookupError("there is no request outside of a route")
        return self._request


def _is_parameter(segment: str) -> bool:
    return segment.startswith("<")


def _let_through(error: Exception) -> None:
    """Keep Powertools from logging an error's text, and from answering in its own form."""
    raise error


def _with_business_ids[**Given, Result](route: Callable[Given, Result]) -> Callable[Given, Result]:
    """Log the ids in a path, once they are validated, with each line about the request."""

    @wraps(route)
    def observed(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        logger.append_keys(**business_ids(kwargs))
        return route(*args, **kwargs)

    return observed


def _single_values(event: Mapping[str, Any], single: str, multiple: str) -> dict[str, str]:
    return {
        name: ",".join(values) for name, values in _multiple_values(event, single, multiple).items()
    }


def _multiple_values(event: Mapping[str, Any], single: str, multiple: str) -> dict[str, list[str]]:
    """Headers or query of an event, which has them once with the last values, once with all."""
    last = event.get(single) or {}
    return {name: [value] for name, value in last.items()} | (event.get(multiple) or {})


def _caller_of(headers: Mapping[str, str]) -> Caller:
    try:
        return authenticate(headers)
    except Unauthenticated as error:
        detail = error.reason[0].upper() + error.reason[1:] + "."
        raise Problem(401, "unauthenticated", detail).with_headers(
            {"WWW-Authenticate": 'Bearer realm="aftercall"'}
        ) from None
    except IdentityProviderUnavailable as error:
        raise unavailable() from error


def _body_of(event: Mapping[str, Any]) -> bytes:
    body = (event.get("body") or "").encode(errors="surrogatepass")
    if event.get("isBase64Encoded"):
        try:
            body = base64.b64decode(body, validate=True)
        except ValueError:
            raise _not_json() from None
    if len(body) > LARGEST_BODY:
        raise Problem(413, "body-too-large", f"A body has {LARGEST_BODY} bytes at most.")
    return body


def _segments_of(path: str) -> list[str]:
    """A path's segments, decoded once. The gateway passes the path on as it was sent."""
    try:
        path.encode()
        return [unquote(segment, errors="strict") for segment in path.rstrip("/").split("/")]
    except UnicodeError:
        raise Problem(400, "invalid-path", "The path is not percent-encoded UTF-8.") from None


def _permit(route: _Route, caller: Caller) -> None:
    if route.roles is not None and not route.roles & caller.roles:
        raise Problem(403, "forbidden", f"This takes a role: {', '.join(sorted(route.roles))}.")


def _check_body(body: bytes, content_type: str | None) -> None:
    """A body is a JSON object, whoever reads it."""
    if not body:
        return
    if content_type and content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "unsupported-media-type", "A body must be application/json.")
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (RecursionError, ValueError):
        raise _not_json() from None
    if not isinstance(document, dict):
        raise Problem(
            422,
            "invalid-request",
            "The request does not have the form that this route takes.",
            errors=[{"loc": ["body"], "msg": "Input should be an object"}],
        )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _not_json() -> Problem:
    return Problem(400, "invalid-json", "The body is not JSON in UTF-8.")


def _canonical_event(
    method: str, path: str, headers: dict[str, str], query: dict[str, list[str]], body: bytes
) -> dict[str, Any]:
    """The request as the resolver shall see it, whatever gateway it came through."""
    return {
        "httpMethod": method,
        "path": path,
        "headers": headers | {"content-type": "application/json"},
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {},
        "multiValueQueryStringParameters": query,
        "requestContext": {"stage": "$default"},
        "body": body.decode() or None,
        "isBase64Encoded": False,
    }


def _told(error: Exception) -> Problem:
    """What the caller hears of an error, and the log of what is not the caller's doing."""
    problem = problem_of(error)
    if problem is None:
        count("RequestFailed")
        last = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(
            "request failed",
            error=type(error).__name__,
            at=f"{Path(last.filename).name}:{last.lineno}",
        )
        return unexpected()
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        count("RequestPutOff")
        cause = error.__cause__ if isinstance(error, Problem) else None
        logger.warning("request put off", error=type(cause or error).__name__)
    return problem


def _problem_answer(problem: Problem, request_id: str) -> dict[str, Any]:
    return _with_headers(
        {
            "statusCode": problem.status,
            "body": json.dumps(problem.details(request_id).model_dump(mode="json", fallback=str)),
            "isBase64Encoded": False,
            "multiValueHeaders": {"Content-Type": [CONTENT_TYPE]},
        },
        {name: [value] for name, value in problem.headers.items()},
    )


def _with_headers(reply: dict[str, Any], headers: _Headers) -> dict[str, Any]:
    always = {name: [value] for name, value in _SECURITY_HEADERS.items()}
    given = dict(reply["multiValueHeaders"])
    if reply["statusCode"] == HTTPStatus.NO_CONTENT:
        reply["body"] = ""
        given.pop("Content-Type", None)
    return reply | {
        "statusCode": int(reply["statusCode"]),
        "multiValueHeaders": given | headers | always,
    }


__all__ = [
    "DEFAULT_LIMIT",
    "LARGEST_BODY",
    "Caller",
    "Cursor",
    "Limit",
    "Page",
    "Problem",
    "ProblemDetails",
    "RestApi",
    "decode_cursor",
    "encode_cursor",
    "version_of",
]
