"""Refusals as Microsoft Graph words them."""

import json
import time
import uuid
from typing import Any

from local.providers.messages import Refused, Response

JSON = "application/json"


def reply(status: int, document: Any, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(document).encode(), {"Content-Type": JSON, **named})


def refused(status: int, code: str, message: str, inner: str | None = None) -> Refused:
    """`inner` is a code that says more of it."""
    request_id = str(uuid.uuid4())
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    more = {"date": now, "request-id": request_id, "client-request-id": request_id}
    if inner is not None:
        more = {"code": inner, **more}
    error = {"code": code, "message": message, "innerError": more}
    return Refused(reply(status, {"error": error}, request_id=request_id))


def invalid(message: str, inner: str | None = None) -> Refused:
    return refused(400, "invalidRequest", message, inner)


def not_found() -> Refused:
    return refused(404, "itemNotFound", "The resource could not be found.")


def name_taken(message: str = "The specified item name already exists.") -> Refused:
    return refused(409, "nameAlreadyExists", message)


def changed_meanwhile() -> Refused:
    return refused(412, "resourceModified", "ETag does not match current item's value")


def full() -> Refused:
    return refused(507, "quotaLimitReached", "Insufficient Space Available")


def unauthorised(message: str) -> Refused:
    refusal = refused(401, "InvalidAuthenticationToken", message)
    refusal.response.headers["WWW-Authenticate"] = 'Bearer realm=""'
    return refusal
