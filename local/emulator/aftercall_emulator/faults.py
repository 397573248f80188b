"""Faults on demand: a service that refuses, answers late, or does its work and is never heard.

`PUT /_aftercall/faults` with `{"rules": [...]}` replaces all rules, GET shows them with how often
each has hit, DELETE removes them. A rule has

- `service` and `operation`, such as `ses` and `SendEmail`, or `dynamodb` and `PutItem`;
- `recipient`, a pattern for the first address of an e-mail's `ToAddresses` or for the number of an
  SMS (`*@example.org`); without it, every request of the operation matches, and for `sns` `Publish`
  those to topics do too;
- `action`. `reject`: the service answers an AWS error (`code`, `status`, `message`) and does
  nothing. `lose_reply`: the operation is performed, then the connection is reset instead of an
  answer. `delay`: it is performed, and answered after `seconds`;
- `times`: how often it hits each recipient (or the operation, where there is no recipient); without
  it, always. What an AWS SDK tries again by itself is another request.

The first rule that matches and is not used up applies.
"""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import UnknownServiceError
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.chain import HandlerChain
from localstack.http import Request, Response
from localstack.runtime import hooks
from localstack.utils.patch import patch

PATH = "/_aftercall/faults"
MAX_SECONDS = 900

_REPLY_IS_LOST = "aftercall.reply_is_lost"
_ACTIONS = ("reject", "lose_reply", "delay")
_REQUIRED = ("service", "operation", "action")
_TYPES: dict[str, tuple[type, ...]] = {
    "service": (str,),
    "operation": (str,),
    "action": (str,),
    "recipient": (str,),
    "code": (str,),
    "status": (int,),
    "message": (str,),
    "times": (int,),
    "seconds": (int, float),
}
_ONLY_WITH = {"code": "reject", "status": "reject", "message": "reject", "seconds": "delay"}
_RANGES = {"status": (400, 599), "times": (1, 1_000_000), "seconds": (0, MAX_SECONDS)}


def _first_addressee(request: Mapping[str, Any]) -> str | None:
    return next(iter(request.get("Destination", {}).get("ToAddresses") or []), None)


def _phone_number(request: Mapping[str, Any]) -> str | None:
    return request.get("PhoneNumber")


_RECIPIENTS = {("ses", "SendEmail"): _first_addressee, ("sns", "Publish"): _phone_number}


class InvalidRule(Exception):
    """A rule that means nothing; the message says which and why."""


@dataclass
class Rule:
    """A rule as it was given, and whom it has hit how often."""

    given: dict[str, Any]
    hits: Counter[str] = field(default_factory=Counter)

    def matches(self, service: str, operation: str, recipient: str | None) -> bool:
        """Whether the rule is about this request, used up or not."""
        given = self.given
        if (given["service"], given["operation"]) != (service, operation):
            return False
        if "recipient" not in given:
            return True
        return recipient is not None and fnmatchcase(recipient, given["recipient"])

    def take(self, recipient: str | None) -> bool:
        """Count a hit, unless the rule is used up for this recipient."""
        if self.hits[recipient or ""] >= self.given.get("times", float("inf")):
            return False
        self.hits[recipient or ""] += 1
        return True


class Faults:
    """The rules in force, as the gateway's handlers and the route use them."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def before(self, chain: HandlerChain, context: RequestContext, response: Response) -> None:
        """Reject a request, or note for its end what shall become of the reply."""
        if self._rules and context.operation:
            rule = self.take(
                context.service.service_name,
                context.operation.name,
                recipient_of(context),
            )
            if rule is not None and rule["action"] == "reject":
                status = rule.get("status", 503)
                raise CommonServiceException(
                    rule.get("code", "ServiceUnavailable"),
                    rule.get("message", "This fault was asked for."),
                    status,
                    sender_fault=status < 500,
                )
            context.fault = rule

    def after(self, chain: HandlerChain, context: RequestContext, response: Response) -> None:
        """Hold the reply back, on one of the gateway's thousand threads, or have it lost."""
        rule = context.get("fault")
        if rule is None:
            return
        if rule["action"] == "delay":
            threading.Event().wait(rule["seconds"])
        else:
            context.request.environ[_REPLY_IS_LOST] = True

    def take(self, service: str, operation: str, recipient: str | None) -> dict[str, Any] | None:
        """The rule that applies to a request, with the hit counted."""
        with self._lock:
            for rule in self._rules:
                if rule.matches(service, operation, recipient) and rule.take(recipient):
                    return rule.given
        return None

    def replace(self, request: Request) -> Response:
        """PUT: all rules anew; if one is invalid, those before stay."""
        try:
            rules = read_rules(request.get_data())
        except InvalidRule as error:
            return _json({"error": str(error)}, 400)
        with self._lock:
            self._rules = rules
        return self.show(request)

    def show(self, request: Request) -> Response:
        """GET: the rules and their hits; nothing says who was hit."""
        with self._lock:
            return _json(
                {"rules": [rule.given | {"hits": rule.hits.total()} for rule in self._rules]}
            )

    def clear(self, request: Request) -> Response:
        """DELETE: no faults any more."""
        with self._lock:
            self._rules = []
        return Response(status=204)


@hooks.on_infra_start()
def serve_faults() -> None:
    """Put the rules' handlers into the gateway, and serve the route that sets them."""
    from localstack.aws import handlers
    from localstack.services.edge import ROUTER

    faults = Faults()
    handlers.serve_custom_service_request_handlers.append(faults.before)
    handlers.run_custom_finalizers.append(faults.after)
    ROUTER.add(PATH, faults.show, methods=["GET"])
    ROUTER.add(PATH, faults.replace, methods=["PUT"])
    ROUTER.add(PATH, faults.clear, methods=["DELETE"])
    reset_connections_of_lost_replies()


def reset_connections_of_lost_replies() -> None:
    """Where a reply shall be lost, the server resets the connection before its first byte."""
    from rolo.serving.twisted import HeaderPreservingWSGIResponse

    @patch(HeaderPreservingWSGIResponse.startResponse)
    def start_response(fn: Any, reply: Any, *arguments: Any) -> Any:
        if _REPLY_IS_LOST in reply.environ:
            reply.reactor.callFromThread(reply.request.channel.transport.abortConnection)
        return fn(reply, *arguments)


def recipient_of(context: RequestContext) -> str | None:
    """Whom an e-mail or an SMS goes to; None for whatever goes to nobody."""
    find = _RECIPIENTS.get((context.service.service_name, context.operation.name))
    return find(context.service_request) if find else None


def read_rules(body: bytes) -> list[Rule]:
    """The rules of a request's body; raises InvalidRule."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidRule(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise InvalidRule('the body is not {"rules": [...]}')
    return [_read_rule(number, given) for number, given in enumerate(document["rules"], 1)]


def _read_rule(number: int, given: object) -> Rule:
    try:
        if not isinstance(given, dict):
            raise InvalidRule("is not an object")
        _check_members(given)
        _check_meaning(given)
        _check_operation(given["service"], given["operation"])
    except InvalidRule as error:
        raise InvalidRule(f"rule {number}: {error}") from error
    return Rule(given)


def _check_members(given: dict[str, Any]) -> None:
    """Raise InvalidRule where a member is missing, unknown, or not of its type and range."""
    for name in _REQUIRED:
        if name not in given:
            raise InvalidRule(f"{name} is missing")
    for name, value in given.items():
        if name not in _TYPES:
            raise InvalidRule(f"{name} is unknown; there are {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise InvalidRule(f"{name} is not of type {_TYPES[name][0].__name__}")
        low, high = _RANGES.get(name, (None, None))
        if low is not None and not low <= value <= high:
            raise InvalidRule(f"{name} is not between {low} and {high}")


def _check_meaning(given: dict[str, Any]) -> None:
    """Raise InvalidRule where members do not go together."""
    action = given["action"]
    if action not in _ACTIONS:
        raise InvalidRule(f"action {action} is unknown; there are {', '.join(_ACTIONS)}")
    for name, needed in _ONLY_WITH.items():
        if name in given and action != needed:
            raise InvalidRule(f"{name} is only for {needed}")
    if action == "delay" and "seconds" not in given:
        raise InvalidRule("seconds is missing")
    if "recipient" in given and (given["service"], given["operation"]) not in _RECIPIENTS:
        raise InvalidRule("recipient is only for SendEmail of ses and Publish of sns")


def _check_operation(service: str, operation: str) -> None:
    """Raise InvalidRule where AWS has no such operation: a misspelt rule would never hit."""
    from localstack.aws.spec import load_service

    try:
        known = load_service(service).operation_names
    except UnknownServiceError as error:
        raise InvalidRule(f"there is no service {service}") from error
    if operation not in known:
        raise InvalidRule(f"{service} has no operation {operation}")


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, headers={"Content-Type": "application/json"})
